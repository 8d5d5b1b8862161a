#include "client/data/pattern_slice.h"

#include <gtest/gtest.h>

#include <vector>

namespace backprop::client {
namespace {

// Patterns of one input, 0 to `count` - 1, in batches of at most three.
class Counting final : public PatternReader {
 public:
  explicit Counting(int count) : count_(count) {}

  absl::StatusOr<std::optional<v1::Patterns>> Next(int32_t max_pattern_count) override {
    if (next_ == count_) return std::nullopt;
    v1::Patterns patterns;
    const int n = std::min({3, max_pattern_count, count_ - next_});
    patterns.mutable_inputs()->set_row_count(n);
    for (int i = 0; i < n; ++i) patterns.mutable_inputs()->add_values(static_cast<float>(next_++));
    return patterns;
  }

 private:
  int count_;
  int next_ = 0;
};

std::vector<float> ReadSlice(int64_t skip, std::optional<int64_t> count, int32_t batch) {
  PatternSlice slice(std::make_unique<Counting>(10), skip, count);
  std::vector<float> read;
  for (auto next = slice.Next(batch); next.ok() && *next; next = slice.Next(batch)) {
    EXPECT_LE((*next)->inputs().row_count(), batch);
    read.insert(read.end(), (*next)->inputs().values().begin(), (*next)->inputs().values().end());
  }
  return read;
}

TEST(PatternSliceTest, IsAllWithoutSkipAndCount) { EXPECT_EQ(ReadSlice(0, std::nullopt, 4).size(), 10); }

TEST(PatternSliceTest, LeavesOutTheFirst) { EXPECT_EQ(ReadSlice(7, std::nullopt, 2), (std::vector<float>{7, 8, 9})); }

TEST(PatternSliceTest, TakesTheCountBehindTheSkip) {
  EXPECT_EQ(ReadSlice(4, 4, 100), (std::vector<float>{4, 5, 6, 7}));
  EXPECT_EQ(ReadSlice(4, 4, 1), (std::vector<float>{4, 5, 6, 7}));
}

TEST(PatternSliceTest, IsEmptyBehindTheEnd) {
  EXPECT_TRUE(ReadSlice(10, std::nullopt, 5).empty());
  EXPECT_TRUE(ReadSlice(100, 3, 5).empty());
}

TEST(PatternSliceTest, TakesWhatThereIsOfALargerCount) { EXPECT_EQ(ReadSlice(8, 5, 5), (std::vector<float>{8, 9})); }

}  // namespace
}  // namespace backprop::client
