#include "server/sessions/pattern_sets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/error.h"
#include "tests/server/sessions/session_world.h"

namespace backprop::server {
namespace {

using Sets = PatternSets<double>;

constexpr std::chrono::system_clock::time_point kTime(std::chrono::seconds(1'000));

// `patterns` [begin, begin + n).
Patterns<double> Part(const Patterns<double>& patterns, int64_t begin, int64_t n) {
  return {patterns.inputs.middleCols(begin, n), patterns.targets.middleCols(begin, n),
          patterns.weights.segment(begin, n)};
}

class PatternSetsTest : public testing::Test {
 protected:
  absl::Status Append(const std::string& id, std::optional<int64_t> offset, const Patterns<double>& patterns) {
    MemoryCharge charge(&budget_);
    if (absl::Status status = sets_.Check(id, offset, patterns, &charge); !status.ok()) return status;
    sets_.Append(id, /*key=*/1, PatternSequence<double>(patterns), kTime, std::move(charge));
    return absl::OkStatus();
  }

  MemoryBudget budget_{1 << 20};
  Sets sets_{2, 1, &budget_};
  const Patterns<double> patterns_ = SmallPatterns(10);
};

TEST_F(PatternSetsTest, AtTheNextOffsetPatternsAreAppended) {
  EXPECT_TRUE(Append("s", 0, Part(patterns_, 0, 4)).ok());
  EXPECT_TRUE(Append("s", 4, Part(patterns_, 4, 3)).ok());
  EXPECT_TRUE(Append("s", std::nullopt, Part(patterns_, 7, 3)).ok());
  EXPECT_EQ(sets_.Get("s")->Slice(0, 10), patterns_);
  EXPECT_EQ(sets_.NextOffset("s"), 10);
}

TEST_F(PatternSetsTest, BelowTheEndTheSamePatternsAreThereAlready) {
  ASSERT_TRUE(Append("s", 0, patterns_).ok());
  for (int64_t begin = 0; begin < 10; ++begin) {
    const absl::Status status = Append("s", begin, Part(patterns_, begin, 10 - begin));
    EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists);
    EXPECT_EQ(ReasonOf(status), "PATTERNS_ALREADY_STORED");
  }
  EXPECT_EQ(sets_.NextOffset("s"), 10);
}

TEST_F(PatternSetsTest, BelowTheEndOtherPatternsAreRefused) {
  ASSERT_TRUE(Append("s", 0, patterns_).ok());
  for (Patterns<double> other : {Part(patterns_, 1, 2), Part(patterns_, 3, 2)}) {
    EXPECT_EQ(ReasonOf(Append("s", 2, other)), "PATTERNS_DIFFER");
  }
  Patterns<double> target = Part(patterns_, 2, 2), weight = Part(patterns_, 2, 2);
  target.targets(0, 1) += 1;
  weight.weights(1) = 2;
  EXPECT_EQ(Append("s", 2, target).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Append("s", 2, weight).code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(PatternSetsTest, PatternsThatReachBeyondTheEndAreNotTheSame) {
  ASSERT_TRUE(Append("s", 0, Part(patterns_, 0, 6)).ok());
  const absl::Status status = Append("s", 4, Part(patterns_, 4, 4));
  EXPECT_EQ(ReasonOf(status), "PATTERNS_DIFFER");
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("next offset, 6"));
}

TEST_F(PatternSetsTest, ASetIsFilledToItsLimitAndNotBeyond) {
  EXPECT_EQ(kMaxPatternsPerSet, 2'147'483'647);  // Too many to store here.
  Sets sets(2, 1, &budget_, /*max_patterns=*/6);
  MemoryCharge charge(&budget_);
  ASSERT_TRUE(sets.Check("s", 0, Part(patterns_, 0, 4), &charge).ok());
  sets.Append("s", /*key=*/1, PatternSequence<double>(Part(patterns_, 0, 4)), kTime, std::move(charge));
  MemoryCharge more(&budget_);
  EXPECT_TRUE(sets.Check("s", 4, Part(patterns_, 4, 2), &more).ok());
  const absl::Status status = sets.Check("s", 4, Part(patterns_, 4, 3), &more);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReasonOf(status), "PATTERN_LIMIT");
}

TEST_F(PatternSetsTest, BeyondTheEndIsOutOfRange) {
  EXPECT_EQ(Append("s", 1, patterns_).code(), absl::StatusCode::kOutOfRange);
  ASSERT_TRUE(Append("s", 0, patterns_).ok());
  EXPECT_EQ(ReasonOf(Append("s", 11, patterns_)), "OFFSET_BEYOND_END");
  EXPECT_EQ(ReasonOf(Append("s", std::numeric_limits<int64_t>::max(), patterns_)), "OFFSET_BEYOND_END");
}

TEST_F(PatternSetsTest, SixtyFourSetsAreTheLimit) {
  for (int i = 0; i < 64; ++i) ASSERT_TRUE(Append(absl::StrCat("s", i), 0, Part(patterns_, 0, 1)).ok());
  EXPECT_EQ(ReasonOf(Append("one-more", 0, Part(patterns_, 0, 1))), "PATTERN_SET_LIMIT");
  EXPECT_TRUE(Append("s63", 1, Part(patterns_, 1, 1)).ok());
  ASSERT_TRUE(sets_.Delete("s0").ok());
  EXPECT_TRUE(Append("one-more", 0, Part(patterns_, 0, 1)).ok());
}

TEST_F(PatternSetsTest, MemoryIsTakenToTheLimitAndGivenBackByDelete) {
  const int64_t bytes = PatternSequence<double>(2, 1).bytes_per_pattern();
  MemoryBudget budget(bytes * 10);
  Sets sets(2, 1, &budget);
  MemoryCharge charge(&budget), more(&budget);
  ASSERT_TRUE(sets.Check("s", 0, patterns_, &charge).ok());
  sets.Append("s", /*key=*/1, PatternSequence<double>(patterns_), kTime, std::move(charge));
  EXPECT_EQ(budget.used_bytes(), bytes * 10);
  EXPECT_EQ(ReasonOf(sets.Check("s", 10, Part(patterns_, 0, 1), &more)), "MEMORY_LIMIT");
  ASSERT_TRUE(sets.Delete("s").ok());
  EXPECT_EQ(budget.used_bytes(), 0);
}

TEST_F(PatternSetsTest, ListGoesInOrderOfNameAndDescribes) {
  ASSERT_TRUE(Append("b", 0, patterns_).ok());
  ASSERT_TRUE(Append("a", 0, Part(patterns_, 0, 3)).ok());
  const std::vector<PatternSetDescription> list = sets_.List();
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[0].id, "a");
  EXPECT_EQ(list[0].pattern_count, 3);
  EXPECT_EQ(list[1].byte_count, sets_.Get("b")->byte_count());
}

TEST_F(PatternSetsTest, UnknownSetsAreNotFound) {
  EXPECT_EQ(ReasonOf(sets_.Get("s").status()), "PATTERN_SET_NOT_FOUND");
  EXPECT_EQ(ReasonOf(sets_.Describe("s").status()), "PATTERN_SET_NOT_FOUND");
  EXPECT_EQ(ReasonOf(sets_.Delete("s")), "PATTERN_SET_NOT_FOUND");
  EXPECT_EQ(sets_.NextOffset("s"), 0);
}

TEST_F(PatternSetsTest, ASequenceTakenEarlierDoesNotGrow) {
  ASSERT_TRUE(Append("s", 0, Part(patterns_, 0, 4)).ok());
  const PatternSequence<double> early = sets_.Get("s").value();
  ASSERT_TRUE(Append("s", 4, Part(patterns_, 4, 6)).ok());
  EXPECT_EQ(early.count(), 4);
}

TEST_F(PatternSetsTest, ACopyIsIndependentOfItsSource) {
  ASSERT_TRUE(Append("s", 0, Part(patterns_, 0, 4)).ok());
  Sets copy(2, 1, &budget_);
  ASSERT_TRUE(copy.CopyFrom(sets_, kTime).ok());
  ASSERT_TRUE(Append("s", 4, Part(patterns_, 4, 2)).ok());
  MemoryCharge charge(&budget_);
  ASSERT_TRUE(copy.Check("s", 4, Part(patterns_, 8, 2), &charge).ok());
  copy.Append("s", /*key=*/1, PatternSequence<double>(Part(patterns_, 8, 2)), kTime, std::move(charge));
  EXPECT_EQ(sets_.Get("s")->Slice(4, 2), Part(patterns_, 4, 2));
  EXPECT_EQ(copy.Get("s")->Slice(4, 2), Part(patterns_, 8, 2));
}

}  // namespace
}  // namespace backprop::server
