// The part of Session that makes it again from what a store has kept.
#include <map>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/error.h"
#include "server/sessions/session.h"

namespace backprop::server {

template <typename Scalar>
auto Session<Scalar>::Open(OpenedSession<Scalar> opened, const SessionEnvironment& environment)
    -> absl::StatusOr<std::shared_ptr<Session>> {
  KeptSession<Scalar>& kept = opened.kept;
  MemoryCharge charge(environment.budget);
  if (absl::Status status = charge.Grow(OwnBytes(kept.description, environment), "the parameters of the session");
      !status.ok()) {
    return status;
  }
  std::shared_ptr<Session> session(
      new Session(kept.description, std::make_shared<const Snapshot<Scalar>>(std::move(kept.snapshots.front())),
                  std::move(opened.log), std::move(charge), environment));
  const std::lock_guard commit(session->commit_mutex_);
  // All of them, until it is known which of them are held; and those that are pinned of what is learned again.
  std::vector<int64_t> held = kept.description.pinned_versions;
  held.push_back(session->model_versions_.Latest()->model_version);
  session->model_versions_.Hold(held);
  for (size_t i = 1; i < kept.snapshots.size(); ++i) {
    session->kept_versions_.push_back(kept.snapshots[i].model_version);
    held.push_back(kept.snapshots[i].model_version);
    session->model_versions_.Hold(held);
    session->model_versions_.Publish(std::make_shared<const Snapshot<Scalar>>(std::move(kept.snapshots[i])));
  }
  const size_t held_count = kept.description.pinned_versions.size() + kept.runs.size();
  absl::StatusOr<MemoryCharge> held_charge = session->ChargeForHeld(held_count);
  if (!held_charge.ok()) return held_charge.status();
  session->NoteHeld(held_count, *std::move(held_charge));
  session->learner_ = std::move(kept.learner);
  for (RequestAnswer& answer : kept.answers) {
    MemoryCharge answer_charge(environment.budget);
    const auto bytes = static_cast<int64_t>(answer.answer.size());
    if (absl::Status status = answer_charge.Grow(bytes, "the session's answers"); !status.ok()) return status;
    session->NoteAnswer(std::move(answer), kMaxKeptAnswers, std::move(answer_charge));
  }
  const auto sequences = session->RestorePatterns(kept);
  if (!sequences.ok()) return sequences.status();
  if (absl::Status status = session->ReplayOnline(kept, *sequences); !status.ok()) return status;
  session->Touch(kept.update_time);
  if (absl::Status status = session->RestoreRuns(std::move(kept), *sequences); !status.ok()) return status;
  session->model_versions_.Hold(session->HeldVersions());
  return session;
}

template <typename Scalar>
absl::StatusOr<std::map<int64_t, PatternSequence<Scalar>>> Session<Scalar>::RestorePatterns(
    const KeptSession<Scalar>& kept) {
  const NetworkSpec network = spec();
  std::map<int64_t, PatternSequence<Scalar>> sequences;
  std::map<int64_t, MemoryCharge> charges;
  for (const KeptPatternSet& set : kept.pattern_sets) {
    PatternSequence<Scalar> sequence(network.input_unit_count(), network.output_unit_count());
    MemoryCharge charge(environment_.budget);
    const std::string purpose = absl::StrCat("the patterns of set `", set.id, "`");
    if (absl::Status status = charge.Grow(set.pattern_count * sequence.bytes_per_pattern(), purpose); !status.ok()) {
      return status;
    }
    sequences.emplace(set.key, std::move(sequence));
    charges.emplace(set.key, std::move(charge));
    next_set_key_ = std::max(next_set_key_, set.key + 1);
  }
  const absl::Status read = log_->ReadPatterns([&](int64_t key, const Patterns<Scalar>& patterns) {
    sequences.at(key).Append(patterns);
    return absl::OkStatus();
  });
  if (!read.ok()) return read;
  for (const KeptPatternSet& set : kept.pattern_sets) {
    MemoryCharge charge = std::move(charges.at(set.key));
    PatternSequence<Scalar>& sequence = sequences.at(set.key);
    if (set.id.empty()) {
      // Only the run that trains on it holds it, and its memory.
      hidden_sets_.push_back(set.key);
      sequence.set_lease(std::make_shared<MemoryCharge>(std::move(charge)));
    } else {
      pattern_sets_.Restore({.key = set.key, .id = set.id, .update_time = set.update_time}, sequence,
                            std::move(charge));
    }
  }
  return sequences;
}

template <typename Scalar>
absl::Status Session<Scalar>::ReplayOnline(const KeptSession<Scalar>& kept,
                                           const std::map<int64_t, PatternSequence<Scalar>>& sequences) {
  const TrainingWorkers::Place accepted;
  for (const OnlineStep& step : kept.online_steps) {
    const SnapshotPtr latest = model_versions_.Latest();
    const Patterns<Scalar> patterns = sequences.at(step.pattern_set_key).Slice(step.offset, step.pattern_count);
    OnlinePass<Scalar> pass(spec(), latest->scalings, patterns, LearnerFor(step.options), latest->parameters);
    // It was acknowledged: a full queue must not keep it.
    if (absl::Status status = RunOnWorkers(&pass, NeverStop, &accepted); !status.ok()) return status;
    model_versions_.Publish(std::make_shared<const Snapshot<Scalar>>(
        Snapshot<Scalar>{pass.parameters(), latest->scalings, step.model_version}));
    learner_ = pass.learner();
    learner_kept_ = false;
  }
  return absl::OkStatus();
}

template <typename Scalar>
absl::Status Session<Scalar>::RestoreRuns(KeptSession<Scalar> kept,
                                          const std::map<int64_t, PatternSequence<Scalar>>& sequences) {
  for (auto& [run, reports] : kept.runs) {
    TrainingRun::Status status;
    // An unfinished one waits in the queue again.
    status.state = HasEnded(run.state) ? run.state : RunState::kQueued;
    status.error = run.error;
    status.create_time = run.create_time;
    status.start_time = run.start_time;
    status.end_time = run.end_time;
    auto restored = TrainingRun::Restore(run.number, run.request, std::move(status), reports, environment_.budget);
    if (!restored.ok()) return restored.status();
    next_run_number_ = run.number + 1;
    if (HasEnded(run.state)) {
      const std::lock_guard lock(mutex_);
      runs_.push_front(*std::move(restored));
      continue;
    }
    std::optional<PatternSequence<Scalar>> validation;
    if (run.validation_set_key != 0) validation = sequences.at(run.validation_set_key).Prefix(run.validation_count);
    TrainingTask<Scalar> task =
        TaskOf(run.request, sequences.at(run.pattern_set_key).Prefix(run.pattern_count), std::move(validation));
    absl::StatusOr<MemoryCharge> charge = ChargeForTraining(task);
    if (!charge.ok()) return charge.status();
    TrainerState<Scalar> state = kept.checkpoint
                                     ? *std::move(kept.checkpoint)
                                     : TrainerState<Scalar>{.parameters = model_versions_.Latest()->parameters};
    active_run_ = run;
    kept_report_count_ = std::ssize(reports);
    absl::Status submitted =
        Submit(*restored, std::move(task), std::move(state), *std::move(charge), /*place=*/nullptr);
    if (!submitted.ok()) return submitted;
  }
  return absl::OkStatus();
}

template class Session<float>;
template class Session<double>;

}  // namespace backprop::server
