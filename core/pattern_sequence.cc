#include "core/pattern_sequence.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <bit>

namespace backprop {
namespace {

constexpr int64_t kChunkBytes = 1 << 20;
constexpr int64_t kMaxChunkCapacity = 4096;

// Has the system provide the pages of memory that is about to be written, all at once. Where each is faulted in, that
// may take longer than all else that is done for the patterns.
void ProvidePages(void* data, int64_t size) {
#ifdef MADV_POPULATE_WRITE  // Linux 5.14; without it they are faulted in.
  constexpr uintptr_t kPage = 4096;
  const auto begin = reinterpret_cast<uintptr_t>(data), end = begin + static_cast<uintptr_t>(size);
  const uintptr_t first = (begin + kPage - 1) / kPage * kPage, last = end / kPage * kPage;
  if (first + 4 * kPage <= last) madvise(reinterpret_cast<void*>(first), last - first, MADV_POPULATE_WRITE);
#else
  (void)data, (void)size;
#endif
}

}  // namespace

template <typename Scalar>
struct PatternSequence<Scalar>::Chunk {
  Chunk(int input_count, int target_count, int64_t capacity)
      : inputs(input_count, capacity), targets(target_count, capacity), weights(capacity) {}

  // True when columns [from, from + n) are the caller's to write. A written column is never written again.
  bool Claim(int64_t from, int64_t n) { return used.compare_exchange_strong(from, from + n); }
  PatternRoom<Scalar> RoomAt(int64_t from, int64_t n) {
    return {inputs.col(from).data(), targets.col(from).data(), weights.data() + from, n};
  }

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
std::vector<PatternRoom<Scalar>> PatternSequence<Scalar>::Extend(int64_t n) {
  std::vector<PatternRoom<Scalar>> rooms;
  while (n > 0) {
    const int64_t used = PlaceOf(count_) % chunk_capacity_;
    const int64_t run = std::min(chunk_capacity_ - used, n);
    if (used == 0) {
      chunks_.push_back(std::make_shared<Chunk>(input_count_, target_count_, chunk_capacity_));
      chunks_.back()->Claim(0, run);
    } else if (!chunks_.back()->Claim(used, run)) {
      const int64_t from = chunks_.size() == 1 ? first_ : 0;
      auto own = std::make_shared<Chunk>(input_count_, target_count_, chunk_capacity_);
      own->inputs.middleCols(from, used - from) = chunks_.back()->inputs.middleCols(from, used - from);
      own->targets.middleCols(from, used - from) = chunks_.back()->targets.middleCols(from, used - from);
      own->weights.segment(from, used - from) = chunks_.back()->weights.segment(from, used - from);
      own->Claim(0, used + run);
      chunks_.back() = std::move(own);
    }
    rooms.push_back(chunks_.back()->RoomAt(used, run));
    ProvidePages(rooms.back().inputs, run * input_count_ * int64_t{sizeof(Scalar)});
    count_ += run;
    n -= run;
  }
  return rooms;
}

template <typename Scalar>
void PatternSequence<Scalar>::Append(const Patterns<Scalar>& patterns) {
  int64_t done = 0;
  for (const PatternRoom<Scalar>& room : Extend(patterns.count())) {
    std::copy_n(patterns.inputs.data() + done * input_count_, room.count * input_count_, room.inputs);
    std::copy_n(patterns.targets.data() + done * target_count_, room.count * target_count_, room.targets);
    std::copy_n(patterns.weights.data() + done, room.count, room.weights);
    done += room.count;
  }
}

template <typename Scalar>
void PatternSequence<Scalar>::Append(const PatternSequence& patterns) {
  for (int64_t done = 0; done < patterns.count_;) {
    const int64_t from = patterns.PlaceOf(done) % chunk_capacity_, used = PlaceOf(count_) % chunk_capacity_;
    const std::shared_ptr<Chunk>& chunk = patterns.chunks_[patterns.PlaceOf(done) / chunk_capacity_];
    const int64_t run = std::min(chunk_capacity_ - from, patterns.count_ - done);
    if (from == used && (used == 0 || chunks_.back() == chunk)) {
      if (used == 0) chunks_.push_back(chunk);
      count_ += run;
    } else {
      int64_t at = done;
      for (const PatternRoom<Scalar>& room : Extend(run)) {
        patterns.Read(at, room.count, Eigen::Map<Matrix<Scalar>>(room.inputs, input_count_, room.count),
                      Eigen::Map<Matrix<Scalar>>(room.targets, target_count_, room.count),
                      Eigen::Map<RowVector<Scalar>>(room.weights, room.count));
        at += room.count;
      }
    }
    done += run;
  }
}

template <typename Scalar>
PatternSequence<Scalar> PatternSequence<Scalar>::Tail() const {
  PatternSequence tail(input_count_, target_count_);
  tail.first_ = PlaceOf(count_) % chunk_capacity_;
  if (tail.first_ > 0) tail.chunks_ = {chunks_.back()};
  return tail;
}

template <typename Scalar>
void PatternSequence<Scalar>::Read(int64_t begin, int64_t n, Columns<Scalar> inputs, Columns<Scalar> targets,
                                   Eigen::Ref<RowVector<Scalar>> weights) const {
  for (int64_t done = 0; done < n;) {
    const int64_t from = PlaceOf(begin + done) % chunk_capacity_;
    const int64_t run = std::min(chunk_capacity_ - from, n - done);
    const Chunk& chunk = *chunks_[PlaceOf(begin + done) / chunk_capacity_];
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
  const int64_t place = PlaceOf(index);
  const Chunk& chunk = *chunks_[place >> chunk_shift_];
  const int64_t column = place & (chunk_capacity_ - 1);
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
bool PatternSequence<Scalar>::HasAt(int64_t offset, const Patterns<Scalar>& patterns) const {
  return offset + patterns.count() <= count_ && Slice(offset, patterns.count()) == patterns;
}

template <typename Scalar>
bool PatternSequence<Scalar>::HasAt(int64_t offset, const PatternSequence& patterns) const {
  if (offset + patterns.count_ > count_) return false;
  for (int64_t done = 0; done < patterns.count_; done += chunk_capacity_) {
    const int64_t n = std::min(chunk_capacity_, patterns.count_ - done);
    if (!(Slice(offset + done, n) == patterns.Slice(done, n))) return false;
  }
  return true;
}

template <typename Scalar>
PatternSequence<Scalar> PatternSequence<Scalar>::Prefix(int64_t n) const {
  PatternSequence prefix = *this;
  prefix.count_ = n;
  prefix.chunks_.resize((PlaceOf(n) + chunk_capacity_ - 1) / chunk_capacity_);
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
