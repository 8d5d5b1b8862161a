// The part of Session that has to do with pattern sets.
#include <map>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "core/error.h"
#include "server/sessions/session.h"

namespace backprop::server {
namespace {

// Stands for memory that ran out while others committed an append; making it takes none.
absl::Status OutOfMemory() { return absl::Status(absl::StatusCode::kResourceExhausted, ""); }

}  // namespace

template <typename Scalar>
void Session<Scalar>::AddAppend(const AppendTarget& target, int64_t staged_count,
                                const PatternSequence<Scalar>& patterns, SessionChange<Scalar>* change) {
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
absl::StatusOr<int64_t> Session<Scalar>::Append(AppendTarget target, const Patterns<Scalar>& patterns) {
  PatternSequence<Scalar> batch = pattern_sets_.Tail(target.pattern_set);
  batch.Append(patterns);
  const std::unique_ptr<PendingAppend> append = BeginAppend(std::move(target), std::move(batch));
  return FinishAppend(append.get());
}

template <typename Scalar>
auto Session<Scalar>::BeginAppend(AppendTarget target, PatternSequence<Scalar> patterns)
    -> std::unique_ptr<PendingAppend> {
  auto append = std::make_unique<PendingAppend>(this, std::move(target), std::move(patterns));
  const std::lock_guard lock(pending_mutex_);
  pending_appends_.push_back(append.get());
  return append;
}

template <typename Scalar>
absl::StatusOr<int64_t> Session<Scalar>::FinishAppend(PendingAppend* append) {
  if (!append->settled) {
    const std::lock_guard commit(commit_mutex_);
    // Whoever comes first carries out what all have brought; the others find theirs done.
    while (!append->settled) CommitPendingAppends();
  }
  if (append->result.status() == OutOfMemory()) throw std::bad_alloc();
  return append->result;
}

template <typename Scalar>
void Session<Scalar>::Withdraw(PendingAppend* append) {
  const std::lock_guard commit(commit_mutex_);  // While others commit it, it is theirs.
  const std::lock_guard lock(pending_mutex_);
  std::erase(pending_appends_, append);
}

template <typename Scalar>
void Session<Scalar>::CommitPendingAppends() {
  SessionChange<Scalar> change = NewChange();
  std::vector<PendingAppend*> staged;
  size_t settled_count = 0;          // Of `staged`.
  PendingAppend* current = nullptr;  // Out of the line, and not staged yet.
  // The last that is done with an append: its caller may be waiting to end its life.
  const auto settle = [](PendingAppend* append, const absl::StatusOr<int64_t>& result) {
    append->result = result;
    append->settled = true;
  };
  const absl::Cleanup settle_all = [&] {  // Memory that runs out here must leave nobody waiting.
    if (current != nullptr) settle(current, OutOfMemory());
    while (settled_count < staged.size()) settle(staged[settled_count++], OutOfMemory());
  };
  std::map<std::string, int64_t> staged_counts;
  int64_t pattern_count = 0;
  while (true) {
    PendingAppend* append = nullptr;
    int64_t* staged_count = nullptr;
    {
      const std::lock_guard lock(pending_mutex_);
      if (pending_appends_.empty()) break;
      append = pending_appends_.front();
      const AppendTarget& target = append->target;
      staged_count = &staged_counts[target.pattern_set];
      const int64_t end = pattern_sets_.NextOffset(target.pattern_set) + *staged_count;
      const int64_t bytes = (pattern_count + append->patterns.count()) * append->patterns.bytes_per_pattern();
      // A repeat may be of what is not in its set yet, and a new set, which counts as one, is there only after the
      // commit.
      const bool again = pattern_sets_.KeyOf(target.pattern_set) == 0 &&
                         (*staged_count > 0 || pattern_sets_.List().size() + change.new_sets.size() >= kMaxPatternSets);
      const bool alone = again || (target.offset && *target.offset < end) || bytes > kCommitGroupBytes;
      if (!staged.empty() && alone) break;
      pending_appends_.pop_front();
      current = append;
    }
    const std::string& set = append->target.pattern_set;
    absl::Status status = CheckOpen();
    if (status.ok()) {
      status = pattern_sets_.Check(set, append->target.offset, append->patterns, &append->charge, *staged_count);
    }
    if (!status.ok()) {
      settle(std::exchange(current, nullptr), std::move(status));
      continue;
    }
    staged.push_back(append);
    current = nullptr;
    AddAppend(append->target, *staged_count, append->patterns, &change);
    *staged_count += append->patterns.count();
    pattern_count += append->patterns.count();
  }
  if (staged.empty()) return;
  const absl::Status status = Commit(&change);
  for (const PatternAppend<Scalar>& append : change.appends) {
    PendingAppend* const pending = staged[settled_count];
    if (status.ok()) {
      Apply([&] {
        pattern_sets_.Append(pending->target.pattern_set, append.pattern_set_key, pending->patterns, change.time,
                             std::move(pending->charge));
      });
    }
    ++settled_count;
    settle(pending, status.ok() ? absl::StatusOr<int64_t>(append.offset) : status);
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
