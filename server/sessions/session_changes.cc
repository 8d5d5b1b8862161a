// The part of Session that callers change by hand: description, scalings, parameters.
#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/error.h"
#include "server/sessions/session.h"

namespace backprop::server {

template <typename Scalar>
absl::Status Session<Scalar>::PutScalings(const Scalings& scalings, const SessionDescription& description,
                                          const ChangeRequest& request) {
  const SnapshotPtr latest = model_versions_.Latest();
  SessionChange<Scalar> change = NewChange();
  change.description = &description;
  SnapshotPtr snapshot;
  if (scalings != latest->scalings) {
    if (absl::Status status = CheckNotTraining(); !status.ok()) return status;
    // Not a new version: the parameters are the same. Older versions keep the scalings they were trained with.
    snapshot =
        std::make_shared<const Snapshot<Scalar>>(Snapshot<Scalar>{latest->parameters, scalings, latest->model_version});
    AddVersions(snapshot, &change);
  }
  if (absl::Status status = Commit(&change, request); !status.ok()) return status;
  if (snapshot != nullptr) model_versions_.Publish(std::move(snapshot));
  const std::lock_guard lock(mutex_);
  description_ = description;
  return absl::OkStatus();
}

template <typename Scalar>
absl::Status Session<Scalar>::Update(const SessionUpdate& update, const ChangeRequest& request) {
  absl::StatusOr<TurnQueue::Turn> turn = TurnQueue::Turn();
  if (update.input_scaling || update.target_scaling) turn = turns_.Take(request.given_up);
  if (!turn.ok()) return turn.status();
  const std::lock_guard commit(commit_mutex_);
  if (absl::Status status = CheckOpen(); !status.ok()) return status;
  if (const auto answered = Recall(request); !answered.ok() || *answered) return answered.status();
  const SessionState now = state();
  SessionDescription description = now.description;
  Scalings scalings = now.scalings;
  Violations violations;
  if (update.labels) {
    violations.AddAll("session", Validate(*update.labels));
    description.labels = *update.labels;
  }
  if (update.output_names) {
    NetworkSpec::Fields fields = description.spec.fields();
    if (!fields.output_names.empty() && fields.output_names != *update.output_names) {
      return Error(
          absl::StatusCode::kFailedPrecondition, "OUTPUT_NAMES_SET",
          absl::StrCat("the output units have names already, ", absl::StrJoin(fields.output_names, ", ").substr(0, 300),
                       "; patterns were stored by them, so other names need a new session"));
    }
    fields.output_names = *update.output_names;
    absl::StatusOr<NetworkSpec> spec = NetworkSpec::Create(std::move(fields));
    violations.AddAll("session.network", spec.status());
    if (spec.ok()) description.spec = *std::move(spec);
  }
  if (update.input_scaling) scalings.input = *update.input_scaling;
  if (update.target_scaling) scalings.target = *update.target_scaling;
  violations.AddAll("session", Validate(scalings, description.spec));
  if (update.pinned_versions) {
    description.pinned_versions = *update.pinned_versions;
    if (description.pinned_versions.size() > kMaxPinnedVersions) {
      violations.Add("session.pinned_model_versions", absl::StrCat("must be at most ", kMaxPinnedVersions, ", but are ",
                                                                   description.pinned_versions.size()));
    }
  }
  if (!violations.empty()) return violations.ToStatus();
  for (const int64_t version : description.pinned_versions) {
    if (absl::Status status = model_versions_.Get(version).status(); !status.ok()) return status;
  }
  const size_t held_count = description.pinned_versions.size() + RunCount();
  absl::StatusOr<MemoryCharge> held_charge = ChargeForHeld(held_count);
  if (!held_charge.ok()) return held_charge.status();
  MemoryCharge charge(environment_.budget);
  const int64_t growth = std::max<int64_t>(BytesOf(description) - BytesOf(now.description), 0);
  if (absl::Status status = charge.Grow(growth, "the session's description"); !status.ok()) return status;
  if (absl::Status status = PutScalings(scalings, description, request); !status.ok()) return status;
  charge_.Absorb(std::move(charge));
  NoteHeld(held_count, *std::move(held_charge));
  model_versions_.Hold(HeldVersions());
  return absl::OkStatus();
}

template <typename Scalar>
size_t Session<Scalar>::RunCount() const {
  const std::lock_guard lock(mutex_);
  return runs_.size();
}

template <typename Scalar>
std::vector<int64_t> Session<Scalar>::HeldVersions() const {
  const std::lock_guard lock(mutex_);
  std::vector<int64_t> held = description_.pinned_versions;
  for (const auto& run : runs_) {
    if (const auto best = run->status().best_report) held.push_back(best->model_version);
  }
  if (best_of_run_ != 0) held.push_back(best_of_run_);
  return held;
}

template <typename Scalar>
absl::StatusOr<MemoryCharge> Session<Scalar>::ChargeForHeld(size_t count) const {
  MemoryCharge charge(environment_.budget);
  const auto more = static_cast<int64_t>(count - std::min(count, held_charge_count_));
  const int64_t bytes = more * spec().parameter_count() * int64_t{sizeof(Scalar)};
  if (absl::Status status = charge.Grow(bytes, "model versions that are pinned or best"); !status.ok()) return status;
  return charge;
}

template <typename Scalar>
void Session<Scalar>::NoteHeld(size_t count, MemoryCharge charge) {
  charge_.Absorb(std::move(charge));
  held_charge_count_ = std::max(held_charge_count_, count);
}

template <typename Scalar>
absl::Status Session<Scalar>::FitScaling(const std::string& pattern_set, ScalingMethod method,
                                         const ChangeRequest& request) {
  const absl::StatusOr<TurnQueue::Turn> turn = turns_.Take(request.given_up);
  if (!turn.ok()) return turn.status();
  const std::lock_guard commit(commit_mutex_);
  if (absl::Status status = CheckOpen(); !status.ok()) return status;
  if (const auto answered = Recall(request); !answered.ok() || *answered) return answered.status();
  if (absl::Status status = CheckNotTraining(); !status.ok()) return status;
  const absl::StatusOr<PatternSequence<Scalar>> patterns = pattern_sets_.Get(pattern_set);
  if (!patterns.ok()) return patterns.status();
  const SessionDescription description = state().description;
  return PutScalings(FitScalings(description.spec, *patterns, method), description, request);
}

template <typename Scalar>
auto Session<Scalar>::Publish(Parameters<Scalar> parameters, const Scalings& scalings,
                              const OnlineLearner<Scalar>* learner, const ChangeRequest& request)
    -> absl::StatusOr<SnapshotPtr> {
  const int64_t version = model_versions_.Latest()->model_version + 1;
  auto snapshot = std::make_shared<const Snapshot<Scalar>>(Snapshot<Scalar>{std::move(parameters), scalings, version});
  SessionChange<Scalar> change = NewChange();
  change.learner = learner;
  AddVersions(snapshot, &change);
  if (absl::Status status = Commit(&change, request); !status.ok()) return status;
  model_versions_.Publish(snapshot);
  return snapshot;
}

template <typename Scalar>
auto Session<Scalar>::SetParameters(Parameters<Scalar> parameters, const ChangeRequest& request)
    -> absl::StatusOr<SnapshotPtr> {
  const absl::StatusOr<TurnQueue::Turn> turn = turns_.Take(request.given_up);
  if (!turn.ok()) return turn.status();
  const std::lock_guard commit(commit_mutex_);
  if (absl::Status status = CheckOpen(); !status.ok()) return status;
  const absl::StatusOr<bool> answered = Recall(request);
  if (!answered.ok()) return answered.status();
  if (*answered) return model_versions_.Latest();
  if (absl::Status status = CheckNotTraining(); !status.ok()) return status;
  return Publish(std::move(parameters), model_versions_.Latest()->scalings, nullptr, request);
}

template <typename Scalar>
auto Session<Scalar>::RollBack(int64_t model_version, const ChangeRequest& request) -> absl::StatusOr<SnapshotPtr> {
  const absl::StatusOr<TurnQueue::Turn> turn = turns_.Take(request.given_up);
  if (!turn.ok()) return turn.status();
  const std::lock_guard commit(commit_mutex_);
  if (absl::Status status = CheckOpen(); !status.ok()) return status;
  const absl::StatusOr<bool> answered = Recall(request);
  if (!answered.ok()) return answered.status();
  if (*answered) return model_versions_.Latest();
  if (absl::Status status = CheckNotTraining(); !status.ok()) return status;
  const absl::StatusOr<SnapshotPtr> earlier = model_versions_.Get(model_version);
  if (!earlier.ok()) return earlier.status();
  return Publish((*earlier)->parameters, (*earlier)->scalings, nullptr, request);
}

template class Session<float>;
template class Session<double>;

}  // namespace backprop::server
