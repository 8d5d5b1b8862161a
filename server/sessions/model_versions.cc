#include "server/sessions/model_versions.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/error.h"

namespace backprop::server {

template <typename Scalar>
std::shared_ptr<const Snapshot<Scalar>> ModelVersions<Scalar>::Latest() const {
  const std::lock_guard lock(mutex_);
  return kept_.back();
}

template <typename Scalar>
absl::StatusOr<std::shared_ptr<const Snapshot<Scalar>>> ModelVersions<Scalar>::Get(
    std::optional<int64_t> model_version) const {
  const std::lock_guard lock(mutex_);
  if (!model_version) return kept_.back();
  for (const auto& snapshot : kept_) {
    if (snapshot->model_version == *model_version) return snapshot;
  }
  return Error(absl::StatusCode::kNotFound, "MODEL_VERSION_NOT_FOUND",
               absl::StrCat("model version ", *model_version, " is not kept; the versions kept are ",
                            absl::StrJoin(kept_, ", ", [](std::string* text, const SnapshotPtr& snapshot) {
                              absl::StrAppend(text, snapshot->model_version);
                            })));
}

template <typename Scalar>
auto ModelVersions<Scalar>::Trim(size_t kept_count, const std::vector<int64_t>& held,
                                 std::deque<SnapshotPtr>* snapshots) -> std::vector<SnapshotPtr> {
  const size_t old_count = snapshots->size() - std::min(kept_count, snapshots->size());
  const auto first_new = snapshots->begin() + static_cast<std::ptrdiff_t>(old_count);
  const auto first_dropped = std::stable_partition(snapshots->begin(), first_new, [&](const SnapshotPtr& snapshot) {
    return std::find(held.begin(), held.end(), snapshot->model_version) != held.end();
  });
  std::vector<SnapshotPtr> dropped(std::make_move_iterator(first_dropped), std::make_move_iterator(first_new));
  snapshots->erase(first_dropped, first_new);
  return dropped;
}

template <typename Scalar>
auto ModelVersions<Scalar>::List(SnapshotPtr next) const -> std::vector<SnapshotPtr> {
  const std::lock_guard lock(mutex_);
  std::deque<SnapshotPtr> list = kept_;
  if (next != nullptr) {
    if (list.back()->model_version == next->model_version) list.pop_back();
    list.push_back(std::move(next));
    Trim(kept_count_, held_, &list);
  }
  return {list.begin(), list.end()};
}

template <typename Scalar>
void ModelVersions<Scalar>::Hold(std::vector<int64_t> held) {
  std::vector<SnapshotPtr> dropped;  // Freed after the lock is released.
  const std::lock_guard lock(mutex_);
  held_ = std::move(held);
  dropped = Trim(kept_count_, held_, &kept_);
}

template <typename Scalar>
void ModelVersions<Scalar>::Publish(SnapshotPtr snapshot) {
  std::vector<SnapshotPtr> dropped;  // Freed after the lock is released.
  const std::lock_guard lock(mutex_);
  if (kept_.back()->model_version == snapshot->model_version) kept_.pop_back();
  kept_.push_back(std::move(snapshot));
  dropped = Trim(kept_count_, held_, &kept_);
}

template class ModelVersions<float>;
template class ModelVersions<double>;

}  // namespace backprop::server
