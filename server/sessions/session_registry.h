// All sessions of the server, by id: opened when they are asked for, closed when nobody uses them for long or others
// need the room.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "server/sessions/session.h"

namespace backprop::server {

// A session of either precision; std::visit reaches it.
using AnySession = std::variant<std::shared_ptr<Session<float>>, std::shared_ptr<Session<double>>>;

struct SessionLimits {
  size_t max_sessions = 10'000;
  // Sessions in memory, about: above it, one that nobody uses makes room for the next.
  size_t max_open_sessions = 256;
};

// Thread-safe.
class SessionRegistry {
 public:
  using Clock = std::chrono::steady_clock;

  SessionRegistry(SessionEnvironment environment, SessionLimits limits)
      : environment_(std::move(environment)), limits_(limits) {}

  // Takes up the sessions that the store has; none of them is opened yet. Called once, before all else.
  absl::Status Load();
  // Opens the sessions with a training run that has not ended, which goes on, and those that failed; between two of
  // them it looks whether to stop. Those that cannot be opened, by id: they wait for a later call, longer each time. To
  // be called at the start, and now and then.
  std::map<std::string, absl::Status> Recover(const StopCheck& stop = NeverStop, Clock::time_point now = Clock::now());

  // A new session under description.id, with `parameters` or drawn ones, at version 0. ALREADY_EXISTS, reason
  // SESSION_ALREADY_EXISTS; RESOURCE_EXHAUSTED, reasons SESSION_LIMIT and MEMORY_LIMIT; errors of the store. Scalar is
  // the spec's precision.
  template <typename Scalar>
  absl::StatusOr<AnySession> Create(SessionDescription description, Scalings scalings,
                                    std::optional<Parameters<Scalar>> parameters, const ChangeRequest& request = {});
  // A copy of session `source` under `id`; errors as in Create, and NOT_FOUND.
  absl::StatusOr<AnySession> Copy(const std::string& source, const std::string& id, const ChangeRequest& request = {});
  // A file with all that is kept of a session; errors as in Find, and FAILED_PRECONDITION, reason EPHEMERAL.
  absl::StatusOr<std::unique_ptr<TransferFile>> Export(const std::string& id, const StopCheck& given_up = NeverStop);
  // A file to be filled for Import.
  absl::StatusOr<std::unique_ptr<TransferFile>> NewTransfer() { return environment_.store->NewTransfer(); }
  // A new session from such a file; errors as in Create, and DATA_LOSS.
  absl::StatusOr<AnySession> Import(const TransferFile& file, const std::string& id);
  // NOT_FOUND, reason SESSION_NOT_FOUND; errors of the store in opening it.
  absl::StatusOr<AnySession> Find(const std::string& id);
  // NOT_FOUND as above. When there is no room to delete it, the session goes on; after another failure it is opened
  // anew.
  absl::Status Delete(const std::string& id, const ChangeRequest& request = {});
  // Calls `visit` with one session at a time, in order of id, from behind `after` on, until it returns false: with its
  // state, or why that cannot be read.
  using VisitState = std::function<bool(const std::string& id, const absl::StatusOr<SessionState>& state)>;
  void Visit(const std::string& after, const VisitState& visit);
  int64_t memory_limit_bytes() const { return environment_.budget->limit_bytes(); }
  size_t count() const;
  size_t open_count() const;

  // Closes the session that was used longest ago of those that nobody uses, nor has since `used_before`; false when
  // there is none.
  bool CloseIdle(Clock::time_point used_before = Clock::time_point::max());

 private:
  using Make = std::function<absl::StatusOr<AnySession>()>;

  struct Entry {
    bool busy = false;  // Being made, opened, described, closed or deleted by one thread; others wait.
    std::optional<AnySession> open = {};
    Clock::time_point last_use = {};
    bool failed = false;  // It could not be opened, or failed and was closed.
  };
  struct Wait {
    Clock::time_point until = {};
    Clock::duration length = {};
  };

  // Reserves the id, makes the session without holding the lock, and enters it.
  absl::StatusOr<AnySession> Enter(const std::string& id, const ChangeRequest& request, const Make& make);
  absl::StatusOr<AnySession> OpenNow(const std::string& id);
  // The entry of `id` when nobody is busy with it; null when there is none.
  Entry* Await(const std::string& id, std::unique_lock<std::mutex>* lock);
  static bool HasFailed(const AnySession& any) {
    return std::visit([](const auto& session) { return session->failed(); }, any);
  }
  void ReportStorage(const std::string& id, const absl::Status& status) const;
  // The state of a session, open or not.
  absl::StatusOr<SessionState> Describe(const std::string& id);

  const SessionEnvironment environment_;
  const SessionLimits limits_;
  mutable std::mutex mutex_;
  std::condition_variable freed_;  // An entry is no longer busy.
  std::map<std::string, Entry> sessions_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Wait> waiting_ ABSL_GUARDED_BY(mutex_);  // Ids at which Recover has looked.
};

}  // namespace backprop::server
