// EvaluationService of evaluation_service.proto, on the domain.
#pragma once

#include "backprop/v1/evaluation_service.grpc.pb.h"
#include "server/services/service_context.h"

namespace backprop::server {

// Thread-safe. `context` outlives it.
class EvaluationServiceImpl final : public v1::EvaluationService::Service {
 public:
  explicit EvaluationServiceImpl(const ServiceContext& context) : context_(context) {}

  grpc::Status Evaluate(grpc::ServerContext* call, const v1::EvaluateRequest* request,
                        v1::EvaluateResponse* response) override;

 private:
  const ServiceContext& context_;
};

}  // namespace backprop::server
