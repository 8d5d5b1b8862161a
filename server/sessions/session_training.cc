// The part of Session that has to do with training runs.
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/error.h"
#include "server/sessions/session.h"
#include "server/sessions/training_run_job.h"

namespace backprop::server {

template <typename Scalar>
TrainingTask<Scalar> Session<Scalar>::TaskOf(const TrainingRunRequest& request, PatternSequence<Scalar> patterns,
                                             std::optional<PatternSequence<Scalar>> validation) const {
  return {.spec = spec(),
          .scalings = model_versions_.Latest()->scalings,
          .options = request.options,
          .epoch_count = request.epoch_count,
          .patterns = std::move(patterns),
          .validation = std::move(validation)};
}

template <typename Scalar>
absl::StatusOr<MemoryCharge> Session<Scalar>::ChargeForTraining(const TrainingTask<Scalar>& task) const {
  MemoryCharge charge(environment_.budget);
  const int64_t bytes = Trainer<Scalar>::WorkspaceBytes(task.spec, task.options, task.patterns.count());
  if (absl::Status status = charge.Grow(bytes, "training"); !status.ok()) return status;
  return charge;
}

template <typename Scalar>
absl::Status Session<Scalar>::Submit(const std::shared_ptr<TrainingRun>& run, TrainingTask<Scalar> task,
                                     TrainerState<Scalar> state, MemoryCharge charge, TrainingWorkers::Place place) {
  auto job = std::make_shared<TrainingRunJob<Scalar>>(this->shared_from_this(), run, std::move(task), std::move(state),
                                                      std::move(charge), environment_.workers);
  run->SetQueuePosition([workers = environment_.workers, job = std::weak_ptr<TrainingJob>(job)] {
    const auto alive = job.lock();
    return alive ? workers->QueuePosition(alive.get()) : 0;
  });
  {
    // Before it is submitted, so that whoever sees a report finds the run.
    const std::lock_guard lock(mutex_);
    runs_.push_front(run);
    if (runs_.size() > kMaxTrainingRuns) runs_.pop_back();
  }
  return environment_.workers->Submit(std::move(job), std::move(place));
}

template <typename Scalar>
absl::StatusOr<std::shared_ptr<TrainingRun>> Session<Scalar>::StartTrainingRun(TrainingRunRequest request,
                                                                               const ChangeRequest& change_request) {
  const absl::StatusOr<TurnQueue::Turn> turn = turns_.Take(change_request.given_up);
  if (!turn.ok()) return turn.status();
  const std::lock_guard commit(commit_mutex_);
  if (absl::Status status = CheckOpen(); !status.ok()) return status;
  const absl::StatusOr<bool> answered = Recall(change_request);
  if (!answered.ok()) return answered.status();
  if (*answered) return nullptr;
  if (absl::Status status = CheckNotTraining(); !status.ok()) return status;
  const absl::StatusOr<PatternSequence<Scalar>> patterns = pattern_sets_.Get(request.pattern_set);
  if (!patterns.ok()) return patterns.status();
  KeptTrainingRun kept{.number = next_run_number_,
                       .request = request,
                       .pattern_set_key = pattern_sets_.KeyOf(request.pattern_set),
                       .pattern_count = patterns->count()};
  std::optional<PatternSequence<Scalar>> validation;
  if (!request.validation_pattern_set.empty()) {
    absl::StatusOr<PatternSequence<Scalar>> found = pattern_sets_.Get(request.validation_pattern_set);
    if (!found.ok()) return found.status();
    kept.validation_set_key = pattern_sets_.KeyOf(request.validation_pattern_set);
    kept.validation_count = found->count();
    validation = *std::move(found);
  }
  // All that may be refused comes before the commit.
  TrainingTask<Scalar> task = TaskOf(request, *patterns, std::move(validation));
  absl::StatusOr<MemoryCharge> charge = ChargeForTraining(task);
  if (!charge.ok()) return charge.status();
  const size_t held_count = state().description.pinned_versions.size() + std::min(RunCount() + 1, kMaxTrainingRuns);
  absl::StatusOr<MemoryCharge> held_charge = ChargeForHeld(held_count);
  if (!held_charge.ok()) return held_charge.status();
  absl::StatusOr<TrainingWorkers::Place> place = environment_.workers->TakePlace();
  if (!place.ok()) return place.status();
  const auto run = std::make_shared<TrainingRun>(next_run_number_, std::move(request), environment_.budget);
  kept.create_time = run->status().create_time;
  SessionChange<Scalar> change = NewChange();
  change.run = &kept;
  change.erased_sets = hidden_sets_;  // Those of the run before.
  AddVersions(nullptr, &change);
  {
    const std::lock_guard lock(mutex_);
    if (runs_.size() == kMaxTrainingRuns) change.dropped_runs.push_back(runs_.back()->number());
  }
  const Clock::time_point begin = Clock::now();
  if (absl::Status status = Commit(&change, change_request); !status.ok()) return status;
  NoteCheckpoint(begin);  // It stands at its beginning.
  ++next_run_number_;
  NoteHeld(held_count, *std::move(held_charge));
  active_run_ = std::move(kept);
  kept_report_count_ = 0;
  best_of_run_ = 0;
  hidden_sets_.clear();
  TrainerState<Scalar> state{.parameters = model_versions_.Latest()->parameters};
  if (absl::Status status = Submit(run, std::move(task), std::move(state), *std::move(charge), *std::move(place));
      !status.ok()) {
    return status;
  }
  return run;
}

template <typename Scalar>
absl::StatusOr<std::shared_ptr<TrainingRun>> Session<Scalar>::GetTrainingRun(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  for (const auto& run : runs_) {
    if (run->id() == id) return run;
  }
  return Error(
      absl::StatusCode::kNotFound, "TRAINING_RUN_NOT_FOUND",
      absl::StrCat("there is no training run `", id, "` in this session; the newest ", kMaxTrainingRuns, " are kept"));
}

template <typename Scalar>
std::vector<std::shared_ptr<TrainingRun>> Session<Scalar>::ListTrainingRuns() const {
  const std::lock_guard lock(mutex_);
  return {runs_.begin(), runs_.end()};
}

template <typename Scalar>
absl::StatusOr<int64_t> Session<Scalar>::PublishFromRun(const Parameters<Scalar>& parameters, bool best) {
  const std::lock_guard commit(commit_mutex_);
  if (absl::Status status = CheckOpen(); !status.ok()) return status;
  const SnapshotPtr latest = model_versions_.Latest();
  auto snapshot = std::make_shared<const Snapshot<Scalar>>(
      Snapshot<Scalar>{parameters, latest->scalings, latest->model_version + 1});
  model_versions_.Publish(snapshot);
  if (best) {
    best_of_run_ = snapshot->model_version;
    model_versions_.Hold(HeldVersions());
  }
  Touch(std::chrono::system_clock::now());
  return snapshot->model_version;
}

template <typename Scalar>
absl::StatusOr<TrainingRun::Time> Session<Scalar>::KeepRun(const TrainingRun& run,
                                                           const TrainerState<Scalar>* checkpoint, RunState state,
                                                           const absl::Status& error) {
  const std::lock_guard commit(commit_mutex_);
  if (absl::Status status = CheckOpen(); !status.ok()) return status;
  const Clock::time_point begin = Clock::now();
  KeptTrainingRun kept = active_run_;
  SessionChange<Scalar> change = NewChange();
  kept.state = state;
  kept.error = error;
  kept.start_time = run.status().start_time;
  if (HasEnded(state)) {
    kept.end_time = change.time;
    change.erased_sets = hidden_sets_;
  }
  change.run = &kept;
  change.reports = run.ReportsAfter(kept_report_count_);
  change.checkpoint = checkpoint;
  AddVersions(nullptr, &change);
  const absl::Status status = Commit(&change);
  // A full disk must not be tried at every slice.
  if (status.ok() || absl::IsResourceExhausted(status)) NoteCheckpoint(begin);
  if (!status.ok()) return status;
  active_run_ = std::move(kept);
  kept_report_count_ += std::ssize(change.reports);
  if (HasEnded(state)) hidden_sets_.clear();
  return change.time;
}

template class Session<float>;
template class Session<double>;

}  // namespace backprop::server
