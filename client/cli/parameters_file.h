#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "backprop/v1/parameters.pb.h"
#include "backprop/v1/session.pb.h"

namespace backprop::client {

// What anything of the shape of `session`'s parameters can be read from: a vector in .npy or numbers in text, with
// commas or blanks between, in the flat order (for each layer the weights row by row, then the biases); or Parameters
// in JSON as --output json prints them. NOT_FOUND and INVALID_ARGUMENT name the file.
absl::StatusOr<v1::Parameters> ReadParametersFile(const std::string& path, const v1::Session& session);

// The same of a file of one direction, or of several as the rows of a matrix in .npy, at most kMaxDirections.
inline constexpr int64_t kMaxDirections = 256;
absl::StatusOr<std::vector<v1::Parameters>> ReadDirectionsFile(const std::string& path, const v1::Session& session);

}  // namespace backprop::client
