#include "server/sessions/session_registry.h"

#include <algorithm>
#include <new>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "core/error.h"
#include "core/initial_parameters.h"
#include "server/sessions/resource_name.h"

namespace backprop::server {
namespace {

absl::StatusOr<bool> WasAnswered(const AnySession& session, const ChangeRequest& request) {
  return std::visit([&](const auto& typed) { return typed->WasAnswered(request); }, session);
}

}  // namespace

absl::Status SessionRegistry::Load() {
  const absl::StatusOr<std::vector<std::string>> ids = environment_.store->List();
  if (!ids.ok()) return ids.status();
  const std::lock_guard lock(mutex_);
  for (const std::string& id : *ids) sessions_.emplace(id, Entry{});
  return absl::OkStatus();
}

void SessionRegistry::ReportStorage(const std::string& id, const absl::Status& status) const {
  // Without memory for a session nothing is known of its file.
  if (!environment_.report_storage || ReasonOf(status) == "MEMORY_LIMIT") return;
  environment_.report_storage(id, status);
}

SessionRegistry::Entry* SessionRegistry::Await(const std::string& id, std::unique_lock<std::mutex>* lock) {
  auto found = sessions_.find(id);
  while (found != sessions_.end() && found->second.busy) {
    freed_.wait(*lock);
    found = sessions_.find(id);
  }
  return found == sessions_.end() ? nullptr : &found->second;
}

absl::StatusOr<AnySession> SessionRegistry::Enter(const std::string& id, const ChangeRequest& request,
                                                  const Make& make) {
  std::unique_lock lock(mutex_);
  if (Await(id, &lock) != nullptr) {
    lock.unlock();
    if (!request.id.empty()) {
      // The same request may have made it, in an earlier life of the server.
      absl::StatusOr<AnySession> session = Find(id);
      if (!session.ok()) return session;
      const absl::StatusOr<bool> answered =
          std::visit([&](const auto& typed) { return typed->WasAnswered(request); }, *session);
      if (!answered.ok()) return answered.status();
      if (*answered) return session;
    }
    return Error(absl::StatusCode::kAlreadyExists, "SESSION_ALREADY_EXISTS",
                 absl::StrCat("session `", id, "` is there already; choose another id or delete it"));
  }
  if (sessions_.size() >= limits_.max_sessions) {
    return WithMetadata(Error(absl::StatusCode::kResourceExhausted, "SESSION_LIMIT",
                              absl::StrCat("the server has ", limits_.max_sessions,
                                           " sessions, its limit; delete one, or raise --max-sessions")),
                        "limit", static_cast<int64_t>(limits_.max_sessions));
  }
  Entry& entry = sessions_.emplace(id, Entry{.busy = true}).first->second;
  lock.unlock();
  absl::StatusOr<AnySession> session = absl::UnknownError("");
  absl::Cleanup settle = [&] {  // Also when memory runs out.
    lock.lock();
    entry.busy = false;
    entry.last_use = Clock::now();
    if (session.ok()) {
      entry.open = *session;
    } else {
      sessions_.erase(id);
    }
    freed_.notify_all();
  };
  while (open_count() >= limits_.max_open_sessions && CloseIdle()) continue;
  session = make();
  if (session.ok()) ReportStorage(id, session.status());
  std::move(settle).Invoke();  // Before `session` is moved out.
  return session;
}

template <typename Scalar>
absl::StatusOr<AnySession> SessionRegistry::Create(SessionDescription description, Scalings scalings,
                                                   std::optional<Parameters<Scalar>> parameters,
                                                   const ChangeRequest& request) {
  const std::string id = description.id;
  return Enter(id, request, [&]() -> absl::StatusOr<AnySession> {
    Snapshot<Scalar> snapshot{parameters ? *std::move(parameters) : InitialParameters<Scalar>(description.spec),
                              std::move(scalings), /*model_version=*/0};
    return Session<Scalar>::Create(std::move(description), std::move(snapshot), environment_, request);
  });
}

absl::StatusOr<AnySession> SessionRegistry::Copy(const std::string& source, const std::string& id,
                                                 const ChangeRequest& request) {
  const absl::StatusOr<AnySession> original = Find(source);
  if (!original.ok()) {
    // The source may have gone since the copy was made.
    const absl::StatusOr<AnySession> copy = request.id.empty() ? original : Find(id);
    if (!copy.ok()) return original;
    const absl::StatusOr<bool> answered = WasAnswered(*copy, request);
    return answered.ok() && *answered ? copy : original;
  }
  return Enter(id, request, [&] {
    return std::visit(
        [&]<typename Scalar>(const std::shared_ptr<Session<Scalar>>& session) -> absl::StatusOr<AnySession> {
          return Session<Scalar>::CreateCopy(id, *session, request);
        },
        *original);
  });
}

absl::StatusOr<AnySession> SessionRegistry::OpenNow(const std::string& id) {
  absl::StatusOr<AnyOpenedSession> opened = environment_.store->Open(id);
  if (!opened.ok()) return opened.status();
  return std::visit(
      [&]<typename Scalar>(OpenedSession<Scalar>& typed) -> absl::StatusOr<AnySession> {
        return Session<Scalar>::Open(std::move(typed), environment_);
      },
      *opened);
}

absl::StatusOr<AnySession> SessionRegistry::Find(const std::string& id) {
  std::unique_lock lock(mutex_);
  Entry* const entry = Await(id, &lock);
  if (entry == nullptr) return SessionNotFound(id);
  entry->last_use = Clock::now();
  if (entry->open && !HasFailed(*entry->open)) return *entry->open;
  entry->busy = true;
  std::optional<AnySession> failed = std::exchange(entry->open, std::nullopt);
  lock.unlock();
  absl::StatusOr<AnySession> session = absl::UnknownError("");
  absl::Cleanup settle = [&] {
    lock.lock();
    entry->busy = false;
    if (session.ok()) entry->open = *session;
    entry->failed = absl::IsUnavailable(session.status());
    if (absl::IsNotFound(session.status())) sessions_.erase(id);
    freed_.notify_all();
  };
  // Its log must be gone before there is another.
  if (failed) std::visit([](const auto& typed) { typed->Close(absl::UnavailableError("opened anew")); }, *failed);
  failed.reset();
  while (open_count() >= limits_.max_open_sessions && CloseIdle()) continue;
  session = OpenNow(id);
  ReportStorage(id, session.status());
  std::move(settle).Invoke();  // Before `session` is moved out.
  return session;
}

absl::StatusOr<std::unique_ptr<TransferFile>> SessionRegistry::Export(const std::string& id,
                                                                      const StopCheck& given_up) {
  const absl::StatusOr<AnySession> session = Find(id);
  if (!session.ok()) return session.status();
  absl::StatusOr<std::unique_ptr<TransferFile>> file = NewTransfer();
  if (!file.ok()) return file;
  absl::Status status =
      std::visit([&](const auto& typed) { return typed->Export((*file)->path(), given_up); }, *session);
  if (!status.ok()) return status;
  return file;
}

absl::StatusOr<AnySession> SessionRegistry::Import(const TransferFile& file, const std::string& id) {
  return Enter(id, {}, [&]() -> absl::StatusOr<AnySession> {
    if (absl::Status status = environment_.store->Import(file.path(), id); !status.ok()) return status;
    absl::StatusOr<AnySession> session = OpenNow(id);
    // A session that cannot be opened here, for want of memory, is not made.
    if (!session.ok()) environment_.store->Delete(id, nullptr).IgnoreError();
    return session;
  });
}

absl::Status SessionRegistry::Delete(const std::string& id, const ChangeRequest& request) {
  if (!request.id.empty()) {
    const absl::StatusOr<std::optional<RequestAnswer>> answer = environment_.store->FindDeletion(request.id);
    if (!answer.ok()) return answer.status();
    if (*answer && (*answer)->request_hash == request.hash) return absl::OkStatus();
    if (*answer) return InvalidField("request_id", "was used for another request before; choose a new id");
    const absl::StatusOr<AnySession> session = Find(id);
    const absl::StatusOr<bool> answered = session.ok() ? WasAnswered(*session, request) : false;
    if (!answered.ok()) return answered.status();
  }
  std::unique_lock lock(mutex_);
  Entry* const entry = Await(id, &lock);
  if (entry == nullptr) return SessionNotFound(id);
  entry->busy = true;
  const std::optional<AnySession> session = entry->open;
  lock.unlock();
  const RequestAnswer answer{.request_id = request.id, .request_hash = request.hash, .answer = ""};
  const auto remove = [&] {
    try {
      return environment_.store->Delete(id, request.id.empty() ? nullptr : &answer);
    } catch (const std::bad_alloc&) {
      return Error(absl::StatusCode::kResourceExhausted, "MEMORY_LIMIT", "the server ran out of memory");
    }
  };
  const absl::Status reason =
      Error(absl::StatusCode::kNotFound, "SESSION_NOT_FOUND", absl::StrCat("session `", id, "` was deleted"));
  absl::Status deleted =
      session ? std::visit([&](const auto& typed) { return typed->Remove(reason, remove); }, *session) : remove();
  lock.lock();
  entry->busy = false;
  if (!deleted.ok() && ReasonOf(deleted) != "STORAGE_FULL") entry->open.reset();  // To be opened anew.
  if (deleted.ok()) sessions_.erase(id);
  freed_.notify_all();
  lock.unlock();
  if (deleted.ok()) ReportStorage(id, SessionNotFound(id));
  return deleted;
}

absl::StatusOr<SessionState> SessionRegistry::Describe(const std::string& id) {
  std::unique_lock lock(mutex_);
  Entry* const entry = Await(id, &lock);
  if (entry == nullptr) return SessionNotFound(id);
  if (entry->open) {
    const AnySession session = *entry->open;
    lock.unlock();
    return std::visit([](const auto& typed) { return typed->state(); }, session);
  }
  entry->busy = true;
  lock.unlock();
  absl::StatusOr<SessionState> state = environment_.store->Describe(id);
  lock.lock();
  entry->busy = false;
  freed_.notify_all();
  return state;
}

void SessionRegistry::Visit(const std::string& after, const VisitState& visit) {
  std::string id = after;
  while (true) {
    {
      const std::lock_guard lock(mutex_);
      const auto next = sessions_.upper_bound(id);
      if (next == sessions_.end()) return;
      id = next->first;
    }
    const absl::StatusOr<SessionState> state = Describe(id);
    if (!absl::IsNotFound(state.status()) && !visit(id, state)) return;
  }
}

size_t SessionRegistry::count() const {
  const std::lock_guard lock(mutex_);
  return sessions_.size();
}

size_t SessionRegistry::open_count() const {
  const std::lock_guard lock(mutex_);
  return static_cast<size_t>(
      std::count_if(sessions_.begin(), sessions_.end(), [](const auto& named) { return named.second.open; }));
}

template absl::StatusOr<AnySession> SessionRegistry::Create(SessionDescription, Scalings,
                                                            std::optional<Parameters<float>>, const ChangeRequest&);
template absl::StatusOr<AnySession> SessionRegistry::Create(SessionDescription, Scalings,
                                                            std::optional<Parameters<double>>, const ChangeRequest&);

}  // namespace backprop::server
