#include "server/sessions/request_log.h"

#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "core/error.h"

namespace backprop::server {

absl::StatusOr<std::string> RequestLog::Once(const std::string& id, const std::string& request,
                                             const std::function<absl::StatusOr<std::string>()>& call) {
  if (id.empty()) return call();
  if (id.size() > kMaxIdBytes) {
    return InvalidField("request_id", absl::StrCat("must have at most ", kMaxIdBytes, " bytes, but has ", id.size()));
  }
  const size_t request_hash = std::hash<std::string>()(request);
  std::unique_lock lock(mutex_);
  for (auto found = entries_.find(id); found != entries_.end(); found = entries_.find(id)) {
    if (found->second.request_hash != request_hash) {
      return InvalidField("request_id", "was used for another request before; choose a new id for each request");
    }
    if (found->second.answered) return found->second.answer;
    answered_.wait(lock);
  }
  entries_.emplace(id, Entry{.request_hash = request_hash, .answered = false, .answer = {}});
  lock.unlock();
  // A failed request changed nothing: it may be tried again under its id. Failed is also one that memory ran out for.
  absl::Cleanup forget = [&] {
    lock.lock();
    entries_.erase(id);
    answered_.notify_all();
  };
  absl::StatusOr<std::string> answer = call();
  if (answer.ok()) {
    std::string remembered = *answer;
    std::move(forget).Cancel();
    lock.lock();
    Entry& entry = entries_.at(id);
    entry.answered = true;
    entry.answer = std::move(remembered);
    order_.push_back(id);
    answer_bytes_ += answer->size();
    while (order_.size() > kMaxAnswers || answer_bytes_ > max_answer_bytes_) {
      answer_bytes_ -= entries_.at(order_.front()).answer.size();
      entries_.erase(order_.front());
      order_.pop_front();
    }
    answered_.notify_all();
  }
  return answer;
}

}  // namespace backprop::server
