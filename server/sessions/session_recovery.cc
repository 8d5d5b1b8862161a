// The part of SessionRegistry that opens and closes sessions without being asked for them.
#include <set>
#include <utility>

#include "server/sessions/session_registry.h"

namespace backprop::server {

std::map<std::string, absl::Status> SessionRegistry::Recover(const StopCheck& stop) {
  const absl::StatusOr<std::vector<std::string>> unfinished = environment_.store->ListUnfinished();
  if (!unfinished.ok()) return {{"", unfinished.status()}};
  std::set<std::string> ids(unfinished->begin(), unfinished->end());
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, entry] : sessions_) {
      if (!entry.open) continue;
      if (HasFailed(*entry.open)) {
        ids.insert(id);
      } else {
        ids.erase(id);  // It trains.
        unreadable_.erase(id);
      }
    }
    for (const std::string& id : unreadable_) ids.erase(id);
  }
  std::map<std::string, absl::Status> failed;
  for (const std::string& id : ids) {
    if (stop()) break;
    absl::Status status = Find(id).status();
    if (status.ok() || absl::IsNotFound(status) || stop()) continue;
    if (absl::IsDataLoss(status) || absl::IsFailedPrecondition(status)) {
      const std::lock_guard lock(mutex_);
      unreadable_.insert(id);
    }
    failed[id] = std::move(status);
  }
  return failed;
}

bool SessionRegistry::CloseIdle(Clock::time_point used_before) {
  if (!environment_.store->durable()) return false;
  std::unique_lock lock(mutex_);
  Entry* idle = nullptr;
  const Clock::time_point now = Clock::now();
  for (auto& [id, entry] : sessions_) {
    if (entry.busy || !entry.open) continue;
    // Whom nobody else holds nobody can come to hold: that needs the lock. Its training run would hold it.
    const bool in_use = std::visit([](const auto& typed) { return typed.use_count() > 1; }, *entry.open);
    if (in_use) entry.last_use = now;
    const bool unused = !in_use && entry.last_use < used_before;
    if (unused && (idle == nullptr || entry.last_use < idle->last_use)) idle = &entry;
  }
  if (idle == nullptr) return false;
  idle->busy = true;
  std::optional<AnySession> session = std::exchange(idle->open, std::nullopt);
  lock.unlock();
  session.reset();
  lock.lock();
  idle->busy = false;
  freed_.notify_all();
  return true;
}

}  // namespace backprop::server
