// PredictionService of prediction_service.proto, on the domain.
#pragma once

#include "backprop/v1/prediction_service.grpc.pb.h"
#include "server/services/service_context.h"

namespace backprop::server {

// Thread-safe. `context` outlives it.
class PredictionServiceImpl final : public v1::PredictionService::Service {
 public:
  // Of PredictStreamRequests as they were received.
  using Stream = grpc::ServerReaderWriter<v1::PredictResponse, grpc::ByteBuffer>;

  explicit PredictionServiceImpl(const ServiceContext& context);

  grpc::Status Predict(grpc::ServerContext*, const v1::PredictRequest*, v1::PredictResponse*) override;

 private:
  // PredictStream.
  grpc::Status PredictEach(grpc::ServerContext*, Stream* stream);

  const ServiceContext& context_;
};

}  // namespace backprop::server
