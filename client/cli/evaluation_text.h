#pragma once

#include <string>
#include <vector>

#include "backprop/v1/evaluation_service.pb.h"
#include "backprop/v1/parameters.pb.h"

namespace backprop::client {

// Log likelihood, accuracy or mean squared error, and the confusion matrix with `class_names` where they are known.
[[nodiscard]] std::string EvaluationText(const v1::EvaluateResponse& response,
                                         const std::vector<std::string>& class_names);

// Each layer's shapes and Euclidean norms, and the norm of all as the last line `<what> norm X`.
[[nodiscard]] std::string NormsText(const v1::Parameters& parameters, const std::string& what);

}  // namespace backprop::client
