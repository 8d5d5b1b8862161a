// The streams, and the calls that may last as long, that are open.
#pragma once

#include <grpcpp/server_context.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>
#include <utility>

#include "absl/status/statusor.h"

namespace backprop::server {

// Calls for derivatives beyond the gradient are among them: each holds a thread, and the rest of the threads is for
// calls that end soon. Thread-safe.
class StreamSlots {
 private:
  struct Call {
    grpc::ServerContext* context;
    std::atomic<int> work;  // 0: it is silent.
  };

 public:
  using Slot = std::shared_ptr<Call>;

  // What a stream does about a message, from its arrival to its answer; so long the stream is not silent.
  class Work {
   public:
    explicit Work(Slot slot) : slot_(std::move(slot)) { ++slot_->work; }
    ~Work() { --slot_->work; }
    Work(const Work&) = delete;
    Work& operator=(const Work&) = delete;

   private:
    const Slot slot_;
  };

  explicit StreamSlots(int limit) : limit_(limit) {}
  // A slot for the call, held until the last copy is gone, or RESOURCE_EXHAUSTED, reason STREAM_LIMIT. The call must
  // outlive it.
  absl::StatusOr<Slot> Take(grpc::ServerContext* call) { return Take(call, 1); }
  // The same for one that is silent but for its Work.
  absl::StatusOr<Slot> TakeStream(grpc::ServerContext* call) { return Take(call, 0); }

  // Ends all, or those that are silent, with UNAVAILABLE: their callers are to go elsewhere.
  void EndSilent() { End(/*silent_only=*/true); }
  void EndAll() { End(/*silent_only=*/false); }
  // Waits until none is open, or that time.
  void WaitForEnd(std::chrono::steady_clock::time_point deadline);

 private:
  absl::StatusOr<Slot> Take(grpc::ServerContext* call, int work);
  void End(bool silent_only);
  void GiveBack(Call* call);

  const int limit_;
  std::mutex mutex_;
  std::condition_variable all_given_back_;
  std::set<Call*> open_;  // Guarded by mutex_.
};

}  // namespace backprop::server
