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

  // True when columns [from, from + n) are the caller's to write.
  bool Claim(int64_t from, int64_t n) { return used.compare_exchange_strong(from, from + n); }
  PatternRoom<Scalar> RoomAt(int64_t from, int64_t n) {
    return {inputs.col(from).data(), targets.col(from).data(), weights.data() + from, n};
  }
  // Gives claimed columns back, if nobody has claimed any behind them.
  void Release(int64_t from, int64_t n) {
    int64_t end = from + n;
    used.compare_exchange_strong(end, from);
  }
  void CopyColumns(const Chunk& other, int64_t from, int64_t n) {
    inputs.middleCols(from, n) = other.inputs.middleCols(from, n);
    targets.middleCols(from, n) = other.targets.middleCols(from, n);
    weights.segment(from, n) = other.weights.segment(from, n);
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
auto PatternSequence<Scalar>::NewChunk(int64_t used) const -> std::shared_ptr<Chunk> {
  auto chunk = std::make_shared<Chunk>(input_count_, target_count_, chunk_capacity_);
  chunk->used = used;
  return chunk;
}

template <typename Scalar>
std::vector<PatternRoom<Scalar>> PatternSequence<Scalar>::Extend(int64_t n) {
  std::vector<PatternRoom<Scalar>> rooms;
  if (n == 0) return rooms;
  std::vector<std::shared_ptr<Chunk>> chunks;  // In which the new patterns stand.
  const int64_t begin = PlaceOf(count_), end = begin + n;
  const auto chunk_count = static_cast<size_t>((end - 1) / chunk_capacity_ - begin / chunk_capacity_ + 1);
  rooms.reserve(chunk_count);
  chunks.reserve(chunk_count);
  chunks_.reserve(chunks_.size() + chunk_count);
  int64_t made_count = 0;
  for (int64_t place = begin; place < end;) {
    const int64_t used = place % chunk_capacity_, run = std::min(chunk_capacity_ - used, end - place);
    if (used > 0 && !chunks_.empty() && chunks_.back()->Claim(used, run)) {
      chunks.push_back(chunks_.back());
    } else {
      chunks.push_back(NewChunk(used + run));
      ++made_count;
      if (used > 0 && !chunks_.empty()) {
        const int64_t from = chunks_.size() == 1 ? first_ : 0;
        chunks.back()->CopyColumns(*chunks_.back(), from, used - from);
      }
    }
    rooms.push_back(chunks.back()->RoomAt(used, run));
    ProvidePages(rooms.back().inputs, run * input_count_ * int64_t{sizeof(Scalar)});
    ProvidePages(rooms.back().targets, run * target_count_ * int64_t{sizeof(Scalar)});
    place += run;
  }
  if (begin % chunk_capacity_ > 0 && !chunks_.empty()) chunks_.pop_back();
  chunks_.insert(chunks_.end(), chunks.begin(), chunks.end());
  count_ += n;
  made_chunk_count_ += made_count;
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
  PatternSequence tail = TailAt(count_);
  if (tail.first_ > 0 && !chunks_.empty()) tail.chunks_ = {chunks_.back()};
  return tail;
}

template <typename Scalar>
PatternSequence<Scalar> PatternSequence<Scalar>::TailAt(int64_t offset) const {
  PatternSequence tail(input_count_, target_count_);
  tail.first_ = PlaceOf(offset) % chunk_capacity_;
  return tail;
}

template <typename Scalar>
void PatternSequence<Scalar>::Clear() {
  if (count_ == 0) return;
  const int64_t run = std::min(count_, chunk_capacity_ - first_);
  chunks_.front()->Release(first_, run);
  chunks_.resize(first_ > 0 ? 1 : 0);
  count_ = 0;
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
