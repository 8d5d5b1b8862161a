#include "core/pattern_sequence.h"

#include <algorithm>
#include <atomic>
#include <bit>

namespace backprop {
namespace {

constexpr int64_t kChunkBytes = 1 << 20;
constexpr int64_t kMaxChunkCapacity = 4096;

}  // namespace

template <typename Scalar>
struct PatternSequence<Scalar>::Chunk {
  Chunk(int input_count, int target_count, int64_t capacity)
      : inputs(input_count, capacity), targets(target_count, capacity), weights(capacity) {}

  // True when columns [from, from + n) are the caller's to write. A written column is never written again.
  bool Claim(int64_t from, int64_t n) { return used.compare_exchange_strong(from, from + n); }

  Matrix<Scalar> inputs;
  Matrix<Scalar> targets;
  RowVector<Scalar> weights;
  std::atomic<int64_t> used = 0;
};

template <typename Scalar>
PatternSequence<Scalar>::PatternSequence(int input_count, int target_count)
    : input_count_(input_count),
      target_count_(target_count),
      bytes_per_pattern_((int64_t{input_count} + target_count + 1) * int64_t{sizeof(Scalar)}),
      chunk_shift_(static_cast<int>(std::bit_width(static_cast<uint64_t>(
                       std::clamp<int64_t>(kChunkBytes / bytes_per_pattern_, 1, kMaxChunkCapacity)))) -
                   1),
      chunk_capacity_(int64_t{1} << chunk_shift_) {}

template <typename Scalar>
void PatternSequence<Scalar>::Append(const Patterns<Scalar>& patterns) {
  for (int64_t done = 0; done < patterns.count();) {
    const int64_t used = count_ % chunk_capacity_;
    const int64_t n = std::min(chunk_capacity_ - used, patterns.count() - done);
    if (used == 0) {
      chunks_.push_back(std::make_shared<Chunk>(input_count_, target_count_, chunk_capacity_));
      chunks_.back()->Claim(0, n);
    } else if (!chunks_.back()->Claim(used, n)) {
      auto own = std::make_shared<Chunk>(input_count_, target_count_, chunk_capacity_);
      own->inputs.leftCols(used) = chunks_.back()->inputs.leftCols(used);
      own->targets.leftCols(used) = chunks_.back()->targets.leftCols(used);
      own->weights.head(used) = chunks_.back()->weights.head(used);
      own->Claim(0, used + n);
      chunks_.back() = std::move(own);
    }
    Chunk& chunk = *chunks_.back();
    chunk.inputs.middleCols(used, n) = patterns.inputs.middleCols(done, n);
    chunk.targets.middleCols(used, n) = patterns.targets.middleCols(done, n);
    chunk.weights.segment(used, n) = patterns.weights.segment(done, n);
    count_ += n;
    done += n;
  }
}

template <typename Scalar>
void PatternSequence<Scalar>::Read(int64_t begin, int64_t n, Columns<Scalar> inputs, Columns<Scalar> targets,
                                   Eigen::Ref<RowVector<Scalar>> weights) const {
  for (int64_t done = 0; done < n;) {
    const int64_t from = (begin + done) % chunk_capacity_;
    const int64_t run = std::min(chunk_capacity_ - from, n - done);
    const Chunk& chunk = *chunks_[(begin + done) / chunk_capacity_];
    inputs.middleCols(done, run) = chunk.inputs.middleCols(from, run);
    targets.middleCols(done, run) = chunk.targets.middleCols(from, run);
    weights.segment(done, run) = chunk.weights.segment(from, run);
    done += run;
  }
}

template <typename Scalar>
void PatternSequence<Scalar>::Gather(std::span<const int32_t> indices, Columns<Scalar> inputs, Columns<Scalar> targets,
                                     Eigen::Ref<RowVector<Scalar>> weights) const {
  for (size_t i = 0; i < indices.size(); ++i) {
    if (i + 1 < indices.size()) Prefetch((*this)[indices[i + 1]]);
    const PatternView<Scalar> pattern = (*this)[indices[i]];
    std::copy_n(pattern.inputs, input_count_, inputs.col(i).data());
    std::copy_n(pattern.targets, target_count_, targets.col(i).data());
    weights(i) = pattern.weight;
  }
}

template <typename Scalar>
PatternView<Scalar> PatternSequence<Scalar>::operator[](int64_t index) const {
  const Chunk& chunk = *chunks_[index >> chunk_shift_];
  const int64_t column = index & (chunk_capacity_ - 1);
  return {.inputs = chunk.inputs.data() + column * input_count_,
          .targets = chunk.targets.data() + column * target_count_,
          .weight = chunk.weights(column)};
}

template <typename Scalar>
void PatternSequence<Scalar>::Prefetch(const PatternView<Scalar>& pattern) const {
  constexpr int64_t kLine = 64 / sizeof(Scalar), kMostLines = 64;
  for (int64_t i = 0; i < std::min<int64_t>(input_count_, kMostLines * kLine); i += kLine) {
    __builtin_prefetch(pattern.inputs + i);
  }
  __builtin_prefetch(pattern.targets);
}

template <typename Scalar>
PatternSequence<Scalar> PatternSequence<Scalar>::Prefix(int64_t n) const {
  PatternSequence prefix = *this;
  prefix.count_ = n;
  prefix.chunks_.resize((n + chunk_capacity_ - 1) / chunk_capacity_);
  return prefix;
}

template <typename Scalar>
Patterns<Scalar> PatternSequence<Scalar>::Slice(int64_t begin, int64_t n) const {
  Patterns<Scalar> patterns{.inputs = Matrix<Scalar>(input_count_, n),
                            .targets = Matrix<Scalar>(target_count_, n),
                            .weights = RowVector<Scalar>(n)};
  Read(begin, n, patterns.inputs, patterns.targets, patterns.weights);
  return patterns;
}

template class PatternSequence<float>;
template class PatternSequence<double>;

}  // namespace backprop
