#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "backprop/v1/network.pb.h"

namespace backprop::client {

struct TargetError {
  // Index of the target that is to blame; none: all of them together.
  std::optional<size_t> target;
  std::string problem;
};

// What the server would refuse about the targets of one pattern, said where the place in the file is known:
// classification takes numbers from 0 to 1, which in multiway classification sum to 1 (patterns.proto). Nothing for
// good ones, and for regression.
[[nodiscard]] std::optional<TargetError> FindTargetError(const v1::NetworkSpec& network,
                                                         const std::vector<double>& targets);

}  // namespace backprop::client
