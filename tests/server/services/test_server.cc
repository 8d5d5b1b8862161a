#include "tests/server/services/test_server.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

namespace backprop::server {

TestServer::TestServer(const TestServerOptions& options)
    : budget_(options.memory_bytes),
      workers_({.worker_count = options.worker_count, .queue_limit = options.queue_limit}),
      registry_({.store = &store_, .workers = &workers_, .budget = &budget_}, {.max_sessions = options.max_sessions}),
      request_log_(options.request_log_bytes),
      streams_(options.max_streams),
      context_{.registry = &registry_,
               .request_log = &request_log_,
               .streams = &streams_,
               .draining = &draining_,
               .work_limit = options.work_limit},
      server_(RpcServer::Start({.listen = "127.0.0.1:0"}, context_).value()),
      channel_(Connect()),
      sessions(v1::SessionService::NewStub(channel_)),
      patterns(v1::PatternService::NewStub(channel_)),
      training(v1::TrainingService::NewStub(channel_)),
      derivatives(v1::DerivativeService::NewStub(channel_)),
      predictions(v1::PredictionService::NewStub(channel_)),
      evaluations(v1::EvaluationService::NewStub(channel_)) {}

TestServer::~TestServer() {
  workers_.Shutdown();
  server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(10));
}

std::shared_ptr<grpc::Channel> TestServer::Connect() const {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetMaxSendMessageSize(-1);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(server_->address(), grpc::InsecureChannelCredentials(), arguments);
}

v1::AppendPatternsResponse Append(TestServer& server, const std::string& text) {
  const auto streamed =
      Exchange(server.patterns, &PatternStub::AppendPatterns, {Parse<v1::AppendPatternsRequest>(text)});
  EXPECT_TRUE(streamed.status.ok()) << streamed.status.error_message();
  EXPECT_EQ(streamed.responses.size(), 1u);
  if (streamed.responses.empty()) return {};
  EXPECT_EQ(streamed.responses[0].status().code(), 0) << streamed.responses[0].status().message();
  return streamed.responses[0];
}

v1::Session Create(TestServer& server, const std::string& id, const std::string& network) {
  return Must(server.sessions, &SessionStub::CreateSession,
              "session_id: '" + id + "' session { network { " + network + " } }");
}

void CreateScaledRegression(TestServer& server) {
  Must(server.sessions, &SessionStub::CreateSession, R"pb(
    session_id: 'r'
    session {
      network {
        input_unit_count: 2
        hidden_layers { unit_count: 4 activation: ACTIVATION_TANH }
        output_unit_count: 3
        task: TASK_REGRESSION
        precision: PRECISION_FLOAT64
        initial_weights { seed: 3 }
      }
      input_scaling {
        offset: [ 0.5, -1 ]
        scale: [ 2, -0.5 ]
      }
      target_scaling {
        offset: [ 1, 2, 3 ]
        scale: [ 0.5, 2, -4 ]
      }
    })pb");
}

}  // namespace backprop::server
