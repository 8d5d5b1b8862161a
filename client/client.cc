#include "client/client.h"

#include <google/protobuf/wrappers.pb.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"

namespace backprop::client {
namespace {

// A lost connection is tried again after this, then after twice that, up to the longest wait.
constexpr int kInitialReconnectBackoffMs = 100;
constexpr int kMaxReconnectBackoffMs = 5000;

std::shared_ptr<grpc::Channel> MakeChannel(const std::string& address, const ClientOptions& options) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  arguments.SetMaxSendMessageSize(kMaxMessageBytes);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, static_cast<int>(absl::ToInt64Milliseconds(options.keepalive_interval)));
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kInitialReconnectBackoffMs);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kMaxReconnectBackoffMs);
  // A connection of its own: gRPC would share it between the clients of a process, and with it their failures.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(
      address, options.credentials ? options.credentials : grpc::InsecureChannelCredentials(), arguments);
}

void SetTimeout(grpc::ClientContext& context, absl::Duration timeout) {
  if (timeout != absl::InfiniteDuration()) {
    context.set_deadline(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(timeout));
  }
}

void SetStreamDeadline(grpc::ClientContext& context, const CallOptions& options) {
  if (options.timeout) SetTimeout(context, *options.timeout);
}

// HealthCheckResponse.ServingStatus.
std::string HealthName(int status) {
  static constexpr const char* kNames[] = {"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"};
  return status >= 0 && status < 4 ? kNames[status] : kNames[0];
}

}  // namespace

Client::Client(const std::string& address, ClientOptions options)
    : options_(std::move(options)),
      channel_(MakeChannel(address, options_)),
      sessions_(v1::SessionService::NewStub(channel_)),
      patterns_(v1::PatternService::NewStub(channel_)),
      training_(v1::TrainingService::NewStub(channel_)),
      derivatives_(v1::DerivativeService::NewStub(channel_)),
      predictions_(v1::PredictionService::NewStub(channel_)),
      evaluation_(v1::EvaluationService::NewStub(channel_)) {}

void Client::SetDeadline(grpc::ClientContext& context, const CallOptions& options) const {
  SetTimeout(context, options.timeout.value_or(options_.timeout));
}

template <typename Service, typename Request, typename Response>
absl::StatusOr<Response> Client::Call(Service& stub,
                                      grpc::Status (Service::*method)(grpc::ClientContext*, const Request&, Response*),
                                      const Request& request, const CallOptions& options) const {
  grpc::ClientContext context;
  SetDeadline(context, options);
  Response response;
  const grpc::Status status = (stub.*method)(&context, request, &response);
  // What gRPC answers to a message that cannot be decoded, without a word.
  const bool undecodable = status.error_code() == grpc::StatusCode::INTERNAL && status.error_message().empty();
  if (undecodable && !Request().ParseFromString(request.SerializeAsString())) {
    return absl::InvalidArgumentError("a name or another text of the request is not UTF-8");
  }
  if (!status.ok()) return StatusFrom(status);
  return response;
}

absl::StatusOr<v1::Session> Client::CreateSession(const v1::CreateSessionRequest& request, CallOptions options) const {
  return Call(*sessions_, &v1::SessionService::StubInterface::CreateSession, request, options);
}

absl::StatusOr<v1::Session> Client::GetSession(const v1::GetSessionRequest& request, CallOptions options) const {
  return Call(*sessions_, &v1::SessionService::StubInterface::GetSession, request, options);
}

absl::StatusOr<v1::ListSessionsResponse> Client::ListSessions(const v1::ListSessionsRequest& request,
                                                              CallOptions options) const {
  return Call(*sessions_, &v1::SessionService::StubInterface::ListSessions, request, options);
}

absl::StatusOr<v1::Session> Client::UpdateSession(const v1::UpdateSessionRequest& request, CallOptions options) const {
  return Call(*sessions_, &v1::SessionService::StubInterface::UpdateSession, request, options);
}

absl::Status Client::DeleteSession(const v1::DeleteSessionRequest& request, CallOptions options) const {
  return Call(*sessions_, &v1::SessionService::StubInterface::DeleteSession, request, options).status();
}

absl::StatusOr<v1::Session> Client::CopySession(const v1::CopySessionRequest& request, CallOptions options) const {
  return Call(*sessions_, &v1::SessionService::StubInterface::CopySession, request, options);
}

absl::StatusOr<v1::Parameters> Client::GetParameters(const v1::GetParametersRequest& request,
                                                     CallOptions options) const {
  return Call(*sessions_, &v1::SessionService::StubInterface::GetParameters, request, options);
}

absl::StatusOr<v1::Parameters> Client::SetParameters(const v1::SetParametersRequest& request,
                                                     CallOptions options) const {
  return Call(*sessions_, &v1::SessionService::StubInterface::SetParameters, request, options);
}

absl::StatusOr<v1::Session> Client::FitScaling(const v1::FitScalingRequest& request, CallOptions options) const {
  return Call(*sessions_, &v1::SessionService::StubInterface::FitScaling, request, options);
}

std::unique_ptr<SessionFile> Client::ExportSession(const v1::ExportSessionRequest& request, CallOptions options) const {
  return std::make_unique<SessionFile>([&](grpc::ClientContext* context) {
    SetStreamDeadline(*context, options);
    return sessions_->ExportSession(context, request);
  });
}

absl::StatusOr<v1::Session> Client::ImportSession(const std::string& session_id,
                                                  const std::function<absl::StatusOr<std::string>()>& next_part,
                                                  CallOptions options) const {
  grpc::ClientContext context;
  SetStreamDeadline(context, options);
  v1::Session session;
  const auto writer = sessions_->ImportSession(&context, &session);
  v1::ImportSessionRequest request;
  request.set_session_id(session_id);
  absl::Status local;
  // The first message goes out even when there is no part: it has the id.
  for (bool more = true, first = true; more; first = false) {
    absl::StatusOr<std::string> part = next_part();
    if (!part.ok()) {
      context.TryCancel();
      local = part.status();
      break;
    }
    if (part->empty() && !first) break;
    more = !part->empty();
    request.set_data(*std::move(part));
    more = writer->Write(request) && more;
  }
  writer->WritesDone();
  const absl::Status status = StatusFrom(writer->Finish());
  if (!local.ok()) return local;
  if (!status.ok()) return status;
  return session;
}

std::unique_ptr<AppendStream> Client::AppendPatterns(CallOptions options) const {
  return std::make_unique<AppendStream>([&](grpc::ClientContext* context) {
    SetStreamDeadline(*context, options);
    return patterns_->AppendPatterns(context);
  });
}

absl::StatusOr<v1::PatternSet> Client::GetPatternSet(const v1::GetPatternSetRequest& request,
                                                     CallOptions options) const {
  return Call(*patterns_, &v1::PatternService::StubInterface::GetPatternSet, request, options);
}

absl::StatusOr<v1::ListPatternSetsResponse> Client::ListPatternSets(const v1::ListPatternSetsRequest& request,
                                                                    CallOptions options) const {
  return Call(*patterns_, &v1::PatternService::StubInterface::ListPatternSets, request, options);
}

absl::Status Client::DeletePatternSet(const v1::DeletePatternSetRequest& request, CallOptions options) const {
  return Call(*patterns_, &v1::PatternService::StubInterface::DeletePatternSet, request, options).status();
}

std::unique_ptr<PatternMessages> Client::ReadPatterns(const v1::ReadPatternsRequest& request,
                                                      CallOptions options) const {
  return std::make_unique<PatternMessages>([&](grpc::ClientContext* context) {
    SetStreamDeadline(*context, options);
    return patterns_->ReadPatterns(context, request);
  });
}

std::unique_ptr<EpochReports> Client::RunEpochs(const v1::RunEpochsRequest& request, CallOptions options) const {
  return std::make_unique<EpochReports>([&](grpc::ClientContext* context) {
    SetStreamDeadline(*context, options);
    return training_->RunEpochs(context, request);
  });
}

std::unique_ptr<EpochReports> Client::WatchTrainingRun(const v1::WatchTrainingRunRequest& request,
                                                       CallOptions options) const {
  return std::make_unique<EpochReports>([&](grpc::ClientContext* context) {
    SetStreamDeadline(*context, options);
    return training_->WatchTrainingRun(context, request);
  });
}

absl::StatusOr<v1::TrainingRun> Client::GetTrainingRun(const v1::GetTrainingRunRequest& request,
                                                       CallOptions options) const {
  return Call(*training_, &v1::TrainingService::StubInterface::GetTrainingRun, request, options);
}

absl::StatusOr<v1::ListTrainingRunsResponse> Client::ListTrainingRuns(const v1::ListTrainingRunsRequest& request,
                                                                      CallOptions options) const {
  return Call(*training_, &v1::TrainingService::StubInterface::ListTrainingRuns, request, options);
}

absl::StatusOr<v1::TrainingRun> Client::CancelTrainingRun(const v1::CancelTrainingRunRequest& request,
                                                          CallOptions options) const {
  return Call(*training_, &v1::TrainingService::StubInterface::CancelTrainingRun, request, options);
}

std::unique_ptr<OnlineTraining> Client::TrainOnline(CallOptions options) const {
  return std::make_unique<OnlineTraining>([&](grpc::ClientContext* context) {
    SetStreamDeadline(*context, options);
    return training_->TrainOnline(context);
  });
}

absl::StatusOr<v1::ApplyGradientResponse> Client::ApplyGradient(const v1::ApplyGradientRequest& request,
                                                                CallOptions options) const {
  return Call(*training_, &v1::TrainingService::StubInterface::ApplyGradient, request, options);
}

absl::StatusOr<v1::ComputeGradientResponse> Client::ComputeGradient(const v1::ComputeGradientRequest& request,
                                                                    CallOptions options) const {
  return Call(*derivatives_, &v1::DerivativeService::StubInterface::ComputeGradient, request, options);
}

absl::StatusOr<v1::TraceBackpropagationResponse> Client::TraceBackpropagation(
    const v1::TraceBackpropagationRequest& request, CallOptions options) const {
  return Call(*derivatives_, &v1::DerivativeService::StubInterface::TraceBackpropagation, request, options);
}

absl::StatusOr<v1::ComputeHessianVectorProductResponse> Client::ComputeHessianVectorProduct(
    const v1::ComputeHessianVectorProductRequest& request, CallOptions options) const {
  return Call(*derivatives_, &v1::DerivativeService::StubInterface::ComputeHessianVectorProduct, request, options);
}

std::unique_ptr<ProductLayers> Client::StreamHessianVectorProduct(const v1::StreamHessianVectorProductRequest& request,
                                                                  CallOptions options) const {
  return std::make_unique<ProductLayers>([&](grpc::ClientContext* context) {
    SetStreamDeadline(*context, options);
    return derivatives_->StreamHessianVectorProduct(context, request);
  });
}

absl::StatusOr<v1::ComputeHessianResponse> Client::ComputeHessian(const v1::ComputeHessianRequest& request,
                                                                  CallOptions options) const {
  return Call(*derivatives_, &v1::DerivativeService::StubInterface::ComputeHessian, request, options);
}

absl::StatusOr<v1::ComputeDirectionalDerivativesResponse> Client::ComputeDirectionalDerivatives(
    const v1::ComputeDirectionalDerivativesRequest& request, CallOptions options) const {
  return Call(*derivatives_, &v1::DerivativeService::StubInterface::ComputeDirectionalDerivatives, request, options);
}

absl::StatusOr<v1::PredictResponse> Client::Predict(const v1::PredictRequest& request, CallOptions options) const {
  return Call(*predictions_, &v1::PredictionService::StubInterface::Predict, request, options);
}

std::unique_ptr<PredictionStream> Client::PredictStream(CallOptions options) const {
  return std::make_unique<PredictionStream>([&](grpc::ClientContext* context) {
    SetStreamDeadline(*context, options);
    return predictions_->PredictStream(context);
  });
}

absl::StatusOr<v1::EvaluateResponse> Client::Evaluate(const v1::EvaluateRequest& request, CallOptions options) const {
  return Call(*evaluation_, &v1::EvaluationService::StubInterface::Evaluate, request, options);
}

absl::Status Client::CheckHealth(CallOptions options) const {
  // HealthCheckRequest is a string in field 1 and HealthCheckResponse an enum in field 1: the well-known wrapper
  // messages are the same on the wire.
  grpc::TemplatedGenericStub<google::protobuf::StringValue, google::protobuf::Int32Value> stub(channel_);
  grpc::ClientContext context;
  SetDeadline(context, options);
  grpc::CompletionQueue queue;
  auto call = stub.PrepareUnaryCall(&context, "/grpc.health.v1.Health/Check", {}, &queue);
  google::protobuf::Int32Value response;
  grpc::Status status;
  call->StartCall();
  call->Finish(&response, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  if (!status.ok()) return StatusFrom(status);
  if (HealthName(response.value()) == "SERVING") return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("The server is ", HealthName(response.value()), "."));
}

bool Client::WaitForConnected(absl::Duration timeout) const {
  return channel_->WaitForConnected(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(timeout));
}

}  // namespace backprop::client
