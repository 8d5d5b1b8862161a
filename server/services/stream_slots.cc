#include "server/services/stream_slots.h"

#include <grpc/grpc.h>

#include <chrono>
#include <string>

#include "absl/strings/str_cat.h"
#include "core/error.h"
#include "server/services/error_mapping.h"
#include "server/services/service_context.h"

namespace backprop::server {

absl::StatusOr<StreamSlots::Slot> StreamSlots::Take(grpc::ServerContext* call, int work) {
  Slot slot(new Call{.context = call, .work = work}, [this](Call* taken) { GiveBack(taken); });
  const std::lock_guard lock(mutex_);
  if (open_.size() < static_cast<size_t>(limit_)) {
    open_.insert(slot.get());
    return slot;
  }
  return WithMetadata(
      WithRetryDelay(
          Error(absl::StatusCode::kResourceExhausted, "STREAM_LIMIT",
                absl::StrCat(
                    "the server has ", limit_,
                    " streams and calls for second derivatives open, its limit; close some, or raise --max-streams")),
          std::chrono::seconds(1)),
      "limit", limit_);
}

void StreamSlots::GiveBack(Call* call) {
  {
    const std::lock_guard lock(mutex_);
    open_.erase(call);
    if (open_.empty()) all_given_back_.notify_all();
  }
  delete call;
}

void StreamSlots::WaitForEnd(std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  all_given_back_.wait_until(lock, deadline, [this] { return open_.empty(); });
}

void StreamSlots::End(bool silent_only) {
  const std::string message(ShuttingDown().message());
  const std::lock_guard lock(mutex_);  // So long no call ends.
  for (const Call* call : open_) {
    if (silent_only && call->work > 0) continue;
    // A stream that waits in Read can be ended by no other means. gRPC's TryCancel is the same with CANCELLED; that the
    // status is sent is nowhere promised, but tested.
    grpc_call_cancel_with_status(call->context->c_call(), GRPC_STATUS_UNAVAILABLE, message.c_str(), nullptr);
  }
}

}  // namespace backprop::server
