// The threads that train. They know nothing of sessions: they take turns at jobs, and help each other with loops.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"

namespace backprop::server {

// Work that is done in slices. Called by one worker at a time, and destroyed when it has left the queue.
class TrainingJob {
 public:
  virtual ~TrainingJob() = default;
  // Works for about TrainingWorkers::kSlice and returns true when there is more to do.
  virtual bool RunSlice() = 0;
  // Called in place of any further slice when the workers shut down.
  virtual void Abandon() = 0;
};

// A bounded queue of jobs and a fixed number of threads that go round it, a slice each: jobs get equal shares of time
// however long they are. Thread-safe. Neither copied nor moved.
class TrainingWorkers {
 public:
  struct Options {
    int worker_count = 1;   // At least 1.
    int queue_limit = 256;  // Most jobs at a time, those being worked on too.
  };

  // How long a job should work before it lets others have the worker.
  static constexpr std::chrono::milliseconds kSlice{20};
  // How long a worker that has helped with a loop looks out for the next one before it sleeps, and the loop's caller
  // for its helpers: batches follow each other faster than the system wakes a thread.
  static constexpr std::chrono::microseconds kLookOut{50};

  explicit TrainingWorkers(Options options);
  ~TrainingWorkers();
  TrainingWorkers(const TrainingWorkers&) = delete;
  TrainingWorkers& operator=(const TrainingWorkers&) = delete;

  // A place in the queue, kept free until the last copy is gone.
  using Place = std::shared_ptr<void>;

  // RESOURCE_EXHAUSTED, reason TRAINING_QUEUE_FULL, over the queue limit; UNAVAILABLE once shut down.
  absl::StatusOr<Place> TakePlace();
  // Takes a place and queues `job` on it.
  absl::Status Submit(std::shared_ptr<TrainingJob> job);
  // Queues `job` on its place; without one, for work that was accepted in an earlier life of the server, beyond the
  // limit. UNAVAILABLE once shut down.
  absl::Status Submit(std::shared_ptr<TrainingJob> job, Place place);

  // Runs `slice` on workers, in turn with the jobs, until it returns false: there is no more to do. Errors as in
  // Submit; UNAVAILABLE also when the workers shut down first. Must not be called by a worker.
  // `place`, if not null, is given to it: taken before, or none at all for work beyond the limit, as in Submit.
  absl::Status RunSlicesAndWait(std::function<bool()> slice, const Place* place = nullptr);
  // The same for work of one slice.
  absl::Status RunAndWait(const std::function<void()>& work);

  // Calls task(0) .. task(count - 1) on the calling worker and any others that are idle; returns when all are done. An
  // exception of a task ends the loop early and is thrown here, on the caller's side, whichever worker met it.
  void ParallelFor(int count, const std::function<void(int)>& task);

  // Jobs waiting ahead of `job`; 0 when it is not waiting.
  int QueuePosition(const TrainingJob* job) const;
  // Jobs that no worker is working on.
  int waiting_count() const;

  int worker_count() const { return static_cast<int>(threads_.size()); }
  // True from the beginning of Shutdown on: long slices should come to an end.
  bool stopping() const { return stopping_; }

  // Takes no more jobs, lets workers finish their slices, joins them, and abandons the jobs that are left.
  void Shutdown();

 private:
  struct Loop;

  void Work();
  // Takes turns of `loop` until none is left.
  static void TakeTurns(Loop* loop);

  const Options options_;
  mutable std::mutex mutex_;
  std::condition_variable work_ready_;
  std::condition_variable loop_left_;  // A helper has left a loop.
  std::deque<std::shared_ptr<TrainingJob>> waiting_ ABSL_GUARDED_BY(mutex_);
  int running_count_ ABSL_GUARDED_BY(mutex_) = 0;
  int place_count_ ABSL_GUARDED_BY(mutex_) = 0;      // Places taken for jobs that are to come.
  std::deque<Loop*> loops_ ABSL_GUARDED_BY(mutex_);  // With turns perhaps left. Each lives on its caller's stack.
  std::atomic<uint64_t> call_count_ = 0;             // Jobs and loops so far: changed under the mutex.
  std::atomic<bool> stopping_ = false;
  std::once_flag shutdown_once_;
  std::vector<std::thread> threads_;  // Constant after construction, until Shutdown joins them.
};

}  // namespace backprop::server
