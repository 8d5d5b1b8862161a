#include "server/sessions/pattern_sets.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "core/error.h"

namespace backprop::server {
namespace {

// The rule for an offset below the end: the same patterns are there already, or others are.
template <typename Scalar, typename Batch>
absl::Status CheckRepeat(const PatternSequence<Scalar>& stored, int64_t offset, const Batch& patterns) {
  if (stored.HasAt(offset, patterns)) {
    return Error(absl::StatusCode::kAlreadyExists, "PATTERNS_ALREADY_STORED",
                 absl::StrCat("these ", patterns.count(), " patterns are stored at offset ", offset, " already"));
  }
  return WithMetadata(Error(absl::StatusCode::kFailedPrecondition, "PATTERNS_DIFFER",
                            absl::StrCat("other patterns are stored at offset ", offset,
                                         "; to append, use the next offset, ", stored.count())),
                      "next_offset", stored.count());
}

}  // namespace

template <typename Scalar>
absl::Status PatternSets<Scalar>::NotFound(const std::string& id) const {
  return Error(absl::StatusCode::kNotFound, "PATTERN_SET_NOT_FOUND",
               absl::StrCat("there is no pattern set `", id, "` in this session; append patterns to make it"));
}

template <typename Scalar>
auto PatternSets<Scalar>::NewSet(int64_t key, PatternSequence<Scalar> patterns,
                                 std::chrono::system_clock::time_point update_time, MemoryCharge charge) -> Set {
  auto lease = std::make_shared<MemoryCharge>(std::move(charge));
  patterns.set_lease(lease);
  return {key, std::move(patterns), update_time, std::move(lease)};
}

template <typename Scalar>
PatternSetDescription PatternSets<Scalar>::DescriptionOf(const std::string& id, const Set& set) {
  return {set.key, id, set.patterns.count(), set.patterns.byte_count(), set.update_time};
}

template <typename Scalar>
absl::StatusOr<PatternSequence<Scalar>> PatternSets<Scalar>::Get(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  const auto found = sets_.find(id);
  if (found == sets_.end()) return NotFound(id);
  return found->second.patterns;
}

template <typename Scalar>
absl::StatusOr<PatternSetDescription> PatternSets<Scalar>::Describe(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  const auto found = sets_.find(id);
  if (found == sets_.end()) return NotFound(id);
  return DescriptionOf(id, found->second);
}

template <typename Scalar>
std::vector<PatternSetDescription> PatternSets<Scalar>::List() const {
  const std::lock_guard lock(mutex_);
  std::vector<PatternSetDescription> list;
  for (const auto& [id, set] : sets_) list.push_back(DescriptionOf(id, set));
  return list;
}

template <typename Scalar>
int64_t PatternSets<Scalar>::KeyOf(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  const auto found = sets_.find(id);
  return found == sets_.end() ? 0 : found->second.key;
}

template <typename Scalar>
int64_t PatternSets<Scalar>::NextOffset(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  const auto found = sets_.find(id);
  return found == sets_.end() ? 0 : found->second.patterns.count();
}

template <typename Scalar>
template <typename Batch>
absl::Status PatternSets<Scalar>::Check(const std::string& id, std::optional<int64_t> offset, const Batch& patterns,
                                        MemoryCharge* charge, int64_t staged_count) const {
  int64_t next_offset = 0;
  std::optional<PatternSequence<Scalar>> stored;  // Copied for a repeated batch only: comparing it may take long.
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = sets_.find(id); found != sets_.end()) {
      next_offset = found->second.patterns.count() + staged_count;
      if (offset && *offset < next_offset) stored = found->second.patterns;
    } else if (sets_.size() >= kMaxPatternSets) {
      return WithMetadata(
          Error(absl::StatusCode::kResourceExhausted, "PATTERN_SET_LIMIT",
                absl::StrCat("the session has ", kMaxPatternSets, " pattern sets, the limit; delete one first")),
          "limit", int64_t{kMaxPatternSets});
    }
  }
  if (stored) return CheckRepeat(*stored, *offset, patterns);
  if (offset && *offset > next_offset) {
    return WithMetadata(
        Error(absl::StatusCode::kOutOfRange, "OFFSET_BEYOND_END",
              absl::StrCat("offset ", *offset, " is beyond the end of the set; the next offset is ", next_offset)),
        "next_offset", next_offset);
  }
  if (patterns.count() > max_patterns_ - next_offset) {
    return WithMetadata(Error(absl::StatusCode::kResourceExhausted, "PATTERN_LIMIT",
                              absl::StrCat("a pattern set holds at most ", max_patterns_, " patterns, and `", id,
                                           "` has ", next_offset, "; append to another set")),
                        "limit", max_patterns_);
  }
  const int64_t bytes_per_pattern = PatternSequence<Scalar>(input_count_, target_count_).bytes_per_pattern();
  return charge->Grow(patterns.count() * bytes_per_pattern, absl::StrCat("the patterns for set `", id, "`"));
}

template <typename Scalar>
PatternSequence<Scalar> PatternSets<Scalar>::Tail(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  const auto found = sets_.find(id);
  return found == sets_.end() ? PatternSequence<Scalar>(input_count_, target_count_) : found->second.patterns.Tail();
}

template <typename Scalar>
void PatternSets<Scalar>::Append(const std::string& id, int64_t key, const PatternSequence<Scalar>& patterns,
                                 std::chrono::system_clock::time_point time, MemoryCharge charge) {
  const std::lock_guard lock(mutex_);
  auto found = sets_.find(id);
  if (found == sets_.end()) {
    found = sets_.emplace(id, NewSet(key, PatternSequence<Scalar>(input_count_, target_count_), {}, std::move(charge)))
                .first;
  } else {
    found->second.charge->Absorb(std::move(charge));
  }
  found->second.patterns.Append(patterns);
  found->second.update_time = time;
}

template <typename Scalar>
absl::Status PatternSets<Scalar>::Delete(const std::string& id) {
  const std::lock_guard lock(mutex_);
  return sets_.erase(id) > 0 ? absl::OkStatus() : NotFound(id);
}

template <typename Scalar>
void PatternSets<Scalar>::Restore(const PatternSetDescription& set, PatternSequence<Scalar> patterns,
                                  MemoryCharge charge) {
  const std::lock_guard lock(mutex_);
  sets_.emplace(set.id, NewSet(set.key, std::move(patterns), set.update_time, std::move(charge)));
}

template <typename Scalar>
absl::Status PatternSets<Scalar>::CopyFrom(const PatternSets& other, std::chrono::system_clock::time_point time) {
  const std::scoped_lock lock(mutex_, other.mutex_);
  for (const auto& [id, set] : other.sets_) {
    MemoryCharge charge(budget_);
    if (absl::Status status = charge.Grow(set.patterns.byte_count(), absl::StrCat("the copy of set `", id, "`"));
        !status.ok()) {
      return status;
    }
    sets_.emplace(id, NewSet(set.key, set.patterns, time, std::move(charge)));
  }
  return absl::OkStatus();
}

template <typename Scalar>
void PatternSets<Scalar>::TakeFrom(PatternSets* other) {
  const std::scoped_lock lock(mutex_, other->mutex_);
  sets_.swap(other->sets_);
}

template class PatternSets<float>;
template class PatternSets<double>;
template absl::Status PatternSets<float>::Check(const std::string&, std::optional<int64_t>, const Patterns<float>&,
                                                MemoryCharge*, int64_t) const;
template absl::Status PatternSets<float>::Check(const std::string&, std::optional<int64_t>,
                                                const PatternSequence<float>&, MemoryCharge*, int64_t) const;
template absl::Status PatternSets<double>::Check(const std::string&, std::optional<int64_t>, const Patterns<double>&,
                                                 MemoryCharge*, int64_t) const;
template absl::Status PatternSets<double>::Check(const std::string&, std::optional<int64_t>,
                                                 const PatternSequence<double>&, MemoryCharge*, int64_t) const;

}  // namespace backprop::server
