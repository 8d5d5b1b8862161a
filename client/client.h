// The C++ client of backpropd: a method for each RPC.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/security/credentials.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "backprop/v1/derivative_service.grpc.pb.h"
#include "backprop/v1/evaluation_service.grpc.pb.h"
#include "backprop/v1/pattern_service.grpc.pb.h"
#include "backprop/v1/prediction_service.grpc.pb.h"
#include "backprop/v1/session_service.grpc.pb.h"
#include "backprop/v1/training_service.grpc.pb.h"
#include "client/streams.h"

namespace backprop::client {

// Largest message sent or received. The server's own limit may be lower.
inline constexpr int kMaxMessageBytes = 256 << 20;

// Initial metadata of RunEpochs: the name of the training run.
inline constexpr char kTrainingRunMetadata[] = "backprop-training-run";

struct ClientOptions {
  // Of every unary call that names none itself.
  absl::Duration timeout = absl::Seconds(60);
  // A connection with calls on it is probed this often. gRPC servers that were not told otherwise drop clients that
  // probe more than once in five minutes.
  absl::Duration keepalive_interval = absl::Minutes(6);
  // Null means plaintext.
  std::shared_ptr<grpc::ChannelCredentials> credentials = nullptr;
};

// Options of one call.
struct CallOptions {
  // Left out: ClientOptions' for a unary call, none for a stream. Infinite: none.
  std::optional<absl::Duration> timeout;
};

using SessionFile = ResponseStream<v1::ExportSessionResponse>;
using EpochReports = ResponseStream<v1::EpochReport>;
using PatternMessages = ResponseStream<v1::ReadPatternsResponse>;
using AppendStream = RequestStream<v1::AppendPatternsRequest, v1::AppendPatternsResponse>;
using OnlineTraining = RequestStream<v1::TrainOnlineRequest, v1::TrainOnlineResponse>;
using ProductLayers = ResponseStream<v1::StreamHessianVectorProductResponse>;
using PredictionStream = RequestStream<v1::PredictStreamRequest, v1::PredictResponse>;

// A connection to one server, made at the first call and made again when it is lost. Thread safe. Streams may outlive
// the client. Errors are the server's (client/error.h gives their details), UNAVAILABLE when it cannot be reached and
// DEADLINE_EXCEEDED after the call's timeout; nothing is retried.
class Client {
 public:
  // `address` is a gRPC target, for instance `127.0.0.1:50051`.
  explicit Client(const std::string& address, ClientOptions options = {});

  // Sessions and their parameters.
  absl::StatusOr<v1::Session> CreateSession(const v1::CreateSessionRequest& request, CallOptions options = {}) const;
  absl::StatusOr<v1::Session> GetSession(const v1::GetSessionRequest& request, CallOptions options = {}) const;
  absl::StatusOr<v1::ListSessionsResponse> ListSessions(const v1::ListSessionsRequest& request,
                                                        CallOptions options = {}) const;
  absl::StatusOr<v1::Session> UpdateSession(const v1::UpdateSessionRequest& request, CallOptions options = {}) const;
  absl::Status DeleteSession(const v1::DeleteSessionRequest& request, CallOptions options = {}) const;
  absl::StatusOr<v1::Session> CopySession(const v1::CopySessionRequest& request, CallOptions options = {}) const;
  absl::StatusOr<v1::Parameters> GetParameters(const v1::GetParametersRequest& request, CallOptions options = {}) const;
  absl::StatusOr<v1::Parameters> SetParameters(const v1::SetParametersRequest& request, CallOptions options = {}) const;
  absl::StatusOr<v1::Session> FitScaling(const v1::FitScalingRequest& request, CallOptions options = {}) const;
  // A session as a file, part by part; and a new session from such a file, whose parts `next_part` gives, the empty one
  // last. An error of `next_part` ends the call, and makes no session.
  std::unique_ptr<SessionFile> ExportSession(const v1::ExportSessionRequest& request, CallOptions options = {}) const;
  absl::StatusOr<v1::Session> ImportSession(const std::string& session_id,
                                            const std::function<absl::StatusOr<std::string>()>& next_part,
                                            CallOptions options = {}) const;

  // Patterns. PatternWriter (client/pattern_writer.h) appends with offsets, checksums and reconnection.
  std::unique_ptr<AppendStream> AppendPatterns(CallOptions options = {}) const;
  absl::StatusOr<v1::PatternSet> GetPatternSet(const v1::GetPatternSetRequest& request, CallOptions options = {}) const;
  absl::StatusOr<v1::ListPatternSetsResponse> ListPatternSets(const v1::ListPatternSetsRequest& request,
                                                              CallOptions options = {}) const;
  absl::Status DeletePatternSet(const v1::DeletePatternSetRequest& request, CallOptions options = {}) const;
  std::unique_ptr<PatternMessages> ReadPatterns(const v1::ReadPatternsRequest& request, CallOptions options = {}) const;

  // Training. The reports' InitialMetadata(kTrainingRunMetadata) is the run's name, known before its first epoch ends;
  // the run goes on when the reports are cancelled.
  std::unique_ptr<EpochReports> RunEpochs(const v1::RunEpochsRequest& request, CallOptions options = {}) const;
  std::unique_ptr<EpochReports> WatchTrainingRun(const v1::WatchTrainingRunRequest& request,
                                                 CallOptions options = {}) const;
  absl::StatusOr<v1::TrainingRun> GetTrainingRun(const v1::GetTrainingRunRequest& request,
                                                 CallOptions options = {}) const;
  absl::StatusOr<v1::ListTrainingRunsResponse> ListTrainingRuns(const v1::ListTrainingRunsRequest& request,
                                                                CallOptions options = {}) const;
  absl::StatusOr<v1::TrainingRun> CancelTrainingRun(const v1::CancelTrainingRunRequest& request,
                                                    CallOptions options = {}) const;
  std::unique_ptr<OnlineTraining> TrainOnline(CallOptions options = {}) const;
  absl::StatusOr<v1::ApplyGradientResponse> ApplyGradient(const v1::ApplyGradientRequest& request,
                                                          CallOptions options = {}) const;

  // Derivatives, predictions and measures.
  absl::StatusOr<v1::ComputeGradientResponse> ComputeGradient(const v1::ComputeGradientRequest& request,
                                                              CallOptions options = {}) const;
  absl::StatusOr<v1::TraceBackpropagationResponse> TraceBackpropagation(const v1::TraceBackpropagationRequest& request,
                                                                        CallOptions options = {}) const;
  absl::StatusOr<v1::ComputeHessianVectorProductResponse> ComputeHessianVectorProduct(
      const v1::ComputeHessianVectorProductRequest& request, CallOptions options = {}) const;
  // The same of any size, layer by layer; AddLayer (client/hessian_vector_products.h) puts it together.
  std::unique_ptr<ProductLayers> StreamHessianVectorProduct(const v1::StreamHessianVectorProductRequest& request,
                                                            CallOptions options = {}) const;
  absl::StatusOr<v1::ComputeHessianResponse> ComputeHessian(const v1::ComputeHessianRequest& request,
                                                            CallOptions options = {}) const;
  absl::StatusOr<v1::ComputeDirectionalDerivativesResponse> ComputeDirectionalDerivatives(
      const v1::ComputeDirectionalDerivativesRequest& request, CallOptions options = {}) const;
  absl::StatusOr<v1::PredictResponse> Predict(const v1::PredictRequest& request, CallOptions options = {}) const;
  std::unique_ptr<PredictionStream> PredictStream(CallOptions options = {}) const;
  absl::StatusOr<v1::EvaluateResponse> Evaluate(const v1::EvaluateRequest& request, CallOptions options = {}) const;

  // grpc.health.v1: OK when the server as a whole is SERVING, UNAVAILABLE with the state when it says another.
  absl::Status CheckHealth(CallOptions options = {}) const;

  // Connects if need be; false when that took longer than `timeout`.
  [[nodiscard]] bool WaitForConnected(absl::Duration timeout) const;

 private:
  // Of a unary call.
  void SetDeadline(grpc::ClientContext& context, const CallOptions& options) const;

  template <typename Service, typename Request, typename Response>
  absl::StatusOr<Response> Call(Service& stub,
                                grpc::Status (Service::*method)(grpc::ClientContext*, const Request&, Response*),
                                const Request& request, const CallOptions& options) const;

  const ClientOptions options_;
  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<v1::SessionService::StubInterface> sessions_;
  const std::unique_ptr<v1::PatternService::StubInterface> patterns_;
  const std::unique_ptr<v1::TrainingService::StubInterface> training_;
  const std::unique_ptr<v1::DerivativeService::StubInterface> derivatives_;
  const std::unique_ptr<v1::PredictionService::StubInterface> predictions_;
  const std::unique_ptr<v1::EvaluationService::StubInterface> evaluation_;
};

}  // namespace backprop::client
