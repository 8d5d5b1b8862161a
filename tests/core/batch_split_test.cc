#include "core/batch_split.h"

#include <atomic>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/thread_for.h"

namespace backprop {
namespace {

constexpr SplitCosts kCheap = {.pattern_numbers = 10, .pattern_multiply_adds = 10, .sum_numbers = 10};
constexpr SplitCosts kDear = {.pattern_numbers = 10, .pattern_multiply_adds = 1'000'000, .sum_numbers = 10};

TEST(SplitBatchTest, MakesAShardOfLittleWork) {
  const BatchSplit split = SplitBatch(10'000, kCheap);
  EXPECT_EQ(split.shard_count, 1);
  EXPECT_EQ(split.chunk_capacity, 256);
  EXPECT_EQ(split.begin(1), 10'000);
}

TEST(SplitBatchTest, MakesAtMostSixteenShardsOfAtLeast64Patterns) {
  EXPECT_EQ(SplitBatch(127, kDear).shard_count, 1);
  EXPECT_EQ(SplitBatch(128, kDear).shard_count, 2);
  EXPECT_EQ(SplitBatch(1'000'000, kDear).shard_count, 16);
}

TEST(SplitBatchTest, BoundsTheNumbersOfSumsAndChunks) {
  SplitCosts costs = kDear;
  costs.sum_numbers = 1 << 24;
  EXPECT_EQ(SplitBatch(1'000'000, costs).shard_count, 2);
  costs.sum_numbers = int64_t{1} << 40;
  EXPECT_EQ(SplitBatch(1'000'000, costs).shard_count, 1);
  costs.pattern_numbers = 1 << 20;
  EXPECT_EQ(SplitBatch(1'000'000, costs).chunk_capacity, 4);
  costs.pattern_numbers = int64_t{1} << 40;
  EXPECT_EQ(SplitBatch(1'000'000, costs).chunk_capacity, 1);
}

TEST(SplitBatchTest, TakesTheLargestSetAndAnyWork) {
  SplitCosts costs = kDear;
  costs.pattern_multiply_adds = std::numeric_limits<int64_t>::max();
  const BatchSplit split = SplitBatch(std::numeric_limits<int32_t>::max(), costs);
  EXPECT_EQ(split.shard_count, 16);
  EXPECT_EQ(split.begin(16), std::numeric_limits<int32_t>::max());
}

TEST(SplitBatchTest, OfNoPatternsIsAnEmptyShard) {
  const BatchSplit split = SplitBatch(0, kCheap);
  EXPECT_EQ(split.shard_count, 1);
  EXPECT_EQ(split.begin(1), 0);
}

// Sums that show in which order they were made.
class SumOverBatchTest : public testing::Test {
 protected:
  const BatchSplit split_ = {.pattern_count = 11, .shard_count = 3, .chunk_capacity = 2};
  std::vector<std::string> sums_ = std::vector<std::string>(3, "left over");

  bool Sum(const ParallelFor& parallel_for, const StopCheck& stopped, int64_t failing_begin = -1) {
    const ShardSums sums = {.clear = [&](int shard) { sums_[shard].clear(); },
                            .add_chunk =
                                [&](int shard, int64_t begin, int64_t n) {
                                  for (int64_t t = begin; t < begin + n; ++t) sums_[shard] += std::to_string(t) + " ";
                                  sums_[shard] += "| ";
                                  return begin != failing_begin;
                                },
                            .add = [&](int into, int from) { sums_[into] = "(" + sums_[into] + sums_[from] + ")"; }};
    return SumOverBatch(split_, sums, parallel_for, stopped);
  }
};

TEST_F(SumOverBatchTest, TakesPatternsInOrderAndShardsAlongATree) {
  for (const auto& parallel_for : {ParallelFor(SequentialFor), ThreadFor(1), ThreadFor(2), ThreadFor(3)}) {
    ASSERT_TRUE(Sum(parallel_for, NeverStop));
    EXPECT_EQ(sums_.front(), "((0 1 | 2 | 3 4 | 5 6 | )7 8 | 9 10 | )");
  }
}

TEST_F(SumOverBatchTest, StopsBeforeAChunk) {
  int asked = 0;
  EXPECT_FALSE(Sum(SequentialFor, [&] { return ++asked == 2; }));
  EXPECT_EQ(sums_.front(), "0 1 | ");
}

TEST_F(SumOverBatchTest, StopsWithAChunkThatDid) {
  EXPECT_FALSE(Sum(SequentialFor, NeverStop, /*failing_begin=*/9));
  EXPECT_TRUE(Sum(SequentialFor, NeverStop));
}

}  // namespace
}  // namespace backprop
