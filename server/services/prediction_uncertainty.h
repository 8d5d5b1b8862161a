// Standard deviations of predictions, which come of the uncertainty of the parameters.
#pragma once

#include "backprop/v1/prediction_service.pb.h"
#include "core/error.h"
#include "server/services/derivative_call.h"
#include "server/services/service_context.h"

namespace backprop::server {

// Violations of what `request` says of uncertainty.
void CheckUncertainty(const v1::PredictRequest& request, Violations* violations);

// Adds the standard deviations of the outputs for `inputs` [input_unit_count x pattern_count] to `response`, by the
// Laplace approximation that `request` asks for around the parameters of `snapshot`. RESOURCE_EXHAUSTED, reason
// HESSIAN_LIMIT, WORK_LIMIT or MEMORY_LIMIT; NOT_FOUND without the stored set.
template <typename Scalar>
absl::Status AddUncertainty(const Session<Scalar>& session, const v1::PredictRequest& request,
                            const Snapshot<Scalar>& snapshot, const Matrix<Scalar>& inputs, int64_t server_work_limit,
                            const StopCheck& stopped, v1::PredictResponse* response);

}  // namespace backprop::server
