// The published snapshots of a session's model.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "core/parameters.h"
#include "core/scaling.h"

namespace backprop::server {

// Everything a prediction or a derivative needs, immutable: readers never wait for training.
template <typename Scalar>
struct Snapshot {
  Parameters<Scalar> parameters;
  Scalings scalings;
  int64_t model_version;
};

// Versions kept, where the operator does not say otherwise; quoted in the protos.
inline constexpr size_t kDefaultKeptVersions = 8;

// The newest snapshots, and older ones that are held. Thread-safe: readers take a shared pointer under a lock held for
// no longer than that.
template <typename Scalar>
class ModelVersions {
 public:
  using SnapshotPtr = std::shared_ptr<const Snapshot<Scalar>>;

  // Keeps the newest `kept_count`, at least 1.
  ModelVersions(SnapshotPtr first, size_t kept_count) : kept_count_(kept_count) { kept_.push_back(std::move(first)); }

  std::shared_ptr<const Snapshot<Scalar>> Latest() const;
  // Version `model_version` or, without one, the latest. NOT_FOUND, reason MODEL_VERSION_NOT_FOUND, names those kept.
  absl::StatusOr<std::shared_ptr<const Snapshot<Scalar>>> Get(std::optional<int64_t> model_version) const;
  // Those that are kept, oldest first; with `next` in force, if it is not null.
  std::vector<SnapshotPtr> List(SnapshotPtr next = nullptr) const;
  // Holds the versions `held`, of those that are kept, however old they become; no others any longer.
  void Hold(std::vector<int64_t> held);
  // Puts `snapshot` in force: as a new version, or in place of the latest where it has that version's number (new
  // scalings). Versions must be published in order; the session sees to it.
  void Publish(std::shared_ptr<const Snapshot<Scalar>> snapshot);

 private:
  // Drops what is neither among the newest nor held, and gives it back.
  static std::vector<SnapshotPtr> Trim(size_t kept_count, const std::vector<int64_t>& held,
                                       std::deque<SnapshotPtr>* snapshots);

  const size_t kept_count_;
  mutable std::mutex mutex_;
  std::vector<int64_t> held_ ABSL_GUARDED_BY(mutex_);
  std::deque<std::shared_ptr<const Snapshot<Scalar>>> kept_ ABSL_GUARDED_BY(mutex_);  // Oldest first, never empty.
};

}  // namespace backprop::server
