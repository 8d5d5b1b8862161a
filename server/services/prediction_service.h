// PredictionService of prediction_service.proto, on the domain.
#pragma once

#include "backprop/v1/prediction_service.grpc.pb.h"
#include "server/services/service_context.h"

namespace backprop::server {

// Thread-safe. `context` outlives it.
class PredictionServiceImpl final : public v1::PredictionService::Service {
 public:
  using Stream = grpc::ServerReaderWriter<v1::PredictResponse, v1::PredictStreamRequest>;

  explicit PredictionServiceImpl(const ServiceContext& context) : context_(context) {}

  grpc::Status Predict(grpc::ServerContext*, const v1::PredictRequest*, v1::PredictResponse*) override;
  grpc::Status PredictStream(grpc::ServerContext*, Stream* stream) override;

 private:
  const ServiceContext& context_;
};

}  // namespace backprop::server
