// Answers to mutating requests, by request id: a retry gets the first answer.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"

namespace backprop::server {

// Thread-safe. Knows requests and answers as bytes only.
class RequestLog {
 public:
  // Limits; the first is quoted in session_service.proto. The oldest answers are forgotten first.
  static constexpr size_t kMaxAnswers = 4096;
  static constexpr size_t kMaxAnswerBytes = 256 << 20;
  static constexpr size_t kMaxIdBytes = 128;

  // Of all answers together.
  explicit RequestLog(size_t max_answer_bytes = kMaxAnswerBytes) : max_answer_bytes_(max_answer_bytes) {}

  // The answer of `call` to the request with this id: of the first time it succeeded, when that is remembered, else of
  // now. Two calls with one id at a time wait for each other. An empty id always calls. INVALID_ARGUMENT, naming
  // request_id, when the id came with another `request` before, or is too long.
  absl::StatusOr<std::string> Once(const std::string& id, const std::string& request,
                                   const std::function<absl::StatusOr<std::string>()>& call);

 private:
  struct Entry {
    size_t request_hash;
    bool answered = false;
    std::string answer;
  };

  const size_t max_answer_bytes_;
  std::mutex mutex_;
  std::condition_variable answered_;
  std::map<std::string, Entry> entries_ ABSL_GUARDED_BY(mutex_);
  std::deque<std::string> order_ ABSL_GUARDED_BY(mutex_);  // Ids of the answered entries, oldest first.
  size_t answer_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace backprop::server
