#pragma once

#include <string>

#include "backprop/v1/derivative_service.pb.h"
#include "backprop/v1/network.pb.h"

namespace backprop::client {

// The chain rule as tables, layer by layer from the inputs up: for each unit the stages that its error signal is the
// product of, then the gradient of each of its weights. Of large layers the first units only. Without the last line
// end.
[[nodiscard]] std::string TraceText(const v1::TraceBackpropagationResponse& trace, const v1::Session& session);

}  // namespace backprop::client
