// SessionService of session_service.proto, on the domain.
#pragma once

#include <mutex>

#include "backprop/v1/session_service.grpc.pb.h"
#include "server/services/service_context.h"

namespace backprop::server {

// Thread-safe. `context` outlives it.
class SessionServiceImpl final : public v1::SessionService::Service {
 public:
  explicit SessionServiceImpl(const ServiceContext& context);

  grpc::Status CreateSession(grpc::ServerContext*, const v1::CreateSessionRequest*, v1::Session*) override;
  grpc::Status GetSession(grpc::ServerContext*, const v1::GetSessionRequest*, v1::Session*) override;
  grpc::Status ListSessions(grpc::ServerContext*, const v1::ListSessionsRequest*, v1::ListSessionsResponse*) override;
  grpc::Status UpdateSession(grpc::ServerContext*, const v1::UpdateSessionRequest*, v1::Session*) override;
  grpc::Status DeleteSession(grpc::ServerContext*, const v1::DeleteSessionRequest*, google::protobuf::Empty*) override;
  grpc::Status CopySession(grpc::ServerContext*, const v1::CopySessionRequest*, v1::Session*) override;
  grpc::Status GetParameters(grpc::ServerContext*, const v1::GetParametersRequest*, v1::Parameters*) override;
  grpc::Status SetParameters(grpc::ServerContext*, const v1::SetParametersRequest*, v1::Parameters*) override;
  grpc::Status FitScaling(grpc::ServerContext*, const v1::FitScalingRequest*, v1::Session*) override;
  grpc::Status ExportSession(grpc::ServerContext*, const v1::ExportSessionRequest*,
                             grpc::ServerWriter<v1::ExportSessionResponse>*) override;

 private:
  // Of ImportSessionRequests as they were received.
  using ImportReader = grpc::ServerReader<grpc::ByteBuffer>;

  absl::Status Create(const v1::CreateSessionRequest& request, const ChangeRequest& change);
  // ImportSession.
  grpc::Status ImportStream(grpc::ServerContext* call, ImportReader* reader, v1::Session* response);
  absl::Status Import(grpc::ServerContext* call, ImportReader* reader, v1::Session* response);
  absl::Status List(const v1::ListSessionsRequest& request, v1::ListSessionsResponse* response);

  const ServiceContext& context_;
  std::mutex without_memory_;  // Of the one GetParameters that the budget has no memory for.
};

}  // namespace backprop::server
