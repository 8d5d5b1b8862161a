#include "server/scheduling/training_workers.h"

#include <algorithm>
#include <exception>
#include <future>
#include <new>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/error.h"

namespace backprop::server {
namespace {

absl::Status ShuttingDown() {
  return Error(absl::StatusCode::kUnavailable, "SHUTTING_DOWN",
               "the server is shutting down; try again elsewhere or later");
}

// Looks for `seen` without giving up the processor, for as long as kLookOut.
template <typename Condition>
void LookOutFor(const Condition& seen) {
  using Clock = std::chrono::steady_clock;
  for (const Clock::time_point end = Clock::now() + TrainingWorkers::kLookOut; !seen() && Clock::now() < end;) {
    for (int i = 0; i < 16; ++i) __builtin_ia32_pause();
  }
}

// Slices of work whose end somebody waits for: they hear of it when the job has left the queue.
class WaitedJob final : public TrainingJob {
 public:
  WaitedJob(std::function<bool()> slice, std::promise<absl::Status> done)
      : slice_(std::move(slice)), done_(std::move(done)) {}
  ~WaitedJob() override {
    slice_ = nullptr;
    done_.set_value(std::move(status_));
  }

  bool RunSlice() override {
    try {
      return slice_();
    } catch (const std::bad_alloc&) {
      // A worker must live on; whoever waits must hear of it.
      status_ = Error(absl::StatusCode::kResourceExhausted, "MEMORY_LIMIT", "the server ran out of memory");
      return false;
    }
  }
  void Abandon() override { status_ = ShuttingDown(); }

 private:
  std::function<bool()> slice_;
  std::promise<absl::Status> done_;
  absl::Status status_;
};

}  // namespace

struct TrainingWorkers::Loop {
  const int count;
  const std::function<void(int)>& task;
  std::atomic<int> next = 0;
  std::atomic<int> helper_count = 0;  // Changed under the workers' mutex.
  std::once_flag failed_once = {};
  std::exception_ptr failure = nullptr;  // The first exception of a task.
};

TrainingWorkers::TrainingWorkers(Options options) : options_(options) {
  threads_.reserve(options_.worker_count);
  for (int i = 0; i < options_.worker_count; ++i) threads_.emplace_back([this] { Work(); });
}

TrainingWorkers::~TrainingWorkers() { Shutdown(); }

absl::StatusOr<TrainingWorkers::Place> TrainingWorkers::TakePlace() {
  const std::lock_guard lock(mutex_);
  if (stopping_) return ShuttingDown();
  if (std::ssize(waiting_) + running_count_ + place_count_ >= options_.queue_limit) {
    return WithMetadata(
        WithRetryDelay(Error(absl::StatusCode::kResourceExhausted, "TRAINING_QUEUE_FULL",
                             absl::StrCat("the training queue is full with ", options_.queue_limit,
                                          " jobs; try again when one has ended, or raise --queue-limit")),
                       std::chrono::seconds(1)),
        "limit", options_.queue_limit);
  }
  ++place_count_;
  return Place(nullptr, [this](void*) {
    const std::lock_guard give_back(mutex_);
    --place_count_;
  });
}

absl::Status TrainingWorkers::Submit(std::shared_ptr<TrainingJob> job) {
  absl::StatusOr<Place> place = TakePlace();
  return place.ok() ? Submit(std::move(job), *std::move(place)) : place.status();
}

absl::Status TrainingWorkers::Submit(std::shared_ptr<TrainingJob> job, Place place) {
  place.reset();
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return ShuttingDown();
    waiting_.push_back(std::move(job));
    ++call_count_;
  }
  work_ready_.notify_one();
  return absl::OkStatus();
}

absl::Status TrainingWorkers::RunSlicesAndWait(std::function<bool()> slice, const Place* place) {
  std::promise<absl::Status> done;
  std::future<absl::Status> status = done.get_future();
  auto job = std::make_shared<WaitedJob>(std::move(slice), std::move(done));
  if (absl::Status submitted = place ? Submit(std::move(job), *place) : Submit(std::move(job)); !submitted.ok()) {
    return submitted;
  }
  return status.get();
}

absl::Status TrainingWorkers::RunAndWait(const std::function<void()>& work) {
  return RunSlicesAndWait([&work] {
    work();
    return false;
  });
}

int TrainingWorkers::QueuePosition(const TrainingJob* job) const {
  const std::lock_guard lock(mutex_);
  for (size_t i = 0; i < waiting_.size(); ++i) {
    if (waiting_[i].get() == job) return static_cast<int>(i);
  }
  return 0;
}

int TrainingWorkers::waiting_count() const {
  const std::lock_guard lock(mutex_);
  return static_cast<int>(waiting_.size());
}

void TrainingWorkers::TakeTurns(Loop* loop) {
  try {
    for (int i = loop->next++; i < loop->count; i = loop->next++) loop->task(i);
  } catch (...) {
    // Memory that ran out must neither end a helper's thread nor leave the loop behind on the caller's stack.
    loop->next = loop->count;
    std::call_once(loop->failed_once, [loop] { loop->failure = std::current_exception(); });
  }
}

void TrainingWorkers::ParallelFor(int count, const std::function<void(int)>& task) {
  Loop loop{.count = count, .task = task};
  {
    const std::lock_guard lock(mutex_);
    loops_.push_back(&loop);
    ++call_count_;
  }
  for (int i = 1; i < std::min(count, worker_count()); ++i) work_ready_.notify_one();
  TakeTurns(&loop);
  {
    const std::lock_guard lock(mutex_);
    std::erase(loops_, &loop);
  }
  LookOutFor([&loop] { return loop.helper_count == 0; });
  std::unique_lock lock(mutex_);
  loop_left_.wait(lock, [&] { return loop.helper_count == 0; });
  if (loop.failure) std::rethrow_exception(loop.failure);
}

void TrainingWorkers::Work() {
  std::unique_lock lock(mutex_);
  while (true) {
    work_ready_.wait(lock, [&] { return stopping_ || !loops_.empty() || !waiting_.empty(); });
    if (!loops_.empty()) {
      // Loops come before jobs: they are halves of work begun.
      Loop* const loop = loops_.front();
      if (loop->next >= loop->count) {
        loops_.pop_front();
        continue;
      }
      ++loop->helper_count;
      lock.unlock();
      TakeTurns(loop);
      lock.lock();
      --loop->helper_count;
      loop_left_.notify_all();
      if (!loops_.empty() || !waiting_.empty()) continue;
      const uint64_t seen = call_count_;
      lock.unlock();
      LookOutFor([this, seen] { return call_count_ != seen || stopping_; });
      lock.lock();
    } else if (stopping_) {
      return;
    } else {
      std::shared_ptr<TrainingJob> job = std::move(waiting_.front());
      waiting_.pop_front();
      ++running_count_;
      lock.unlock();
      const bool more = job->RunSlice();
      lock.lock();
      --running_count_;
      if (more) {
        waiting_.push_back(std::move(job));
        work_ready_.notify_one();
      } else {
        // It has left the queue before its destructor runs, which may tell somebody, and is not run under the mutex.
        lock.unlock();
        job.reset();
        lock.lock();
      }
    }
  }
}

void TrainingWorkers::Shutdown() {
  std::call_once(shutdown_once_, [this] {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    work_ready_.notify_all();
    for (std::thread& thread : threads_) thread.join();
    std::deque<std::shared_ptr<TrainingJob>> left;
    {
      const std::lock_guard lock(mutex_);
      left.swap(waiting_);
    }
    for (const auto& job : left) job->Abandon();
  });
}

}  // namespace backprop::server
