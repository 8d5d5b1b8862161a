// How sums over patterns are taken in parallel and yet in a fixed order.
#pragma once

#include <cstdint>
#include <functional>

#include "core/parallel_for.h"

namespace backprop {

// A batch is split into shards, which are summed at the same time, and each shard into chunks of patterns, which go
// through the network at once. A value.
struct BatchSplit {
  int64_t pattern_count;
  int shard_count;
  int64_t chunk_capacity;  // Patterns of a chunk, at most.

  int64_t begin(int shard) const { return pattern_count * shard / shard_count; }
};

// What one pattern and one shard take: all that the split depends on beside the number of patterns.
struct SplitCosts {
  int64_t pattern_numbers;        // Activations, or what else a chunk holds of a pattern.
  int64_t pattern_multiply_adds;  // The work on a pattern; of a forward pass as many as there are parameters.
  int64_t sum_numbers;            // Numbers that a shard sums.
};

BatchSplit SplitBatch(int64_t pattern_count, const SplitCosts& costs);

// What is done to the sums of shards; `shard` is below shard_count.
struct ShardSums {
  std::function<void(int shard)> clear;
  // Adds patterns [begin, begin + n), at most a chunk. False when it stopped on the way, where that takes long.
  std::function<bool(int shard, int64_t begin, int64_t n)> add_chunk;
  std::function<void(int into, int from)> add;
};

// Leaves the sum over the batch in shard 0. Every shard is summed from its first pattern to its last, and shards are
// added along a fixed tree: `parallel_for` changes no bit. False when a chunk, or `stopped`, asked before each, said
// so.
[[nodiscard]] bool SumOverBatch(const BatchSplit& split, const ShardSums& sums, const ParallelFor& parallel_for,
                                const StopCheck& stopped);

}  // namespace backprop
