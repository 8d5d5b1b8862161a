#include "server/process/timer.h"

#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <utility>

namespace backprop::server {

Timer::Timer(std::chrono::nanoseconds period, std::function<void()> call)
    : calling_([period, call = std::move(call)](const std::stop_token& destroyed) {
        std::mutex mutex;
        std::unique_lock lock(mutex);
        std::condition_variable_any wake;
        while (true) {
          wake.wait_for(lock, destroyed, period, [] { return false; });
          if (destroyed.stop_requested()) return;
          call();
        }
      }) {}

}  // namespace backprop::server
