// python_peers.py as a child process that answers questions: what is measured in Python lives as long as what is
// measured here, so that repetitions can take turns.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "bench/training_step.h"

namespace backprop::bench {

// Not thread-safe. The process ends with this object, and with the process that made it.
class PythonPeers {
 public:
  struct Answer {
    double patterns_per_second = 0;
    std::string setting;  // The fastest of those that were tried.
  };

  // Runs Debian's Python, which has Debian's packages, with the script at this path. Call it before the process has
  // other threads.
  static absl::StatusOr<std::unique_ptr<PythonPeers>> Start(const std::string& script);
  ~PythonPeers();
  PythonPeers(const PythonPeers&) = delete;
  PythonPeers& operator=(const PythonPeers&) = delete;

  // `kind`: torch, torch-autograd, sklearn or torch-predict.
  absl::StatusOr<Answer> Measure(const std::string& kind, const TrainingShape& shape, int thread_count, double seconds);

 private:
  PythonPeers(pid_t pid, int socket) : pid_(pid), socket_(socket) {}

  const pid_t pid_;
  const int socket_;
};

}  // namespace backprop::bench
