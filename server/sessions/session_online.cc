// The part of Session that learns from patterns as they arrive and from gradients of callers.
#include <chrono>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/error.h"
#include "server/sessions/session.h"

namespace backprop::server {
namespace {

absl::Status Diverged(absl::string_view what) {
  return Error(absl::StatusCode::kFailedPrecondition, "DIVERGED",
               absl::StrCat("with ", what,
                            " the log likelihood, the gradient or the parameters would stop being finite; "
                            "nothing was changed: lower options.step_size, limit options.gradient_norm_limit, or scale "
                            "the inputs"));
}

}  // namespace

template <typename Scalar>
OnlineLearner<Scalar> Session<Scalar>::LearnerFor(const TrainingOptions& options) const {
  return learner_ && options == learner_->options() ? *learner_ : OnlineLearner<Scalar>(options);
}

template <typename Scalar>
absl::Status Session<Scalar>::RunOnWorkers(OnlinePass<Scalar>* pass, const StopCheck& given_up,
                                           const TrainingWorkers::Place* place) {
  using Outcome = typename OnlinePass<Scalar>::Outcome;
  TrainingWorkers* const workers = environment_.workers;
  const ParallelFor parallel_for = [workers](int count, const std::function<void(int)>& task) {
    workers->ParallelFor(count, task);
  };
  // A message of many patterns must hold up neither the server's shutdown nor the session's deletion.
  const StopCheck stopped = [&] { return closing_ || workers->stopping() || given_up(); };
  Outcome outcome = Outcome::kBatchDone;
  const absl::Status status = workers->RunSlicesAndWait(
      [&] {
        const Clock::time_point begin = Clock::now();
        do {
          outcome = stopped() ? Outcome::kStopped : pass->Step(parallel_for, stopped);
        } while (outcome == Outcome::kBatchDone && Clock::now() - begin < TrainingWorkers::kSlice);
        return outcome == Outcome::kBatchDone;
      },
      place);
  if (!status.ok()) return status;
  if (outcome == Outcome::kDiverged) return Diverged("these patterns");
  if (outcome == Outcome::kDone) return absl::OkStatus();
  if (workers->stopping()) {
    return Error(absl::StatusCode::kUnavailable, "SHUTTING_DOWN",
                 "the server is shutting down; nothing of this message was learned");
  }
  if (given_up()) return absl::CancelledError("the caller gave up; nothing of this message was learned");
  return absl::OkStatus();  // Closing: the next check finds why.
}

template <typename Scalar>
absl::Status Session<Scalar>::CheckOnline(const AppendTarget& target, const Patterns<Scalar>& patterns,
                                          MemoryCharge* charge) const {
  if (absl::Status status = CheckNotTraining(); !status.ok()) return status;
  return pattern_sets_.Check(target.pattern_set, target.offset, patterns, charge);
}

template <typename Scalar>
absl::StatusOr<OnlineResult<Scalar>> Session<Scalar>::TrainOnline(const AppendTarget& target,
                                                                  const Patterns<Scalar>& patterns,
                                                                  const TrainingOptions& options,
                                                                  const StopCheck& given_up) {
  const absl::StatusOr<TurnQueue::Turn> turn = turns_.Take(given_up);
  if (!turn.ok()) return turn.status();
  const NetworkSpec network = spec();
  MemoryCharge work(environment_.budget);
  const int64_t work_bytes = OnlinePass<Scalar>::WorkspaceBytes(network, options, patterns.count());
  if (absl::Status status = work.Grow(work_bytes, "on-line training"); !status.ok()) return status;
  std::optional<OnlineLearner<Scalar>> learner;
  {
    const std::lock_guard commit(commit_mutex_);
    MemoryCharge charge(environment_.budget);
    if (absl::Status status = CheckOnline(target, patterns, &charge); !status.ok()) return status;
    learner = LearnerFor(options);
  }
  const SnapshotPtr latest = model_versions_.Latest();
  OnlinePass<Scalar> pass(network, latest->scalings, patterns, *std::move(learner), latest->parameters);
  if (absl::Status status = RunOnWorkers(&pass, given_up); !status.ok()) return status;
  OnlineLearner<Scalar> next_learner = pass.learner();
  auto next = std::make_shared<const Snapshot<Scalar>>(
      Snapshot<Scalar>{pass.parameters(), latest->scalings, latest->model_version + 1});

  const std::lock_guard commit(commit_mutex_);
  // Others may have appended to the set meanwhile; the parameters are as they were, for they change with the turn
  // alone.
  MemoryCharge charge(environment_.budget);
  if (absl::Status status = CheckOnline(target, patterns, &charge); !status.ok()) return status;
  SessionChange<Scalar> change = NewChange();
  PatternSequence<Scalar> batch = pattern_sets_.Tail(target.pattern_set);
  batch.Append(patterns);
  AddAppend(target, /*staged_count=*/0, batch, &change);
  const PatternAppend<Scalar>& append = change.appends[0];
  const OnlineStep step{next->model_version, append.pattern_set_key, append.offset, patterns.count(), options};
  // Between checkpoints the patterns alone are kept: what was learned from them can be learned again.
  const Clock::time_point commit_begin = Clock::now();
  const bool checkpoint = CheckpointDue();
  if (checkpoint) {
    change.learner = &next_learner;
    AddVersions(next, &change);
  } else {
    change.online_step = &step;
  }
  if (absl::Status status = Commit(&change); !status.ok()) return status;
  if (checkpoint) NoteCheckpoint(commit_begin);
  Apply([&] {
    pattern_sets_.Append(target.pattern_set, append.pattern_set_key, batch, change.time, std::move(charge));
    model_versions_.Publish(next);
    learner_ = std::move(next_learner);
  });
  return OnlineResult<Scalar>{.outputs = pass.outputs(),
                              .log_likelihood = pass.measures().log_likelihood,
                              .next_offset = append.offset + patterns.count(),
                              .model_version = next->model_version};
}

template <typename Scalar>
absl::StatusOr<int64_t> Session<Scalar>::ApplyGradient(const Parameters<Scalar>& gradient,
                                                       const TrainingOptions& options,
                                                       std::optional<int64_t> expected_model_version,
                                                       const ChangeRequest& request) {
  const absl::StatusOr<TurnQueue::Turn> turn = turns_.Take(request.given_up);
  if (!turn.ok()) return turn.status();
  const SnapshotPtr latest = model_versions_.Latest();
  std::optional<OnlineLearner<Scalar>> learner;
  {
    const std::lock_guard commit(commit_mutex_);
    if (absl::Status status = CheckOpen(); !status.ok()) return status;
    const absl::StatusOr<bool> answered = Recall(request);
    if (!answered.ok()) return answered.status();
    if (*answered) return latest->model_version;
    if (absl::Status status = CheckNotTraining(); !status.ok()) return status;
    learner = LearnerFor(options);
  }
  if (expected_model_version && *expected_model_version != latest->model_version) {
    return WithMetadata(
        Error(absl::StatusCode::kFailedPrecondition, "MODEL_VERSION_MISMATCH",
              absl::StrCat("the model version is ", latest->model_version, ", not the expected ",
                           *expected_model_version, "; compute the gradient again at the latest version")),
        "model_version", latest->model_version);
  }
  // The gradient as it came and as it is changed, the parameters twice, and the optimizer's memory in two learners.
  const int64_t vectors = 4 + 2 * OptimizerVectorCount(options.optimizer);
  MemoryCharge charge(environment_.budget);
  if (absl::Status status = charge.Grow(vectors * latest->parameters.flat().size() * int64_t{sizeof(Scalar)},
                                        absl::StrCat("a step of session ", state().description.id));
      !status.ok()) {
    return status;
  }
  Parameters<Scalar> parameters = latest->parameters;
  bool finite = false;
  if (absl::Status status = environment_.workers->RunAndWait([&] { finite = learner->Apply(gradient, &parameters); });
      !status.ok()) {
    return status;
  }
  if (!finite) return Diverged("this gradient");
  const std::lock_guard commit(commit_mutex_);
  if (absl::Status status = CheckOpen(); !status.ok()) return status;
  const absl::StatusOr<SnapshotPtr> snapshot = Publish(std::move(parameters), latest->scalings, &*learner, request);
  if (!snapshot.ok()) return snapshot.status();
  learner_ = std::move(learner);
  return (*snapshot)->model_version;
}

template class Session<float>;
template class Session<double>;

}  // namespace backprop::server
