#include "server/sessions/training_run_job.h"

#include <new>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/error.h"
#include "server/sessions/session.h"

namespace backprop::server {
namespace {

EpochMeasures MeansOf(const Measures& measures, const NetworkSpec& spec) {
  return {.pattern_count = measures.pattern_count,
          .log_likelihood = measures.log_likelihood,
          .mean_log_likelihood = measures.mean_log_likelihood(),
          .accuracy = measures.accuracy(),
          .mean_squared_error = measures.mean_squared_error(spec.output_unit_count())};
}

absl::Status ShuttingDown() {
  return Error(absl::StatusCode::kUnavailable, "SHUTTING_DOWN", "the server was shut down during the training run");
}

}  // namespace

template <typename Scalar>
TrainingRunJob<Scalar>::TrainingRunJob(std::shared_ptr<Session<Scalar>> session, std::shared_ptr<TrainingRun> run,
                                       TrainingTask<Scalar> task, TrainerState<Scalar> state, MemoryCharge charge,
                                       TrainingWorkers* workers)
    : session_(std::move(session)),
      run_(std::move(run)),
      spec_(task.spec),
      charge_(std::move(charge)),
      workers_(workers),
      trainer_(std::in_place, std::move(task), std::move(state)) {}

template <typename Scalar>
TrainingRunJob<Scalar>::~TrainingRunJob() {
  trainer_.reset();
  charge_.reset();
  run_->End(end_state_, std::move(end_error_), end_time_);
}

template <typename Scalar>
bool TrainingRunJob<Scalar>::RunSlice() {
  const Clock::time_point slice_start = Clock::now();
  try {
    if (!std::exchange(started_, true)) {
      run_->Start();
      // A run that goes on after a restart of the server counts from its first start.
      start_ = slice_start - std::chrono::duration_cast<Clock::duration>(std::chrono::system_clock::now() -
                                                                         *run_->status().start_time);
      if (trainer_->finished()) return EndRun();
    }
    bool more = true;
    while (more && Clock::now() - slice_start < TrainingWorkers::kSlice) more = Step();
    if (!more || !session_->CheckpointDue()) return more;
    const absl::Status status =
        session_->KeepRun(*run_, &trainer_->state(), RunState::kRunning, absl::OkStatus()).status();
    // On a full disk the run goes on, to be kept when there is room again.
    return status.ok() || absl::IsResourceExhausted(status) || Fail(status);
  } catch (const std::bad_alloc&) {
    // The budget should have refused; a worker must live on all the same.
    return Fail(
        Error(absl::StatusCode::kResourceExhausted, "MEMORY_LIMIT", "the server ran out of memory in training"));
  }
}

template <typename Scalar>
bool TrainingRunJob<Scalar>::Step() {
  const Clock::time_point begin = Clock::now();
  const ParallelFor parallel_for = [this](int count, const std::function<void(int)>& task) {
    workers_->ParallelFor(count, task);
  };
  const StopCheck stopped = [this] { return run_->cancel_requested() || workers_->stopping(); };
  using Outcome = typename Trainer<Scalar>::Outcome;
  const Outcome outcome = trainer_->Step(parallel_for, stopped);
  switch (outcome) {
    case Outcome::kBatchDone:
    case Outcome::kEpochTrained:
      epoch_training_time_ += Clock::now() - begin;
      return true;
    case Outcome::kEpochDone:
      return EndEpoch();
    case Outcome::kStopped:
      Abandon();
      return false;
    case Outcome::kDiverged:
      return Fail(Error(absl::StatusCode::kFailedPrecondition, "DIVERGED",
                        absl::StrCat("in epoch ", trainer_->epoch(),
                                     " the log likelihood, the gradient or the parameters stopped being finite; the "
                                     "parameters of the epoch before stay published: lower options.step_size, set "
                                     "options.gradient_norm_limit, or scale the inputs (FitScaling)")));
  }
  return false;
}

template <typename Scalar>
bool TrainingRunJob<Scalar>::EndEpoch() {
  const absl::StatusOr<int64_t> version = session_->PublishFromRun(trainer_->parameters(), trainer_->last_epoch().best);
  if (!version.ok()) return Fail(version.status());
  if (absl::Status status = run_->AddReport(Report(*version)); !status.ok()) return Fail(std::move(status));
  epoch_training_time_ = {};
  return !trainer_->finished() || EndRun();
}

template <typename Scalar>
bool TrainingRunJob<Scalar>::EndRun() {
  const TrainerState<Scalar>& state = trainer_->state();
  if (state.best_parameters && state.stopping.best_epoch != state.epoch - 1) {
    const absl::StatusOr<int64_t> best = session_->PublishFromRun(*state.best_parameters);
    if (!best.ok()) return Fail(best.status());
  }
  return Finish(RunState::kSucceeded, absl::OkStatus());
}

template <typename Scalar>
EpochReport TrainingRunJob<Scalar>::Report(int64_t model_version) const {
  const EpochResult& result = trainer_->last_epoch();
  const std::chrono::duration<double> elapsed = Clock::now() - start_;
  const double seconds = std::chrono::duration<double>(epoch_training_time_).count();
  const double epochs_left = static_cast<double>(run_->request().epoch_count - result.epoch);
  EpochReport report{
      .epoch = result.epoch,
      .training = MeansOf(result.training, spec_),
      .validation = std::nullopt,
      .gradient_norm = result.gradient_norm,
      .step_size = result.step_size,
      .best = result.best,
      .model_version = model_version,
      .patterns_per_second = seconds > 0 ? static_cast<double>(result.training.pattern_count) / seconds : 0,
      .elapsed = elapsed,
      .estimated_remaining = elapsed / static_cast<double>(result.epoch) * epochs_left};
  if (result.validation) report.validation = MeansOf(*result.validation, spec_);
  return report;
}

template <typename Scalar>
bool TrainingRunJob<Scalar>::Fail(absl::Status error) {
  // A session that was deleted refuses to publish: then the run was cancelled, it did not fail.
  if (run_->cancel_requested()) return Finish(RunState::kCancelled, run_->cancellation());
  return Finish(RunState::kFailed, std::move(error));
}

template <typename Scalar>
bool TrainingRunJob<Scalar>::Finish(RunState state, absl::Status error) {
  absl::StatusOr<TrainingRun::Time> kept;
  try {
    kept = session_->KeepRun(*run_, nullptr, state, error);
  } catch (const std::bad_alloc&) {
    kept = Error(absl::StatusCode::kResourceExhausted, "MEMORY_LIMIT", "the server ran out of memory in training");
  }
  if (kept.ok()) return EndWith(state, std::move(error), *kept);
  // Unkept, it has not ended: the session, opened anew, takes it up at its last checkpoint.
  session_->Fail(kept.status());
  return EndWith(RunState::kCancelled, kept.status(), std::chrono::system_clock::now());
}

template <typename Scalar>
bool TrainingRunJob<Scalar>::EndWith(RunState state, absl::Status error, TrainingRun::Time time) {
  end_state_ = state;
  end_error_ = std::move(error);
  end_time_ = time;
  return false;
}

template <typename Scalar>
void TrainingRunJob<Scalar>::Abandon() {
  if (run_->cancel_requested()) {
    Finish(RunState::kCancelled, run_->cancellation());
    return;
  }
  // What fails here is done again from the checkpoint before.
  session_->KeepRun(*run_, &trainer_->state(), run_->status().state, absl::OkStatus()).status().IgnoreError();
  EndWith(RunState::kCancelled, ShuttingDown(), std::chrono::system_clock::now());
}

template class TrainingRunJob<float>;
template class TrainingRunJob<double>;

}  // namespace backprop::server
