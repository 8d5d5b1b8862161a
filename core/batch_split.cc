#include "core/batch_split.h"

#include <algorithm>
#include <array>

namespace backprop {
namespace {

// A shard is worth a thread only with so many multiply-adds and patterns in it.
constexpr int64_t kMinShardWork = 4'000'000;
constexpr int64_t kMinShardPatterns = 64;
constexpr int64_t kMaxShards = 16;
// All shards' sums together hold at most so many numbers, unless one alone holds more.
constexpr int64_t kMaxSumNumbers = 1 << 25;
// Enough patterns for matrix products at full speed.
constexpr int64_t kMaxChunkPatterns = 256;
constexpr int64_t kMaxChunkNumbers = 1 << 22;

}  // namespace

BatchSplit SplitBatch(int64_t pattern_count, const SplitCosts& costs) {
  // A pattern of more work than a shard's least makes no difference, and with that no product overflows.
  const int64_t by_work = pattern_count * std::min(costs.pattern_multiply_adds, kMinShardWork) / kMinShardWork;
  const int64_t by_patterns = pattern_count / kMinShardPatterns;
  const int64_t by_memory = kMaxSumNumbers / costs.sum_numbers;
  const int64_t shards = std::min({by_work, by_patterns, by_memory});
  const int64_t chunk = std::min(kMaxChunkNumbers / costs.pattern_numbers, pattern_count);
  return {.pattern_count = pattern_count,
          .shard_count = static_cast<int>(std::clamp<int64_t>(shards, 1, kMaxShards)),
          .chunk_capacity = std::clamp<int64_t>(chunk, 1, kMaxChunkPatterns)};
}

bool SumOverBatch(const BatchSplit& split, const ShardSums& sums, const ParallelFor& parallel_for,
                  const StopCheck& stopped) {
  std::array<bool, kMaxShards> shard_stopped = {};
  const std::function<void(int)> sum_shard = [&](int shard) {
    sums.clear(shard);
    const int64_t end = split.begin(shard + 1);
    for (int64_t begin = split.begin(shard); begin < end; begin += split.chunk_capacity) {
      const int64_t n = std::min(split.chunk_capacity, end - begin);
      shard_stopped[shard] = stopped() || !sums.add_chunk(shard, begin, n);
      if (shard_stopped[shard]) return;
    }
  };
  if (split.shard_count == 1) {
    sum_shard(0);
  } else {
    parallel_for(split.shard_count, sum_shard);
  }
  if (std::any_of(shard_stopped.begin(), shard_stopped.end(), [](bool stop) { return stop; })) return false;
  for (int stride = 1; stride < split.shard_count; stride *= 2) {
    for (int i = 0; i + stride < split.shard_count; i += 2 * stride) sums.add(i, i + stride);
  }
  return true;
}

}  // namespace backprop
