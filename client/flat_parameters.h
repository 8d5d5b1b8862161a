// Parameters as one flat vector: per layer the weights row by row, then the biases.
#pragma once

#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "backprop/v1/matrix.pb.h"
#include "backprop/v1/network.pb.h"
#include "backprop/v1/parameters.pb.h"

namespace backprop::client {

// The elements of `matrix`, row by row, in whichever form they were sent.
[[nodiscard]] std::vector<double> ElementsOf(const v1::Matrix& matrix);

[[nodiscard]] double EuclideanNorm(std::span<const double> elements);

[[nodiscard]] std::vector<double> FlatOf(const v1::Parameters& parameters);

// True when `parameters` came in single precision.
[[nodiscard]] bool IsSinglePrecision(const v1::Parameters& parameters);

// INVALID_ARGUMENT unless `flat` has as many elements as `network` has parameters.
[[nodiscard]] absl::StatusOr<v1::Parameters> ParametersFromFlat(std::span<const double> flat,
                                                                const v1::NetworkSpec& network);

}  // namespace backprop::client
