// Answers of a stream on their way: the next requests are read while the answers to earlier ones are being made.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

namespace backprop::server {

// Requests of one stream that are read ahead of their answers, and the bytes of their patterns: two groups that are
// committed together, so that one can be read while the other is written.
inline constexpr int64_t kMaxAnswersAhead = 16'384;
inline constexpr int64_t kMaxBytesAhead = 32 << 20;

// An answer that is yet to be made. Every answer is finished and written, whatever happens: it may hold things that
// must come to their end.
class PendingAnswer {
 public:
  virtual ~PendingAnswer() = default;
  // Bytes that it holds, about.
  virtual int64_t bytes() const = 0;
  // Whether Finish would not wait.
  virtual bool ready() const = 0;
  virtual void Finish() = 0;
  // `more`: the next answer follows at once, and the network may wait for that.
  virtual void Write(bool more) = 0;
};

// A thread that makes answers in the order in which they were queued. One thread calls Push.
class AnswerQueue {
 public:
  AnswerQueue() : thread_([this] { MakeAnswers(); }) {}
  // When all answers are made.
  ~AnswerQueue() {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    changed_.notify_all();
  }
  AnswerQueue(const AnswerQueue&) = delete;
  AnswerQueue& operator=(const AnswerQueue&) = delete;

  // Whether an answer is yet to be made.
  bool under_way() const { return count_ > 0; }

  // Waits while too much is queued; one answer is always taken.
  void Push(std::unique_ptr<PendingAnswer> answer) {
    std::unique_lock lock(mutex_);
    const int64_t bytes = answer->bytes();
    changed_.wait(lock, [&] { return count_ == 0 || (count_ < kMaxAnswersAhead && bytes_ + bytes <= kMaxBytesAhead); });
    ++count_;
    bytes_ += bytes;
    answers_.push_back(std::move(answer));
    if (answers_.size() == 1) changed_.notify_all();
  }

 private:
  void MakeAnswers() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [&] { return ended_ || !answers_.empty(); });
      if (answers_.empty()) return;
      // All there are: a lock and a wake-up for each would cost more than a small answer.
      std::deque<std::unique_ptr<PendingAnswer>> taken = std::exchange(answers_, {});
      lock.unlock();
      int64_t count = 0, bytes = 0;  // Made, and still counted as queued.
      while (!taken.empty()) {
        const std::unique_ptr<PendingAnswer> answer = std::move(taken.front());
        taken.pop_front();
        answer->Finish();
        const bool more = !taken.empty() && taken.front()->ready();
        answer->Write(more);
        ++count;
        bytes += answer->bytes();
        if (more) continue;
        lock.lock();
        count_ -= std::exchange(count, 0);
        bytes_ -= std::exchange(bytes, 0);
        changed_.notify_all();
        lock.unlock();
      }
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::unique_ptr<PendingAnswer>> answers_;  // Guarded by mutex_, like the following.
  std::atomic<int64_t> count_ = 0;                      // With those taken out of `answers_` and not yet made.
  int64_t bytes_ = 0;                                   // Of these.
  bool ended_ = false;
  std::jthread thread_;  // Last: it uses the others, and is joined before they go.
};

}  // namespace backprop::server
