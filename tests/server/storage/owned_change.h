// A SessionChange that owns what it points to.
#pragma once

#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "server/sessions/session_store.h"

namespace backprop::server {

template <typename Scalar>
struct OwnedChange {
  // Constructors, because g++ 12 breaks down over a default initialiser here.
  struct Append {
    Append(int64_t set_key, int64_t set_end, const Patterns<Scalar>& batch)
        : set(set_key), offset(set_end), patterns(batch) {}
    Append(int64_t set_key, int64_t set_end, PatternSequence<Scalar> all)
        : set(set_key), offset(set_end), patterns(std::move(all)) {}
    int64_t set;
    int64_t offset;
    PatternSequence<Scalar> patterns;
  };

  int64_t time_ns = 0;
  std::optional<SessionDescription> description = {};
  std::vector<Snapshot<Scalar>> snapshots = {};
  std::vector<int64_t> dropped_versions = {};
  std::optional<OnlineLearner<Scalar>> learner = {};
  std::optional<OnlineStep> online_step = {};
  std::vector<KeptPatternSet> new_sets = {};
  std::vector<Append> appends = {};
  std::vector<int64_t> hidden_sets = {};
  std::vector<int64_t> erased_sets = {};
  std::optional<KeptTrainingRun> run = {};
  std::vector<EpochReport> reports = {};
  std::optional<TrainerState<Scalar>> checkpoint = {};
  std::vector<int64_t> dropped_runs = {};
  std::optional<RequestAnswer> answer = {};

  // Borrows this.
  SessionChange<Scalar> View() const {
    const auto pointer = [](const auto& optional) { return optional ? &*optional : nullptr; };
    SessionChange<Scalar> change;
    change.time = std::chrono::system_clock::time_point(std::chrono::nanoseconds(time_ns));
    change.description = pointer(description);
    for (const Snapshot<Scalar>& snapshot : snapshots) change.snapshots.push_back(&snapshot);
    change.dropped_versions = dropped_versions;
    change.learner = pointer(learner);
    change.online_step = pointer(online_step);
    change.new_sets = new_sets;
    for (const Append& append : appends) {
      change.appends.push_back({.pattern_set_key = append.set, .offset = append.offset, .patterns = &append.patterns});
    }
    change.hidden_sets = hidden_sets;
    change.erased_sets = erased_sets;
    change.run = pointer(run);
    change.reports = reports;
    change.checkpoint = pointer(checkpoint);
    change.dropped_runs = dropped_runs;
    change.answer = pointer(answer);
    return change;
  }
};

}  // namespace backprop::server
