// The named pattern sets of a session.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "core/pattern_sequence.h"
#include "server/sessions/memory_budget.h"

namespace backprop::server {

// Pattern sets of one session at most; quoted in pattern_service.proto.
inline constexpr size_t kMaxPatternSets = 64;

struct PatternSetDescription {
  int64_t key = 0;  // See KeptPatternSet.
  std::string id;
  int64_t pattern_count = 0;
  int64_t byte_count = 0;
  std::chrono::system_clock::time_point update_time;
};

// Thread-safe. Checking a batch and appending it are two steps, with the store's commit between them; the session sees
// to it that no other change comes between.
template <typename Scalar>
class PatternSets {
 public:
  PatternSets(int input_count, int target_count, MemoryBudget* budget, int64_t max_patterns = kMaxPatternsPerSet)
      : input_count_(input_count), target_count_(target_count), budget_(budget), max_patterns_(max_patterns) {}

  // The patterns of a set as they are now; NOT_FOUND, reason PATTERN_SET_NOT_FOUND.
  absl::StatusOr<PatternSequence<Scalar>> Get(const std::string& id) const;
  absl::StatusOr<PatternSetDescription> Describe(const std::string& id) const;
  std::vector<PatternSetDescription> List() const;

  // The key of a set; 0 for one that is not there.
  int64_t KeyOf(const std::string& id) const;
  // The offset that the next batch gets; 0 for a set that is not there.
  int64_t NextOffset(const std::string& id) const;
  // Whether `patterns` may be appended at `offset` (none: at the end): OK; ALREADY_EXISTS, FAILED_PRECONDITION or
  // OUT_OF_RANGE by the rules of AppendPatterns; RESOURCE_EXHAUSTED over the number of sets or patterns. On OK the
  // memory is reserved in `charge`.
  // `staged_count` patterns are about to be appended to the set before these. Batch is Patterns or PatternSequence.
  template <typename Batch>
  absl::Status Check(const std::string& id, std::optional<int64_t> offset, const Batch& patterns, MemoryCharge* charge,
                     int64_t staged_count = 0) const;
  // The tail of a set, or of none, for a batch that Append is to take over.
  PatternSequence<Scalar> Tail(const std::string& id) const;
  // Appends what Check allowed at `time`, and takes over its charge. `key` is that of the set, or a new one's.
  void Append(const std::string& id, int64_t key, const PatternSequence<Scalar>& patterns,
              std::chrono::system_clock::time_point time, MemoryCharge charge);
  // NOT_FOUND, reason PATTERN_SET_NOT_FOUND.
  absl::Status Delete(const std::string& id);
  // Enters a set as a store kept it, for which `charge` was taken.
  void Restore(const PatternSetDescription& set, PatternSequence<Scalar> patterns, MemoryCharge charge);
  // Fills this, which is empty, with the sets of `other`, at `time`. RESOURCE_EXHAUSTED without memory for them.
  absl::Status CopyFrom(const PatternSets& other, std::chrono::system_clock::time_point time);
  // Takes all sets of `other`, which is left empty; this is empty before.
  void TakeFrom(PatternSets* other);

 private:
  struct Set {
    int64_t key;
    PatternSequence<Scalar> patterns;
    std::chrono::system_clock::time_point update_time;
    // The lease of `patterns`: a training run that goes on with a deleted set's patterns holds their memory too.
    std::shared_ptr<MemoryCharge> charge;
  };

  absl::Status NotFound(const std::string& id) const;
  static Set NewSet(int64_t key, PatternSequence<Scalar> patterns, std::chrono::system_clock::time_point update_time,
                    MemoryCharge charge);
  static PatternSetDescription DescriptionOf(const std::string& id, const Set& set);

  const int input_count_;
  const int target_count_;
  MemoryBudget* const budget_;
  const int64_t max_patterns_;
  mutable std::mutex mutex_;
  std::map<std::string, Set> sets_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace backprop::server
