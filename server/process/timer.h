// A function that is called from time to time.
#pragma once

#include <chrono>
#include <functional>
#include <thread>

namespace backprop::server {

// Calls `call` when `first` has passed, and then each time behind a rest of `period`, until it is destroyed, which
// waits for a call under way. `call`, on a thread of its own, throws nothing.
class Timer {
 public:
  Timer(std::chrono::nanoseconds first, std::chrono::nanoseconds period, std::function<void()> call);

 private:
  std::jthread calling_;
};

}  // namespace backprop::server
