// An append-only sequence of patterns that is cheap to copy: what a pattern set stores and a training run reads.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "core/matrix.h"
#include "core/patterns.h"

namespace backprop {

// Room for patterns in memory, the caller's to write once: `count` columns of each.
template <typename Scalar>
struct PatternRoom {
  Scalar* inputs;   // [input_unit_count x count]
  Scalar* targets;  // [output_unit_count x count]
  Scalar* weights;  // [count]
  int64_t count;
};

// A value. Copies share full and half-full chunks, so a copy costs a pointer per MiB. Appending to one copy is never
// seen by another: the first to append behind a shared chunk's end claims that room, the next writes to a chunk of its
// own. Distinct copies may be used by different threads at the same time; one copy needs a lock.
//
// Invariant: a column of a chunk is written by whoever claimed it, before it is counted in any sequence that others
// see.
template <typename Scalar>
class PatternSequence {
 public:
  // A sequence of patterns of `input_count` inputs and `target_count` targets each.
  PatternSequence(int input_count, int target_count);
  // A sequence of `patterns`, which have targets.
  explicit PatternSequence(const Patterns<Scalar>& patterns)
      : PatternSequence(static_cast<int>(patterns.inputs.rows()), static_cast<int>(patterns.targets.rows())) {
    Append(patterns);
  }

  int input_count() const { return input_count_; }
  int target_count() const { return target_count_; }
  int64_t count() const { return count_; }
  int64_t bytes_per_pattern() const { return bytes_per_pattern_; }
  int64_t byte_count() const { return count_ * bytes_per_pattern_; }

  // Appends `n` patterns that the caller is yet to write, into the rooms that are returned, in order. Where memory runs
  // out it throws and has changed nothing.
  std::vector<PatternRoom<Scalar>> Extend(int64_t n);
  // Appends all of `patterns`, which have targets.
  void Append(const Patterns<Scalar>& patterns);
  // The same; `patterns`, of as many inputs and targets, are shared where they stand where a copy would.
  void Append(const PatternSequence& patterns);
  // An empty sequence. What is appended to it comes to stand where this can share it, unless others append meanwhile.
  PatternSequence Tail() const;
  // The same for one that will have `offset` patterns by then: what stands in its next chunks can be shared.
  PatternSequence TailAt(int64_t offset) const;
  // Takes all patterns out of a sequence that began as a tail and that nobody has a copy of: others may use their room.
  void Clear();

  // Bytes of the chunks that this made, which were for patterns of its own.
  int64_t made_byte_count() const { return made_chunk_count_ * chunk_capacity_ * bytes_per_pattern_; }

  // Copies patterns [begin, begin + n) into the first n columns of the given matrices, which have room for them.
  void Read(int64_t begin, int64_t n, Columns<Scalar> inputs, Columns<Scalar> targets,
            Eigen::Ref<RowVector<Scalar>> weights) const;

  // The same for the patterns at `indices`, in that order.
  void Gather(std::span<const int32_t> indices, Columns<Scalar> inputs, Columns<Scalar> targets,
              Eigen::Ref<RowVector<Scalar>> weights) const;

  // One pattern where it is stored, valid as long as this or a copy of it is.
  PatternView<Scalar> operator[](int64_t index) const;
  // Has the caches fetch one of these patterns, for which no hardware could foresee the need.
  void Prefetch(const PatternView<Scalar>& pattern) const;

  // Keeps `lease` alive for as long as this or a copy of it: what accounts for the memory.
  void set_lease(std::shared_ptr<const void> lease) { lease_ = std::move(lease); }

  // Whether `patterns` are the ones from `offset` on.
  bool HasAt(int64_t offset, const Patterns<Scalar>& patterns) const;
  bool HasAt(int64_t offset, const PatternSequence& patterns) const;
  // The first `n` patterns, shared.
  PatternSequence Prefix(int64_t n) const;
  // Patterns [begin, begin + n) as a value.
  Patterns<Scalar> Slice(int64_t begin, int64_t n) const;

 private:
  struct Chunk;
  // Of a pattern, the number from the first chunk's beginning on.
  int64_t PlaceOf(int64_t index) const { return first_ + index; }
  // One of which `used` columns are claimed.
  std::shared_ptr<Chunk> NewChunk(int64_t used) const;

  int input_count_;
  int target_count_;
  int64_t bytes_per_pattern_;
  int chunk_shift_;         // log2(chunk_capacity_): a pattern is found without a division.
  int64_t chunk_capacity_;  // Patterns a chunk.
  int64_t first_ = 0;       // Where the first pattern stands in the first chunk.
  int64_t count_ = 0;
  int64_t made_chunk_count_ = 0;
  std::vector<std::shared_ptr<Chunk>> chunks_;
  std::shared_ptr<const void> lease_;
};

}  // namespace backprop
