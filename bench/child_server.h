// A server process that a benchmark starts and ends.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace backprop::bench {

// Not thread-safe. The process ends with this object, and with the process that made it.
class ChildServer {
 public:
  // Runs `command`, whose first word is a path, and waits for its line `... listening on HOST:PORT`. What it writes to
  // stderr goes to the file `log_path`. Call it before the process has other threads.
  static absl::StatusOr<std::unique_ptr<ChildServer>> Start(const std::vector<std::string>& command,
                                                            const std::string& log_path);
  ~ChildServer();
  ChildServer(const ChildServer&) = delete;
  ChildServer& operator=(const ChildServer&) = delete;

  // HOST:PORT.
  [[nodiscard]] const std::string& address() const { return address_; }

 private:
  explicit ChildServer(pid_t pid) : pid_(pid) {}

  const pid_t pid_;
  std::string address_;
};

}  // namespace backprop::bench
