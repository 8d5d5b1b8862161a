// The gRPC server: all services on one port, with health and reflection.
#pragma once

#include <grpcpp/server.h>

#include <chrono>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "server/services/service_context.h"

namespace backprop::server {

// Of --rpc-threads, that streams must leave to other calls.
inline constexpr int kLeastUnaryThreads = 4;

struct RpcServerOptions {
  std::string listen;                       // host:port; port 0 takes a free one.
  int thread_limit = 256;                   // Threads of gRPC at most; a call beyond them is RESOURCE_EXHAUSTED.
  int64_t memory_limit = int64_t{2} << 30;  // Bytes that messages may take on their way, about; more streams are ended.
};

// Starts serving in Start and ends with Shutdown or destruction.
class RpcServer {
 public:
  // Serves on `context`, which outlives it. UNAVAILABLE when the address cannot be listened on.
  static absl::StatusOr<std::unique_ptr<RpcServer>> Start(const RpcServerOptions& options,
                                                          const ServiceContext& context);
  ~RpcServer();

  // host:port, with the real port.
  const std::string& address() const { return address_; }

  // The health of the service named `sessions/{session}`, for one whose storage failed and for one that works again.
  void SetSessionHealth(const std::string& session_id, bool serving);
  // Health goes NOT_SERVING: load balancers and orchestrators look elsewhere.
  void StopServing();
  // Health goes NOT_SERVING and new calls are refused; calls under way have until the deadline, then are cancelled.
  void Shutdown(std::chrono::system_clock::time_point deadline);

 private:
  struct Services;

  RpcServer();

  std::unique_ptr<Services> services_;
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
};

}  // namespace backprop::server
