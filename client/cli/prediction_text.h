#pragma once

#include <string>

#include "backprop/v1/prediction_service.pb.h"

namespace backprop::client {

// A line for each pattern, tabs between its parts: in classification the class, by name where the network has class
// names (binary with several output units: a class for each, with commas between), then the outputs,
// with their standard deviations where they were asked for (0.75 +- 0.1). Each line ends.
[[nodiscard]] std::string PredictionText(const v1::PredictResponse& response);

}  // namespace backprop::client
