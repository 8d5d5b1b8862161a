// DerivativeService of derivative_service.proto, on the domain; a file a call: compute_gradient.cc and so on.
#pragma once

#include "backprop/v1/derivative_service.grpc.pb.h"
#include "server/services/service_context.h"

namespace backprop::server {

// Thread-safe. `context` outlives it.
class DerivativeServiceImpl final : public v1::DerivativeService::Service {
 public:
  explicit DerivativeServiceImpl(const ServiceContext& context) : context_(context) {}

  grpc::Status ComputeGradient(grpc::ServerContext* call, const v1::ComputeGradientRequest* request,
                               v1::ComputeGradientResponse* response) override;
  grpc::Status TraceBackpropagation(grpc::ServerContext* call, const v1::TraceBackpropagationRequest* request,
                                    v1::TraceBackpropagationResponse* response) override;
  grpc::Status ComputeHessianVectorProduct(grpc::ServerContext* call,
                                           const v1::ComputeHessianVectorProductRequest* request,
                                           v1::ComputeHessianVectorProductResponse* response) override;
  grpc::Status StreamHessianVectorProduct(grpc::ServerContext* call,
                                          const v1::StreamHessianVectorProductRequest* request,
                                          grpc::ServerWriter<v1::StreamHessianVectorProductResponse>* writer) override;
  grpc::Status ComputeHessian(grpc::ServerContext* call, const v1::ComputeHessianRequest* request,
                              v1::ComputeHessianResponse* response) override;
  grpc::Status ComputeDirectionalDerivatives(grpc::ServerContext* call,
                                             const v1::ComputeDirectionalDerivativesRequest* request,
                                             v1::ComputeDirectionalDerivativesResponse* response) override;

 private:
  const ServiceContext& context_;
};

}  // namespace backprop::server
