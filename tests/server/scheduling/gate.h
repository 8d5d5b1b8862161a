// How tests hold workers and watch what they do, without sleeping.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <string>

namespace backprop::server {

// Threads that reach it wait until it opens.
class Gate {
 public:
  void Pass() {
    reached_ = true;
    reached_.notify_all();
    open_.wait(false);
  }
  void WaitUntilReached() { reached_.wait(false); }
  void Open() {
    open_ = true;
    open_.notify_all();
  }

 private:
  std::atomic<bool> reached_ = false;
  std::atomic<bool> open_ = false;
};

// What happened, a letter each. Thread-safe.
class Journal {
 public:
  void Write(char letter) {
    const std::lock_guard lock(mutex_);
    text_ += letter;
    written_.notify_all();
  }
  // Waits until there are so many letters.
  void WaitFor(size_t size) {
    std::unique_lock lock(mutex_);
    written_.wait(lock, [&] { return text_.size() >= size; });
  }
  std::string text() const {
    const std::lock_guard lock(mutex_);
    return text_;
  }
  size_t size() const { return text().size(); }

 private:
  mutable std::mutex mutex_;
  std::condition_variable written_;
  std::string text_;
};

}  // namespace backprop::server
