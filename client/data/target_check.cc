#include "client/data/target_check.h"

#include <cmath>
#include <numeric>

#include "absl/strings/str_cat.h"

namespace backprop::client {
namespace {

// As the server's: what float rounding of 100,000 terms costs.
constexpr double kSumTolerance = 1e-3;

}  // namespace

std::optional<TargetError> FindTargetError(const v1::NetworkSpec& network, const std::vector<double>& targets) {
  const bool multiway = network.task() == v1::TASK_MULTIWAY_CLASSIFICATION;
  if (!multiway && network.task() != v1::TASK_BINARY_CLASSIFICATION) return std::nullopt;
  for (size_t i = 0; i < targets.size(); ++i) {
    if (targets[i] >= 0 && targets[i] <= 1) continue;
    return TargetError{.target = i,
                       .problem = absl::StrCat(targets[i], " is not from 0 to 1, as targets of a classification are")};
  }
  const double sum = std::accumulate(targets.begin(), targets.end(), 0.0);
  if (!multiway || std::abs(sum - 1) <= kSumTolerance) return std::nullopt;
  return TargetError{.target = std::nullopt,
                     .problem = absl::StrCat("the targets sum to ", sum, ", not to 1 as in multiway classification")};
}

}  // namespace backprop::client
