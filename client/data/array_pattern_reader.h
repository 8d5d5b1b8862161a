#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "backprop/v1/network.pb.h"
#include "backprop/v1/patterns.pb.h"
#include "client/data/array_file.h"
#include "client/data/pattern_reader.h"

namespace backprop::client {

// Patterns from binary arrays: inputs in one file, targets in another. One integer a pattern is its class for multiway
// classification; otherwise targets are numbers, one for each output unit.
class ArrayPatternReader final : public PatternReader {
 public:
  // `targets` is left out for inputs alone. Unsigned bytes among the inputs count as raw_scale each. INVALID_ARGUMENT
  // when shapes do not fit the network or each other.
  static absl::StatusOr<std::unique_ptr<ArrayPatternReader>> Open(ArrayFile inputs, std::optional<ArrayFile> targets,
                                                                  const v1::NetworkSpec& network, double raw_scale);

  absl::StatusOr<std::optional<v1::Patterns>> Next(int32_t max_pattern_count) override;

 private:
  ArrayPatternReader(ArrayFile inputs, std::optional<ArrayFile> targets, const v1::NetworkSpec& network,
                     double raw_scale);

  absl::StatusOr<v1::Patterns> Read(int32_t max_pattern_count);
  absl::Status CheckTargetRange(const v1::Matrix& targets) const;
  absl::Status AddClasses(int32_t count, v1::Patterns* patterns);

  ArrayFile inputs_;
  std::optional<ArrayFile> targets_;
  const bool targets_are_classes_;
  const v1::NetworkSpec network_;
  const double raw_scale_;
  int64_t next_pattern_ = 0;
  bool at_end_ = false;
};

}  // namespace backprop::client
