// The part of SessionRegistry that opens and closes sessions without being asked for them.
#include <algorithm>
#include <new>
#include <set>
#include <utility>

#include "core/error.h"
#include "server/sessions/session_registry.h"

namespace backprop::server {
namespace {

// From one look at a session that failed to the next: each twice the one before. Reading a session in vain costs others
// their time, and, where memory is short, their place in it.
constexpr std::chrono::seconds kShortestWait(4);
constexpr std::chrono::seconds kLongestWait(60);

}  // namespace

std::map<std::string, absl::Status> SessionRegistry::Recover(const StopCheck& stop, Clock::time_point now) {
  const absl::StatusOr<std::vector<std::string>> unfinished = environment_.store->ListUnfinished();
  if (!unfinished.ok()) return {{"", unfinished.status()}};
  std::set<std::string> ids(unfinished->begin(), unfinished->end());
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, entry] : sessions_) {
      const bool failed = entry.failed || (entry.open && HasFailed(*entry.open));
      if (failed) ids.insert(id);
      if (!failed && entry.open) ids.erase(id);  // It trains.
    }
    // One that has been well for as long as it was to wait begins anew, should it fail again.
    std::erase_if(waiting_, [&](const auto& named) { return !ids.contains(named.first) && named.second.until <= now; });
    std::erase_if(ids, [&](const std::string& id) {
      const auto found = waiting_.find(id);
      return found != waiting_.end() && found->second.until > now;
    });
    for (const std::string& id : ids) {
      Wait& wait = waiting_[id];
      wait.length = std::clamp<Clock::duration>(2 * wait.length, kShortestWait, kLongestWait);
      wait.until = now + wait.length;
    }
  }
  std::map<std::string, absl::Status> failed;
  for (const std::string& id : ids) {
    if (stop()) break;
    absl::Status status;
    try {
      status = Find(id).status();
    } catch (const std::bad_alloc&) {
      status = Error(absl::StatusCode::kResourceExhausted, "MEMORY_LIMIT", "the server ran out of memory");
    }
    if (!status.ok() && !absl::IsNotFound(status) && !stop()) failed[id] = std::move(status);
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
  idle->failed = HasFailed(*session);
  lock.unlock();
  session.reset();
  lock.lock();
  idle->busy = false;
  freed_.notify_all();
  return true;
}

}  // namespace backprop::server
