#include "server/services/rpc_server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/server_builder.h>

#include <mutex>

#include "absl/strings/str_cat.h"
#include "server/services/derivative_service.h"
#include "server/services/evaluation_service.h"
#include "server/services/limits.h"
#include "server/services/pattern_service.h"
#include "server/services/prediction_service.h"
#include "server/services/session_service.h"
#include "server/services/training_service.h"
#include "server/sessions/resource_name.h"

namespace backprop::server {
namespace {

// A client that is gone without a word is noticed within two minutes; clients may ask for our word every ten seconds.
constexpr int kKeepaliveTimeMs = 60'000;
constexpr int kKeepaliveTimeoutMs = 20'000;
constexpr int kLeastClientPingMs = 10'000;
// Threads of gRPC that wait for calls. One that takes a call needs another in its place, or gRPC refuses the call.
constexpr int kPollingThreads = 2;

void InstallPlugins() {
  static std::once_flag once;
  std::call_once(once, [] {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  });
}

// `listen` with its port replaced.
std::string WithPort(const std::string& listen, int port) {
  return absl::StrCat(listen.substr(0, listen.rfind(':')), ":", port);
}

}  // namespace

struct RpcServer::Services {
  explicit Services(const ServiceContext& context)
      : sessions(context),
        patterns(context),
        training(context),
        derivatives(context),
        predictions(context),
        evaluations(context) {}

  SessionServiceImpl sessions;
  PatternServiceImpl patterns;
  TrainingServiceImpl training;
  DerivativeServiceImpl derivatives;
  PredictionServiceImpl predictions;
  EvaluationServiceImpl evaluations;
};

RpcServer::RpcServer() = default;
RpcServer::~RpcServer() = default;

absl::StatusOr<std::unique_ptr<RpcServer>> RpcServer::Start(const RpcServerOptions& options,
                                                            const ServiceContext& context) {
  InstallPlugins();
  std::unique_ptr<RpcServer> server(new RpcServer);
  server->services_ = std::make_unique<Services>(context);
  Services& services = *server->services_;

  grpc::ResourceQuota quota("backpropd");
  quota.SetMaxThreads(options.thread_limit + kPollingThreads);
  quota.Resize(static_cast<size_t>(options.memory_limit));
  grpc::ServerBuilder builder;
  builder.SetResourceQuota(quota);
  builder.SetMaxReceiveMessageSize(static_cast<int>(kMaxMessageBytes));
  builder.SetMaxSendMessageSize(static_cast<int>(kMaxMessageBytes));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveTimeMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, kLeastClientPingMs);
  // Two servers on one port would share its connections at random.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  int port = 0;
  builder.AddListeningPort(options.listen, grpc::InsecureServerCredentials(), &port);
  for (grpc::Service* service :
       std::initializer_list<grpc::Service*>{&services.sessions, &services.patterns, &services.training,
                                             &services.derivatives, &services.predictions, &services.evaluations}) {
    builder.RegisterService(service);
  }
  server->server_ = builder.BuildAndStart();
  if (server->server_ == nullptr || port == 0) {
    return absl::UnavailableError(
        absl::StrCat("cannot listen on ", options.listen, "; is the address this machine's, and its port free?"));
  }
  server->address_ = WithPort(options.listen, port);
  // Besides the server itself, which has no name.
  for (const char* service : {v1::SessionService::service_full_name(), v1::PatternService::service_full_name(),
                              v1::TrainingService::service_full_name(), v1::DerivativeService::service_full_name(),
                              v1::PredictionService::service_full_name(), v1::EvaluationService::service_full_name()}) {
    server->server_->GetHealthCheckService()->SetServingStatus(service, true);
  }
  return server;
}

void RpcServer::SetSessionHealth(const std::string& session_id, bool serving) {
  server_->GetHealthCheckService()->SetServingStatus(SessionName(session_id), serving);
}

void RpcServer::StopServing() { server_->GetHealthCheckService()->SetServingStatus(false); }

void RpcServer::Shutdown(std::chrono::system_clock::time_point deadline) {
  StopServing();
  server_->Shutdown(deadline);
  server_->Wait();
}

}  // namespace backprop::server
