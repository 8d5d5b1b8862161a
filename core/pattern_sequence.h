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

// A value. Copies share full and half-full chunks, so a copy costs a pointer per MiB. Appending to one copy is never
// seen by another: the first to append behind a shared chunk's end claims that room, the next writes to a chunk of its
// own. Distinct copies may be used by different threads at the same time; one copy needs a lock.
template <typename Scalar>
class PatternSequence {
 public:
  // A sequence of patterns of `input_count` inputs and `target_count` targets each.
  PatternSequence(int input_count, int target_count);

  int64_t count() const { return count_; }
  int64_t bytes_per_pattern() const { return bytes_per_pattern_; }
  int64_t byte_count() const { return count_ * bytes_per_pattern_; }

  // Appends all of `patterns`, which have targets.
  void Append(const Patterns<Scalar>& patterns);

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

  // The first `n` patterns, shared.
  PatternSequence Prefix(int64_t n) const;
  // Patterns [begin, begin + n) as a value.
  Patterns<Scalar> Slice(int64_t begin, int64_t n) const;

 private:
  struct Chunk;

  int input_count_;
  int target_count_;
  int64_t bytes_per_pattern_;
  int chunk_shift_;         // log2(chunk_capacity_): a pattern is found without a division.
  int64_t chunk_capacity_;  // Patterns a chunk.
  int64_t count_ = 0;
  std::vector<std::shared_ptr<Chunk>> chunks_;
  std::shared_ptr<const void> lease_;
};

}  // namespace backprop
