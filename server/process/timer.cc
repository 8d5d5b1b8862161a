#include "server/process/timer.h"

#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <utility>

namespace backprop::server {

Timer::Timer(std::chrono::nanoseconds first, std::chrono::nanoseconds period, std::function<void()> call)
    : calling_([first, period, call = std::move(call)](const std::stop_token& destroyed) {
        std::mutex mutex;
        std::unique_lock lock(mutex);
        std::condition_variable_any wake;
        for (std::chrono::nanoseconds rest = first;; rest = period) {
          wake.wait_for(lock, destroyed, rest, [] { return false; });
          if (destroyed.stop_requested()) return;
          call();
        }
      }) {}

}  // namespace backprop::server
