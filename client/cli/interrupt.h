#pragma once

#include <atomic>
#include <functional>
#include <thread>

namespace backprop::client {

// Keeps Ctrl-C from ending the process, for good. Call it before any other thread starts: threads inherit it.
void BlockInterrupt();

// While it lives, Ctrl-C calls `action` on a thread of its own; a second one ends the process, which may hang by then.
// Needs BlockInterrupt.
class OnInterrupt {
 public:
  explicit OnInterrupt(std::function<void()> action);
  ~OnInterrupt();
  OnInterrupt(const OnInterrupt&) = delete;
  OnInterrupt& operator=(const OnInterrupt&) = delete;

  // True once Ctrl-C was pressed.
  [[nodiscard]] bool happened() const { return happened_; }

 private:
  std::atomic<bool> happened_ = false;
  std::jthread thread_;
};

}  // namespace backprop::client
