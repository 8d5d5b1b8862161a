#include "client/cli/interrupt.h"

#include <csignal>
#include <cstdlib>
#include <utility>

namespace backprop::client {
namespace {

sigset_t InterruptSet() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  return set;
}

}  // namespace

void BlockInterrupt() {
  const sigset_t set = InterruptSet();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

OnInterrupt::OnInterrupt(std::function<void()> action)
    : thread_([this, action = std::move(action)](const std::stop_token& stop) {
        const sigset_t set = InterruptSet();
        int signal = 0;
        while (sigwait(&set, &signal) == 0 && !stop.stop_requested()) {
          if (happened_.exchange(true)) std::_Exit(1);
          action();
        }
      }) {}

OnInterrupt::~OnInterrupt() {
  thread_.request_stop();
  // Wakes sigwait.
  pthread_kill(thread_.native_handle(), SIGINT);
}

}  // namespace backprop::client
