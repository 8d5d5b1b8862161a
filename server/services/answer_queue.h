// Answers of a stream on their way: the next requests are read while the answers to earlier ones are being made.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

namespace backprop::server {

// Requests of one stream that are read ahead of their answers, and the bytes of their patterns.
inline constexpr size_t kMaxAnswersAhead = 64;
inline constexpr int64_t kMaxBytesAhead = 8 << 20;

// A thread that makes answers in the order in which they were queued. Each answer is made, whatever happens: to be made
// it may hold things that must come to their end. One thread calls Push.
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

  // Queues `make_answer`, which holds `bytes`; waits while too much is queued.
  void Push(int64_t bytes, std::function<void()> make_answer) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] {
      return answers_.empty() || (answers_.size() < kMaxAnswersAhead && bytes_ + bytes <= kMaxBytesAhead);
    });
    answers_.emplace_back(bytes, std::move(make_answer));
    bytes_ += bytes;
    changed_.notify_all();
  }

 private:
  void MakeAnswers() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [&] { return ended_ || !answers_.empty(); });
      if (answers_.empty()) return;
      const auto& [bytes, make_answer] = answers_.front();  // Stays there: it counts until it is made.
      lock.unlock();
      make_answer();
      lock.lock();
      bytes_ -= bytes;
      answers_.pop_front();
      changed_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::pair<int64_t, std::function<void()>>> answers_;  // Guarded by mutex_, like the following.
  int64_t bytes_ = 0;
  bool ended_ = false;
  std::jthread thread_;  // Last: it uses the others, and is joined before they go.
};

}  // namespace backprop::server
