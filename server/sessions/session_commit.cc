// The part of Session that keeps changes in the store, once for every request.
#include <algorithm>
#include <limits>
#include <memory>
#include <new>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "core/error.h"
#include "server/sessions/resource_name.h"
#include "server/sessions/session.h"

namespace backprop::server {

template <typename Scalar>
absl::StatusOr<bool> Session<Scalar>::Recall(const ChangeRequest& request) const {
  if (request.id.empty()) return false;
  for (const auto& [answer, charge] : answers_) {
    if (answer.request_id != request.id) continue;
    if (answer.request_hash != request.hash) {
      return InvalidField("request_id", "was used for another request before; choose a new id for each request");
    }
    request.recall(answer.answer);
    return true;
  }
  return false;
}

template <typename Scalar>
absl::StatusOr<bool> Session<Scalar>::WasAnswered(const ChangeRequest& request) const {
  const std::lock_guard commit(commit_mutex_);
  return Recall(request);
}

template <typename Scalar>
SessionChange<Scalar> Session<Scalar>::NewChange() {
  return {.time = std::chrono::system_clock::now()};
}

template <typename Scalar>
void Session<Scalar>::AddVersions(const SnapshotPtr& next, SessionChange<Scalar>* change) const {
  const std::vector<SnapshotPtr> list = model_versions_.List(next);
  for (const SnapshotPtr& snapshot : list) {
    const bool kept =
        std::find(kept_versions_.begin(), kept_versions_.end(), snapshot->model_version) != kept_versions_.end();
    if (!kept || snapshot == next) change->snapshots.push_back(snapshot.get());
  }
  for (const int64_t version : kept_versions_) {
    const auto has_version = [version](const SnapshotPtr& snapshot) { return snapshot->model_version == version; };
    if (std::none_of(list.begin(), list.end(), has_version)) change->dropped_versions.push_back(version);
  }
  if (learner_ && !learner_kept_ && change->learner == nullptr) change->learner = &*learner_;
}

template <typename Scalar>
SessionState Session<Scalar>::StateAfter(const SessionChange<Scalar>& change) const {
  SessionState after = state();
  after.update_time = change.time;
  if (change.description != nullptr) after.description = *change.description;
  if (!change.snapshots.empty()) {
    after.scalings = change.snapshots.back()->scalings;
    after.model_version = change.snapshots.back()->model_version;
  }
  if (change.run != nullptr) after.active_training_run = absl::StrCat("run-", change.run->number);
  return after;
}

template <typename Scalar>
void Session<Scalar>::ReportStorage(const absl::Status& status) {
  if (storage_fails_ != status.ok()) return;
  storage_fails_ = !status.ok();
  if (environment_.report_storage) environment_.report_storage(state().description.id, status);
}

template <typename Scalar>
absl::Status Session<Scalar>::Commit(SessionChange<Scalar>* change, const ChangeRequest& request) {
  RequestAnswer answer;
  MemoryCharge charge(environment_.budget);
  if (request.respond) request.respond(StateAfter(*change));
  if (!request.id.empty()) {
    answer = {request.id, request.hash, request.serialize()};
    const auto bytes = static_cast<int64_t>(answer.answer.size());
    if (absl::Status status = charge.Grow(bytes, "the answer to the request"); !status.ok()) return status;
    change->answer = &answer;
    change->kept_answers = KeptAnswersWith(bytes);
  }
  absl::Status status = log_->Commit(*change);
  ReportStorage(status);
  if (!status.ok()) {
    if (absl::IsResourceExhausted(status)) return status;
    // Nobody knows what the store holds: it must be read again before anything else is said.
    closed_ = status;
    failed_ = true;
    if (const std::shared_ptr<TrainingRun> active = ActiveRun()) active->Cancel(status);
    return status;
  }
  for (const Snapshot<Scalar>* snapshot : change->snapshots) {
    std::erase(kept_versions_, snapshot->model_version);
    kept_versions_.push_back(snapshot->model_version);
  }
  for (const int64_t version : change->dropped_versions) std::erase(kept_versions_, version);
  if (change->learner != nullptr) learner_kept_ = true;
  if (change->online_step != nullptr) learner_kept_ = false;
  if (change->answer != nullptr) NoteAnswer(std::move(answer), change->kept_answers, std::move(charge));
  Touch(change->time);
  return absl::OkStatus();
}

template <typename Scalar>
void Session<Scalar>::Apply(const std::function<void()>& effect) {
  try {
    effect();
  } catch (const std::bad_alloc&) {
    closed_ = Error(absl::StatusCode::kUnavailable, "MEMORY_LIMIT",
                    "the server ran out of memory; the session is opened anew from what was kept");
    failed_ = environment_.store->durable();
    throw;
  }
}

template <typename Scalar>
int64_t Session<Scalar>::KeptAnswersWith(int64_t bytes) const {
  int64_t count = 1;
  for (auto i = answers_.rbegin(); i != answers_.rend() && count < kMaxKeptAnswers; ++i, ++count) {
    bytes += static_cast<int64_t>(i->answer.answer.size());
    if (bytes > kMaxKeptAnswerBytes) break;
  }
  return count;
}

template <typename Scalar>
void Session<Scalar>::NoteAnswer(RequestAnswer answer, int64_t kept_answers, MemoryCharge charge) {
  answers_.push_back({std::move(answer), std::move(charge)});
  while (std::ssize(answers_) > kept_answers) answers_.pop_front();
}

template <typename Scalar>
absl::Status Session<Scalar>::KeepAnswer(const ChangeRequest& request) {
  const std::lock_guard commit(commit_mutex_);
  if (absl::Status status = CheckOpen(); !status.ok()) return status;
  const absl::StatusOr<bool> answered = Recall(request);
  if (!answered.ok() || *answered) return answered.status();
  SessionChange<Scalar> change = NewChange();
  return Commit(&change, request);
}

template <typename Scalar>
absl::Status Session<Scalar>::Export(const std::string& path, const StopCheck& given_up) {
  const std::lock_guard one_at_a_time(export_mutex_);
  if (absl::Status status = CopyTo(path, given_up); !status.ok()) return status;
  return environment_.store->FinishCopy(path, given_up);
}

template <typename Scalar>
absl::Status Session<Scalar>::CopyTo(const std::string& path, const StopCheck& given_up) {
  std::unique_lock commit(commit_mutex_);
  if (absl::Status status = CheckOpen(); !status.ok()) return status;
  if (absl::Status status = log_->BeginCopy(path); !status.ok()) return status;
  const absl::Cleanup end = [this] {  // Also of one that is given up: its file would live on, and be written to.
    if (log_ != nullptr) log_->EndCopy();
  };
  // As long as it kept them from it others have the log: training and its callers go on during a long copy. For less
  // where half of the parts or more bring it no nearer to the end, as others add so fast, so that it comes there.
  double share = 1;
  for (int64_t least_left = std::numeric_limits<int64_t>::max();;) {
    const Clock::time_point begin = Clock::now();
    const absl::StatusOr<int64_t> left = log_->CopyPart();
    if (!left.ok()) return left.status();
    if (*left == 0) return absl::OkStatus();
    share = *left < least_left ? std::min(1.0, 2 * share) : share / 2;
    least_left = std::min(least_left, *left);
    closes_.wait_for(commit, share * (Clock::now() - begin), [this] { return closing_.load(); });
    if (absl::Status status = CheckOpen(); !status.ok()) return status;
    if (given_up()) return absl::CancelledError("the copy was given up");
  }
}

template <typename Scalar>
void Session<Scalar>::NoteCheckpoint(Clock::time_point begin) {
  const Clock::time_point end = Clock::now();
  const auto rest = std::chrono::duration_cast<Clock::duration>((end - begin) / kCheckpointShare);
  next_checkpoint_ = end + std::max<Clock::duration>(environment_.checkpoint_interval, rest);
}

template <typename Scalar>
bool Session<Scalar>::CheckpointDue() const {
  return Clock::now() >= next_checkpoint_.load();
}

template class Session<float>;
template class Session<double>;

}  // namespace backprop::server
