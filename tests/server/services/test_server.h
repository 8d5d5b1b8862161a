// The real server on a real socket, in this process, and short ways to call it.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "backprop/v1/derivative_service.grpc.pb.h"
#include "backprop/v1/evaluation_service.grpc.pb.h"
#include "backprop/v1/pattern_service.grpc.pb.h"
#include "backprop/v1/prediction_service.grpc.pb.h"
#include "backprop/v1/session_service.grpc.pb.h"
#include "backprop/v1/training_service.grpc.pb.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "server/scheduling/training_workers.h"
#include "server/services/limits.h"
#include "server/services/rpc_server.h"
#include "server/services/service_context.h"
#include "server/sessions/session_registry.h"
#include "server/storage/ephemeral_store.h"
#include "tests/server/services/rpc_error.h"

namespace backprop::server {

struct TestServerOptions {
  int worker_count = 2;
  int queue_limit = 256;
  size_t max_sessions = 1000;
  int64_t memory_bytes = int64_t{2} << 30;
  int max_streams = 64;
  int64_t work_limit = kDefaultWorkLimit;
  size_t request_log_bytes = RequestLog::kMaxAnswerBytes;
};

using SessionStub = v1::SessionService::Stub;
using PatternStub = v1::PatternService::Stub;
using TrainingStub = v1::TrainingService::Stub;
using DerivativeStub = v1::DerivativeService::Stub;
using PredictionStub = v1::PredictionService::Stub;
using EvaluationStub = v1::EvaluationService::Stub;

// Serves from construction to destruction. Stubs are thread-safe.
class TestServer {
 public:
  explicit TestServer(const TestServerOptions& options = {});
  ~TestServer();

  const std::string& address() const { return server_->address(); }
  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }
  SessionRegistry& registry() { return registry_; }
  MemoryBudget& budget() { return budget_; }
  TrainingWorkers& workers() { return workers_; }
  StreamSlots& streams() { return streams_; }
  // From here on it takes no new work, as after SIGTERM; calls that are on go on.
  void Drain() { draining_ = true; }

  // A connection of its own.
  std::shared_ptr<grpc::Channel> Connect() const;

 private:
  EphemeralStore store_;
  MemoryBudget budget_;
  TrainingWorkers workers_;
  SessionRegistry registry_;
  RequestLog request_log_;
  StreamSlots streams_;
  std::atomic<bool> draining_ = false;
  const ServiceContext context_;
  std::unique_ptr<RpcServer> server_;
  std::shared_ptr<grpc::Channel> channel_;

 public:
  const std::unique_ptr<SessionStub> sessions;
  const std::unique_ptr<PatternStub> patterns;
  const std::unique_ptr<TrainingStub> training;
  const std::unique_ptr<DerivativeStub> derivatives;
  const std::unique_ptr<PredictionStub> predictions;
  const std::unique_ptr<EvaluationStub> evaluations;
};

// Long enough for anything here on a busy machine; a test that hangs fails by it.
inline std::chrono::system_clock::time_point Deadline() {
  return std::chrono::system_clock::now() + std::chrono::seconds(60);
}

template <typename Message>
Message Parse(const std::string& text) {
  Message message;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &message)) << text;
  return message;
}

// A unary call: its status, and the response into `response`.
template <typename Stub, typename Request, typename Response>
grpc::Status Try(const std::unique_ptr<Stub>& stub,
                 grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                 const std::type_identity_t<Request>& request, std::type_identity_t<Response>* response) {
  grpc::ClientContext context;
  context.set_deadline(Deadline());
  return (stub.get()->*method)(&context, request, response);
}

// The response of a unary call that succeeds.
template <typename Stub, typename Request, typename Response>
Response Must(const std::unique_ptr<Stub>& stub,
              grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
              const std::type_identity_t<Request>& request) {
  Response response;
  const grpc::Status status = Try(stub, method, request, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return response;
}

template <typename Stub, typename Request, typename Response>
Response Must(const std::unique_ptr<Stub>& stub,
              grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*), const std::string& text) {
  return Must(stub, method, Parse<Request>(text));
}

// The error of a unary call that fails.
template <typename Stub, typename Request, typename Response>
RpcError MustFail(const std::unique_ptr<Stub>& stub,
                  grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                  const std::type_identity_t<Request>& request) {
  Response response;
  const grpc::Status status = Try(stub, method, request, &response);
  EXPECT_FALSE(status.ok());
  return ErrorOf(status);
}

template <typename Stub, typename Request, typename Response>
RpcError MustFail(const std::unique_ptr<Stub>& stub,
                  grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                  const std::string& text) {
  return MustFail(stub, method, Parse<Request>(text));
}

template <typename Response>
struct Streamed {
  std::vector<Response> responses;
  grpc::Status status;
};

// All that a server-streaming call answers.
template <typename Stub, typename Request, typename Response>
Streamed<Response> Collect(const std::unique_ptr<Stub>& stub,
                           std::unique_ptr<grpc::ClientReader<Response>> (Stub::*method)(grpc::ClientContext*,
                                                                                         const Request&),
                           const std::type_identity_t<Request>& request) {
  grpc::ClientContext context;
  context.set_deadline(Deadline());
  const auto reader = (stub.get()->*method)(&context, request);
  Streamed<Response> streamed;
  for (Response response; reader->Read(&response);) streamed.responses.push_back(response);
  streamed.status = reader->Finish();
  return streamed;
}

template <typename Stub, typename Request, typename Response>
Streamed<Response> Collect(const std::unique_ptr<Stub>& stub,
                           std::unique_ptr<grpc::ClientReader<Response>> (Stub::*method)(grpc::ClientContext*,
                                                                                         const Request&),
                           const std::string& text) {
  return Collect(stub, method, Parse<Request>(text));
}

// The answers of a stream both ways, each read before the next request is written.
template <typename Stub, typename Request, typename Response>
Streamed<Response> Exchange(
    const std::unique_ptr<Stub>& stub,
    std::unique_ptr<grpc::ClientReaderWriter<Request, Response>> (Stub::*method)(grpc::ClientContext*),
    const std::vector<std::type_identity_t<Request>>& requests) {
  grpc::ClientContext context;
  context.set_deadline(Deadline());
  const auto stream = (stub.get()->*method)(&context);
  Streamed<Response> streamed;
  for (const Request& request : requests) {
    Response response;
    if (!stream->Write(request) || !stream->Read(&response)) break;
    streamed.responses.push_back(response);
  }
  stream->WritesDone();
  streamed.status = stream->Finish();
  return streamed;
}

// Appends one batch, which is good; the answer.
v1::AppendPatternsResponse Append(TestServer& server, const std::string& text);

// A session of `network`, a NetworkSpec in text.
v1::Session Create(TestServer& server, const std::string& id, const std::string& network);

// Session `r`: regression 2-4-3 in float64, with scaled inputs and targets.
void CreateScaledRegression(TestServer& server);

}  // namespace backprop::server
