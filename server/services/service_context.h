// What all services stand on, and the few steps that all RPC methods take.
#pragma once

#include <google/protobuf/message.h>
#include <grpcpp/server_context.h>

#include <atomic>
#include <functional>
#include <memory>
#include <new>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "core/error.h"
#include "core/parallel_for.h"
#include "server/services/error_mapping.h"
#include "server/services/limits.h"
#include "server/services/stream_slots.h"
#include "server/sessions/request_log.h"
#include "server/sessions/resource_name.h"
#include "server/sessions/session_registry.h"

namespace backprop::server {

// Constant after construction; outlives the services.
struct ServiceContext {
  SessionRegistry* registry;
  RequestLog* request_log;
  StreamSlots* streams;
  const std::atomic<bool>* draining;       // Set when the server is about to end.
  int64_t work_limit = kDefaultWorkLimit;  // Multiply-adds of one call for derivatives beyond the gradient.
};

// UNAVAILABLE, reason SHUTTING_DOWN.
absl::Status ShuttingDown();
// The same once the server takes no new work.
absl::Status CheckServing(const std::atomic<bool>& draining);
inline absl::Status CheckServing(const ServiceContext& context) { return CheckServing(*context.draining); }

// The session that `name`, a field called `field`, names.
absl::StatusOr<AnySession> FindSession(const ServiceContext& context, const std::string& name, const char* field);

// What `work` returns, an absl::Status, or RESOURCE_EXHAUSTED when memory ran out in it.
template <typename Work>
absl::Status Guarded(Work work) {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    return Error(absl::StatusCode::kResourceExhausted, "MEMORY_LIMIT",
                 "the server ran out of memory; send less at a time, or try again later");
  }
}

// Calls `visit` with the session of its precision; `visit` returns absl::Status. UNAVAILABLE once the server takes no
// new work. A name that is none is answered with `others`, which are wrong whatever the session.
template <typename Visit>
absl::Status WithSession(const ServiceContext& context, const std::string& name, const char* field, Visit visit,
                         const Violations& others = {}) {
  if (absl::Status status = CheckServing(context); !status.ok()) return status;
  const absl::StatusOr<AnySession> session = FindSession(context, name, field);
  if (!session.ok()) {
    Violations violations;
    violations.AddAll("", session.status());
    if (violations.empty()) return session.status();
    violations.AddAll("", others.ToStatus());
    return violations.ToStatus();
  }
  return Guarded([&] { return std::visit(visit, *session); });
}

inline StopCheck StopWhenCancelled(const grpc::ServerContextBase* call) {
  return [call] { return call->IsCancelled(); };
}

// What a call ends with that stopped because its caller has gone: nobody reads it.
inline absl::Status CallerGone() { return absl::CancelledError("the caller cancelled the call"); }

// What tells one request of a request_id from another: equal for requests of equal fields.
std::string RequestKey(const google::protobuf::Message& request);

// A number for such a key that is the same in every life of the server.
int64_t HashOf(const std::string& request_key);

// Carries out a mutating request once for its request_id: `call` changes a session by a ChangeRequest, whose `respond`
// it sets to fill `response`; or a repeated request gets the first response again, from memory or from its session.
template <typename Request, typename Response>
grpc::Status Once(const ServiceContext& context, const grpc::ServerContextBase* rpc, const Request& request,
                  Response* response, const std::function<absl::Status(ChangeRequest)>& call) {
  if (absl::Status status = CheckServing(context); !status.ok()) return ToGrpcStatus(status);
  if (request.request_id().empty()) return ToGrpcStatus(call({.id = "", .given_up = StopWhenCancelled(rpc)}));
  const std::string key = RequestKey(request);
  const ChangeRequest change{.id = request.request_id(),
                             .hash = HashOf(key),
                             .serialize = [response] { return response->SerializeAsString(); },
                             .recall = [response](const std::string& bytes) { response->ParseFromString(bytes); },
                             .given_up = StopWhenCancelled(rpc)};
  const absl::StatusOr<std::string> answer =
      context.request_log->Once(request.request_id(), key, [&]() -> absl::StatusOr<std::string> {
        if (absl::Status status = call(change); !status.ok()) return status;
        return response->SerializeAsString();
      });
  if (answer.ok()) response->ParseFromString(*answer);
  return ToGrpcStatus(answer.status());
}

}  // namespace backprop::server
