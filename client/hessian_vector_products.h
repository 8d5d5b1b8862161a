// Hessian-vector products that came layer by layer, as one answer.
#pragma once

#include "absl/status/statusor.h"
#include "backprop/v1/derivative_service.pb.h"
#include "client/client.h"

namespace backprop::client {

// Takes `layer`, the next of its vector, over into `products`.
void AddLayer(v1::StreamHessianVectorProductResponse layer, v1::ComputeHessianVectorProductResponse* products);

// All of a stream, as ComputeHessianVectorProduct would answer were there no largest message.
[[nodiscard]] absl::StatusOr<v1::ComputeHessianVectorProductResponse> HessianVectorProducts(
    const Client& client, const v1::ComputeHessianVectorProductRequest& request, CallOptions options = {});

}  // namespace backprop::client
