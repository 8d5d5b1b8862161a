// TrainingService of training_service.proto, on the domain.
#pragma once

#include "backprop/v1/training_service.grpc.pb.h"
#include "server/services/service_context.h"

namespace backprop::server {

// Thread-safe. `context` outlives it.
class TrainingServiceImpl final : public v1::TrainingService::Service {
 public:
  using ReportWriter = grpc::ServerWriter<v1::EpochReport>;
  // Of TrainOnlineRequests as they were received.
  using OnlineStream = grpc::ServerReaderWriter<v1::TrainOnlineResponse, grpc::ByteBuffer>;

  explicit TrainingServiceImpl(const ServiceContext& context);

  grpc::Status RunEpochs(grpc::ServerContext*, const v1::RunEpochsRequest*, ReportWriter*) override;
  grpc::Status WatchTrainingRun(grpc::ServerContext*, const v1::WatchTrainingRunRequest*, ReportWriter*) override;
  grpc::Status GetTrainingRun(grpc::ServerContext*, const v1::GetTrainingRunRequest*, v1::TrainingRun*) override;
  grpc::Status ListTrainingRuns(grpc::ServerContext*, const v1::ListTrainingRunsRequest*,
                                v1::ListTrainingRunsResponse*) override;
  grpc::Status CancelTrainingRun(grpc::ServerContext*, const v1::CancelTrainingRunRequest*, v1::TrainingRun*) override;
  grpc::Status ApplyGradient(grpc::ServerContext*, const v1::ApplyGradientRequest*,
                             v1::ApplyGradientResponse*) override;

 private:
  // TrainOnline.
  grpc::Status LearnOnline(grpc::ServerContext*, OnlineStream* stream);
  // The name of the run that `request` starts, or started when its request_id was used first.
  absl::StatusOr<std::string> Start(const grpc::ServerContext* call, const v1::RunEpochsRequest& request);
  // Sends the reports of run `name` after `after_epoch` until its end.
  absl::Status Watch(grpc::ServerContext* call, const std::string& name, int64_t after_epoch, ReportWriter* writer);
  // Calls `visit` with the session and the run that `name` names.
  template <typename Visit>
  absl::Status WithRun(const std::string& name, Visit visit);

  const ServiceContext& context_;
};

}  // namespace backprop::server
