#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace backprop::client {

// Writes a one-dimensional .npy file, '<f4' in single precision and '<f8' otherwise; replaces what is there.
absl::Status WriteNpyVector(const std::string& path, std::span<const double> elements, bool single_precision);

// Writes a two-dimensional one of `row_count` rows, which divides the number of elements, in C order.
absl::Status WriteNpyMatrix(const std::string& path, std::span<const double> elements, size_t row_count,
                            bool single_precision);

// Reads a one-dimensional .npy file, or, one behind the other, the rows of a two-dimensional one. INVALID_ARGUMENT
// unless it holds a vector of `element_count` numbers, or 1 to `max_row_count` rows of so many.
absl::StatusOr<std::vector<double>> ReadNpyVectors(const std::string& path, int64_t element_count,
                                                   int64_t max_row_count = 1);

}  // namespace backprop::client
