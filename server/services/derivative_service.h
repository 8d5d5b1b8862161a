// DerivativeService of derivative_service.proto, on the domain.
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

 private:
  const ServiceContext& context_;
};

}  // namespace backprop::server
