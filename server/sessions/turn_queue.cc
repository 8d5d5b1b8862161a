#include "server/sessions/turn_queue.h"

#include <chrono>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "core/error.h"
#include "server/sessions/training_run.h"

namespace backprop::server {

absl::StatusOr<TurnQueue::Turn> TurnQueue::Take(const StopCheck& given_up) {
  std::unique_lock lock(mutex_);
  if (taken_) {
    if (waiting_count_ == kMaxWaitingForTurn) {
      return WithMetadata(
          WithRetryDelay(Error(absl::StatusCode::kResourceExhausted, "SESSION_BUSY",
                               absl::StrCat("the session is learning from a message or a gradient, and ",
                                            kMaxWaitingForTurn, " calls wait for that, the limit; try again later")),
                         std::chrono::seconds(1)),
          "limit", kMaxWaitingForTurn);
    }
    ++waiting_count_;
    const absl::Cleanup leave = [this] { --waiting_count_; };
    while (taken_) {
      if (given_up()) return absl::CancelledError("the caller gave up while the session was busy");
      freed_.wait_for(lock, kGiveUpPoll);
    }
  }
  taken_ = true;
  return Turn(nullptr, [this](void*) {
    const std::lock_guard give_back(mutex_);
    taken_ = false;
    freed_.notify_one();
  });
}

}  // namespace backprop::server
