// A lock whose holder may be long: those who wait for it are few, and may give up.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "core/parallel_for.h"

namespace backprop::server {

// Callers that wait for a turn of one session at most; each holds a thread. Quoted in training_service.proto.
inline constexpr int kMaxWaitingForTurn = 16;

// Thread-safe. Outlives its turns.
class TurnQueue {
 public:
  // Held until the last copy is gone.
  using Turn = std::shared_ptr<void>;

  // Waits for the turn. RESOURCE_EXHAUSTED, reason SESSION_BUSY, when too many wait already; CANCELLED when `given_up`
  // says so.
  absl::StatusOr<Turn> Take(const StopCheck& given_up);

 private:
  // Not a std::timed_mutex: ThreadSanitizer does not know how that is locked.
  std::mutex mutex_;
  std::condition_variable freed_;
  bool taken_ ABSL_GUARDED_BY(mutex_) = false;
  int waiting_count_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace backprop::server
