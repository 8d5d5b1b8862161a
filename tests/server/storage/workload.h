// A session's life as a list of changes that has everything in it.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/storage/sqlite_store.h"
#include "tests/server/storage/kept_model.h"
#include "tests/server/storage/owned_change.h"

namespace backprop::server {

// A directory of its own that is removed at the end.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  const std::string& path() const { return path_; }
  std::string PathOf(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// 3-4-2, multiway classification.
template <typename Scalar>
NetworkSpec StoredSpec();
template <typename Scalar>
Patterns<Scalar> StoredPatterns(int64_t count, int64_t seed);
// Of arbitrary numbers, among them infinities and a NaN: what is kept is bits.
template <typename Scalar>
Snapshot<Scalar> StoredSnapshot(int64_t version);

// Description and snapshot of a new session.
template <typename Scalar>
OwnedChange<Scalar> FirstChange(const std::string& id);
// A new set `key` with the id `set-KEY` and so many patterns.
template <typename Scalar>
OwnedChange<Scalar> NewSet(int64_t key, int64_t pattern_count);

// The first one creates the session; between them: appends, on-line steps, scalings, a set deleted with and without a
// run on it, two runs with reports and checkpoints, versions and runs dropped, answers, labels.
template <typename Scalar>
std::vector<OwnedChange<Scalar>> ReferenceWorkload(const std::string& id);

// Checkpoints of L-BFGS, whose history grows and shrinks, and of Newton-CG.
template <typename Scalar>
std::vector<OwnedChange<Scalar>> WholeSetWorkload(const std::string& id);

// Creates session `id` and commits `changes`; all must succeed.
template <typename Scalar>
std::unique_ptr<SessionLog<Scalar>> Store(SessionStore* store, const std::string& id,
                                          const std::vector<OwnedChange<Scalar>>& changes);
// What the store has of a session, as text; or the error.
absl::StatusOr<std::string> StoredText(SessionStore* store, const std::string& id);
// The same of a model, after all the changes.
template <typename Scalar>
std::string ExpectedText(const std::vector<OwnedChange<Scalar>>& changes);

}  // namespace backprop::server
