// The roof of ingest over gRPC: the service of backpropd, of which AppendPatterns reads each message and acknowledges
// it, without a look at it. `bench_sink` prints `sink listening on HOST:PORT` and runs until SIGTERM.
#include <grpcpp/server_builder.h>
#include <signal.h>

#include <cstdio>
#include <memory>

#include "backprop/v1/pattern_service.grpc.pb.h"

namespace backprop::bench {
namespace {

// As backpropd's.
constexpr int kMaxMessageBytes = 256 << 20;

class Sink : public v1::PatternService::Service {
  using Stream = grpc::ServerReaderWriter<v1::AppendPatternsResponse, v1::AppendPatternsRequest>;

  grpc::Status AppendPatterns(grpc::ServerContext*, Stream* stream) override {
    v1::AppendPatternsRequest request;
    v1::AppendPatternsResponse response;
    while (stream->Read(&request)) {
      const int64_t count = request.patterns().inputs().row_count();
      response.set_offset(request.offset());
      response.set_pattern_count(count);
      response.set_next_offset(request.offset() + count);
      if (!stream->Write(response)) break;
    }
    return grpc::Status::OK;
  }
};

int Run() {
  sigset_t ending;
  sigemptyset(&ending);
  sigaddset(&ending, SIGTERM);
  sigaddset(&ending, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ending, nullptr);
  Sink sink;
  grpc::ServerBuilder builder;
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&sink);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr || port == 0) return 1;
  std::printf("sink listening on 127.0.0.1:%d\n", port);
  std::fflush(stdout);
  int signal = 0;
  sigwait(&ending, &signal);
  server->Shutdown(std::chrono::system_clock::now());
  return 0;
}

}  // namespace
}  // namespace backprop::bench

int main() { return backprop::bench::Run(); }
