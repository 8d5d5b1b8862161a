#include "server/sessions/session.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/error.h"
#include "server/sessions/resource_name.h"

namespace backprop::server {
namespace {

// The answer that `request` gives for a session that is new.
void Respond(const ChangeRequest& request, const SessionState& created, std::optional<RequestAnswer>* answer) {
  if (request.respond) request.respond(created);
  if (!request.id.empty()) *answer = RequestAnswer{request.id, request.hash, request.serialize()};
}

}  // namespace

template <typename Scalar>
int64_t Session<Scalar>::OwnBytes(const SessionDescription& description, const SessionEnvironment& environment) {
  const int64_t vectors = static_cast<int64_t>(environment.kept_versions) + kMaxOnlineVectorCount;
  return BytesOf(description) + description.spec.parameter_count() * vectors * int64_t{sizeof(Scalar)};
}

template <typename Scalar>
auto Session<Scalar>::Create(SessionDescription description, Snapshot<Scalar> snapshot,
                             const SessionEnvironment& environment, const ChangeRequest& request)
    -> absl::StatusOr<std::shared_ptr<Session>> {
  MemoryCharge charge(environment.budget);
  if (absl::Status status = charge.Grow(OwnBytes(description, environment), "the parameters of the session");
      !status.ok()) {
    return status;
  }
  SessionChange<Scalar> first{.time = description.create_time, .description = &description, .snapshots = {&snapshot}};
  std::optional<RequestAnswer> answer;
  Respond(request, {description, snapshot.scalings, snapshot.model_version, first.time, ""}, &answer);
  if (answer) first.answer = &*answer;
  absl::StatusOr<std::unique_ptr<SessionLog<Scalar>>> log = environment.store->Create(description.id, first);
  if (!log.ok()) return log.status();
  std::shared_ptr<Session> session(new Session(std::move(description),
                                               std::make_shared<const Snapshot<Scalar>>(std::move(snapshot)),
                                               *std::move(log), std::move(charge), environment));
  if (answer) session->NoteAnswer(*std::move(answer), 1, MemoryCharge(environment.budget));
  return session;
}

template <typename Scalar>
auto Session<Scalar>::CreateCopy(const std::string& id, const Session& source, const ChangeRequest& request)
    -> absl::StatusOr<std::shared_ptr<Session>> {
  const SessionEnvironment& environment = source.environment_;
  // No change comes between the parameters and the patterns that they have learned from; they are written afterwards.
  std::unique_lock lock(source.commit_mutex_);
  if (absl::Status status = source.CheckOpen(); !status.ok()) return status;
  SessionDescription description = source.state().description;
  description.id = id;
  description.create_time = std::chrono::system_clock::now();
  description.pinned_versions.clear();  // Of the source, which the copy has not.
  const SnapshotPtr latest = source.model_versions_.Latest();
  auto snapshot = std::make_shared<const Snapshot<Scalar>>(
      Snapshot<Scalar>{latest->parameters, latest->scalings, /*model_version=*/0});
  MemoryCharge charge(environment.budget);
  if (absl::Status status = charge.Grow(OwnBytes(description, environment), "the parameters of the session");
      !status.ok()) {
    return status;
  }
  SessionChange<Scalar> first{
      .time = description.create_time, .description = &description, .snapshots = {snapshot.get()}};
  std::deque<PatternSequence<Scalar>> sequences;  // Where the change's pointers find them.
  for (const PatternSetDescription& set : source.pattern_sets_.List()) {
    first.new_sets.push_back({.key = set.key, .id = set.id});
    sequences.push_back(*source.pattern_sets_.Get(set.id));
    first.appends.push_back({.pattern_set_key = set.key, .offset = 0, .patterns = &sequences.back()});
  }
  PatternSets<Scalar> sets(description.spec.input_unit_count(), description.spec.output_unit_count(),
                           environment.budget);
  if (absl::Status status = sets.CopyFrom(source.pattern_sets_, first.time); !status.ok()) return status;
  const int64_t next_set_key = source.next_set_key_;
  lock.unlock();

  std::optional<RequestAnswer> answer;
  Respond(request, {description, snapshot->scalings, 0, first.time, ""}, &answer);
  if (answer) first.answer = &*answer;
  absl::StatusOr<std::unique_ptr<SessionLog<Scalar>>> log = environment.store->Create(id, first);
  if (!log.ok()) return log.status();
  std::shared_ptr<Session> copy(
      new Session(std::move(description), std::move(snapshot), *std::move(log), std::move(charge), environment));
  copy->pattern_sets_.TakeFrom(&sets);
  copy->next_set_key_ = next_set_key;
  if (answer) copy->NoteAnswer(*std::move(answer), 1, MemoryCharge(environment.budget));
  return copy;
}

template <typename Scalar>
Session<Scalar>::Session(SessionDescription description, SnapshotPtr snapshot, std::unique_ptr<SessionLog<Scalar>> log,
                         MemoryCharge charge, const SessionEnvironment& environment)
    : environment_(environment),
      charge_(std::move(charge)),
      log_(std::move(log)),
      kept_versions_{snapshot->model_version},
      model_versions_(snapshot, environment.kept_versions),
      pattern_sets_(description.spec.input_unit_count(), description.spec.output_unit_count(), environment.budget),
      description_(std::move(description)),
      update_time_(description_.create_time) {}

template <typename Scalar>
NetworkSpec Session<Scalar>::spec() const {
  const std::lock_guard lock(mutex_);
  return description_.spec;
}

template <typename Scalar>
SessionState Session<Scalar>::state() const {
  const SnapshotPtr latest = model_versions_.Latest();
  const std::shared_ptr<TrainingRun> active = ActiveRun();
  const std::lock_guard lock(mutex_);
  return {description_, latest->scalings, latest->model_version, update_time_, active ? active->id() : ""};
}

template <typename Scalar>
std::shared_ptr<TrainingRun> Session<Scalar>::ActiveRun() const {
  const std::lock_guard lock(mutex_);
  return runs_.empty() || HasEnded(runs_.front()->status().state) ? nullptr : runs_.front();
}

template <typename Scalar>
void Session<Scalar>::Touch(std::chrono::system_clock::time_point time) {
  const std::lock_guard lock(mutex_);
  update_time_ = time;
}

template <typename Scalar>
absl::Status Session<Scalar>::CheckOpen() const {
  return closed_;
}

template <typename Scalar>
absl::Status Session<Scalar>::CheckNotTraining() const {
  if (absl::Status status = CheckOpen(); !status.ok()) return status;
  const std::shared_ptr<TrainingRun> active = ActiveRun();
  if (active == nullptr) return absl::OkStatus();
  const std::string name = TrainingRunName(state().description.id, active->id());
  return WithMetadata(Error(absl::StatusCode::kFailedPrecondition, "ACTIVE_TRAINING_RUN",
                            absl::StrCat(name, " is training this session; wait for its end or cancel it")),
                      "training_run", name);
}

template <typename Scalar>
void Session<Scalar>::Close(const absl::Status& reason) {
  closing_ = true;
  const std::lock_guard commit(commit_mutex_);
  EndBy(reason);
}

template <typename Scalar>
absl::Status Session<Scalar>::Remove(const absl::Status& reason, const std::function<absl::Status()>& remove) {
  const std::lock_guard commit(commit_mutex_);
  absl::Status removed = remove();
  if (ReasonOf(removed) == "STORAGE_FULL") return removed;
  closing_ = true;
  EndBy(removed.ok() ? reason : removed);  // Of another failure nobody knows whether they are there.
  return removed;
}

template <typename Scalar>
void Session<Scalar>::EndBy(const absl::Status& reason) {
  closes_.notify_all();
  if (closed_.ok()) closed_ = reason;
  if (const std::shared_ptr<TrainingRun> active = ActiveRun()) active->Cancel(reason);
  log_.reset();
}

template <typename Scalar>
void Session<Scalar>::Fail(const absl::Status& reason) {
  if (!environment_.store->durable()) return;  // There is nothing to open anew.
  Close(reason);
  failed_ = true;
}

template class Session<float>;
template class Session<double>;

}  // namespace backprop::server
