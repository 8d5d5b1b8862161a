// The part of Session that has to do with pattern sets.
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "core/error.h"
#include "server/sessions/session.h"

namespace backprop::server {

template <typename Scalar>
void Session<Scalar>::AddAppend(const AppendTarget& target, int64_t staged_count, const Patterns<Scalar>& patterns,
                                SessionChange<Scalar>* change) {
  int64_t key = pattern_sets_.KeyOf(target.pattern_set);
  if (key == 0) {
    key = next_set_key_++;
    change->new_sets.push_back({.key = key, .id = target.pattern_set});
  }
  change->appends.push_back({.pattern_set_key = key,
                             .offset = pattern_sets_.NextOffset(target.pattern_set) + staged_count,
                             .patterns = &patterns});
}

template <typename Scalar>
absl::StatusOr<int64_t> Session<Scalar>::Append(AppendTarget target, Patterns<Scalar> patterns) {
  const std::unique_ptr<PendingAppend> append = BeginAppend(std::move(target), std::move(patterns));
  return FinishAppend(append.get());
}

template <typename Scalar>
auto Session<Scalar>::BeginAppend(AppendTarget target, Patterns<Scalar> patterns) -> std::unique_ptr<PendingAppend> {
  std::unique_ptr<PendingAppend> append(
      new PendingAppend{std::move(target), std::move(patterns), MemoryCharge(environment_.budget)});
  const std::lock_guard lock(pending_mutex_);
  pending_appends_.push_back(append.get());
  return append;
}

template <typename Scalar>
absl::StatusOr<int64_t> Session<Scalar>::FinishAppend(PendingAppend* append) {
  const std::lock_guard commit(commit_mutex_);
  // Whoever comes first carries out what all have brought; the others find theirs done.
  while (!append->result) CommitPendingAppends();
  return *std::move(append->result);
}

template <typename Scalar>
void Session<Scalar>::CommitPendingAppends() {
  SessionChange<Scalar> change = NewChange();
  std::vector<PendingAppend*> taken, staged;
  absl::Cleanup settle = [&taken] {  // Memory that runs out here must leave nobody waiting.
    for (PendingAppend* append : taken) {
      if (!append->result)
        append->result = Error(absl::StatusCode::kResourceExhausted, "MEMORY_LIMIT", "out of memory");
    }
  };
  std::map<std::string, int64_t> staged_counts;
  int64_t pattern_count = 0;
  while (true) {
    PendingAppend* append = nullptr;
    {
      const std::lock_guard lock(pending_mutex_);
      if (pending_appends_.empty()) break;
      append = pending_appends_.front();
      const AppendTarget& target = append->target;
      const int64_t end = pattern_sets_.NextOffset(target.pattern_set) + staged_counts[target.pattern_set];
      const int64_t bytes = (pattern_count + append->patterns.count()) *
                            (append->patterns.inputs.rows() + append->patterns.targets.rows() + 1) *
                            int64_t{sizeof(Scalar)};
      // A repeat may be of what is not in its set yet, and a new set is there only after the commit.
      const bool alone = pattern_sets_.KeyOf(target.pattern_set) == 0 || (target.offset && *target.offset < end) ||
                         bytes > kCommitGroupBytes;
      if (!staged.empty() && alone) break;
      taken.push_back(append);
      pending_appends_.pop_front();
    }
    const std::string& set = append->target.pattern_set;
    absl::Status status = CheckOpen();
    if (status.ok()) {
      status = pattern_sets_.Check(set, append->target.offset, append->patterns, &append->charge, staged_counts[set]);
    }
    if (!status.ok()) {
      append->result = status;
      continue;
    }
    AddAppend(append->target, staged_counts[set], append->patterns, &change);
    staged.push_back(append);
    staged_counts[set] += append->patterns.count();
    pattern_count += append->patterns.count();
  }
  if (staged.empty()) return;
  const absl::Status status = Commit(&change);
  for (size_t i = 0; i < staged.size(); ++i) {
    if (!status.ok()) {
      staged[i]->result = status;
      continue;
    }
    const auto& [key, offset, patterns, sequence] = change.appends[i];
    Apply([&, key = key, patterns = patterns] {
      pattern_sets_.Append(staged[i]->target.pattern_set, key, *patterns, std::move(staged[i]->charge));
    });
    staged[i]->result = offset;
  }
}

template <typename Scalar>
absl::Status Session<Scalar>::DeletePatternSet(const std::string& id, const ChangeRequest& request) {
  const std::lock_guard commit(commit_mutex_);
  if (absl::Status status = CheckOpen(); !status.ok()) return status;
  if (const auto answered = Recall(request); !answered.ok() || *answered) return answered.status();
  const absl::StatusOr<PatternSetDescription> set = pattern_sets_.Describe(id);
  if (!set.ok()) return set.status();
  SessionChange<Scalar> change = NewChange();
  // On-line steps that would be done again may need these patterns, an active run needs them to go on.
  if (!learner_kept_) AddVersions(nullptr, &change);
  const bool training =
      ActiveRun() != nullptr && (active_run_.pattern_set_key == set->key || active_run_.validation_set_key == set->key);
  (training ? change.hidden_sets : change.erased_sets).push_back(set->key);
  if (absl::Status status = Commit(&change, request); !status.ok()) return status;
  if (training) hidden_sets_.push_back(set->key);
  return pattern_sets_.Delete(id);
}

template class Session<float>;
template class Session<double>;

}  // namespace backprop::server
