#include "core/pattern_sequence.h"

#include <algorithm>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace backprop {
namespace {

// A chunk holds 1 MiB, or 4096 patterns where they are small: these are.
constexpr int64_t kChunk = 4096;

// `count` patterns, numbered from `first`: 2 inputs, 1 target and the weight of pattern i tell i.
Patterns<float> Numbered(int64_t first, int64_t count) {
  Patterns<float> patterns{
      .inputs = Matrix<float>(2, count), .targets = Matrix<float>(1, count), .weights = RowVector<float>(count)};
  for (int64_t t = 0; t < count; ++t) {
    const auto number = static_cast<float>(first + t);
    patterns.inputs.col(t) << number, -number;
    patterns.targets(0, t) = number + 0.25f;
    patterns.weights(t) = number + 0.5f;
  }
  return patterns;
}

PatternSequence<float> SequenceOfNumbered(int64_t count) {
  PatternSequence<float> sequence(2, 1);
  sequence.Append(Numbered(0, count));
  return sequence;
}

Patterns<float> All(const PatternSequence<float>& sequence) { return sequence.Slice(0, sequence.count()); }

TEST(PatternSequenceTest, IsEmptyAtFirst) {
  const PatternSequence<float> sequence(2, 1);
  EXPECT_EQ(sequence.count(), 0);
  EXPECT_EQ(sequence.byte_count(), 0);
  EXPECT_EQ(sequence.Slice(0, 0).count(), 0);
}

TEST(PatternSequenceTest, KnowsItsBytes) {
  EXPECT_EQ(SequenceOfNumbered(10).bytes_per_pattern(), (2 + 1 + 1) * 4);
  EXPECT_EQ(SequenceOfNumbered(10).byte_count(), 160);
  EXPECT_EQ(PatternSequence<double>(2, 1).bytes_per_pattern(), 32);
}

TEST(PatternSequenceTest, KeepsPatternsAcrossChunkBorders) {
  PatternSequence<float> sequence(2, 1);
  int64_t count = 0;
  for (const int64_t n : {int64_t{1}, kChunk - 2, int64_t{1}, int64_t{1}, kChunk, 3 * kChunk + 5, int64_t{0}}) {
    sequence.Append(Numbered(count, n));
    count += n;
    ASSERT_EQ(sequence.count(), count);
  }
  EXPECT_EQ(All(sequence), Numbered(0, count));
}

TEST(PatternSequenceTest, SlicesAcrossChunkBorders) {
  const PatternSequence<float> sequence = SequenceOfNumbered(3 * kChunk);
  for (const int64_t begin : {int64_t{0}, int64_t{1}, kChunk - 1, kChunk, kChunk + 1, 2 * kChunk - 3}) {
    for (const int64_t n : {int64_t{0}, int64_t{1}, int64_t{2}, kChunk, kChunk + 1}) {
      EXPECT_EQ(sequence.Slice(begin, n), Numbered(begin, n)) << begin << " " << n;
    }
  }
}

TEST(PatternSequenceTest, GathersTheColumnsOfSlices) {
  const PatternSequence<float> sequence = SequenceOfNumbered(2 * kChunk + 9);
  const std::vector<int32_t> indices = {static_cast<int32_t>(sequence.count() - 1), 0, kChunk, kChunk - 1, 7, 7};
  // One column more than asked for, which stays as it was.
  Patterns<float> gathered = Numbered(0, 7);
  sequence.Gather(indices, gathered.inputs, gathered.targets, gathered.weights);
  for (size_t i = 0; i < indices.size(); ++i) {
    const auto t = static_cast<Eigen::Index>(i);
    const Patterns<float> expected = sequence.Slice(indices[i], 1);
    EXPECT_EQ(gathered.inputs.col(t), expected.inputs.col(0));
    EXPECT_EQ(gathered.targets(t), expected.targets(0));
    EXPECT_EQ(gathered.weights(t), expected.weights(0));
  }
  EXPECT_EQ(gathered.weights(6), 6.5f);
}

TEST(PatternSequenceTest, KeepsOnePatternLargerThanAChunk) {
  constexpr int kUnits = 200'000;  // Of doubles: 1.6 MB a pattern.
  PatternSequence<double> sequence(kUnits, 1);
  Patterns<double> patterns{.inputs = Matrix<double>::Random(kUnits, 3),
                            .targets = Matrix<double>::Random(1, 3),
                            .weights = RowVector<double>::Ones(3)};
  sequence.Append(patterns);
  EXPECT_EQ(sequence.Slice(0, 3), patterns);
}

TEST(PatternSequenceTest, CopiesAreValues) {
  for (const int64_t shared : {int64_t{0}, int64_t{5}, kChunk, kChunk + 5}) {
    PatternSequence<float> original = SequenceOfNumbered(shared);
    PatternSequence<float> copy = original;
    copy.Append(Numbered(1000, 3));  // The first to append behind the shared end ...
    original.Append(Numbered(2000, 4));
    copy.Append(Numbered(1003, 2));
    original.Append(Numbered(2004, 1));
    EXPECT_EQ(original.Slice(0, shared), Numbered(0, shared)) << shared;
    EXPECT_EQ(copy.Slice(0, shared), Numbered(0, shared)) << shared;
    EXPECT_EQ(original.Slice(shared, 5), Numbered(2000, 5)) << shared;
    EXPECT_EQ(copy.Slice(shared, 5), Numbered(1000, 5)) << shared;
  }
}

// Whether patterns [from, from + n) of `a` are in the memory of patterns [0, n) of `b`.
bool Shares(const PatternSequence<float>& a, int64_t from, const PatternSequence<float>& b) {
  bool shares = b.count() > 0;
  for (int64_t i = 0; i < b.count(); ++i) shares = shares && a[from + i].inputs == b[i].inputs;
  return shares;
}

TEST(PatternSequenceTest, TakesOverWhatWasAppendedToItsTail) {
  for (const int64_t before : {int64_t{0}, int64_t{5}, kChunk - 1, kChunk, 2 * kChunk + 7}) {
    for (const int64_t n : {int64_t{1}, int64_t{2}, kChunk, 2 * kChunk + 1}) {
      PatternSequence<float> sequence = SequenceOfNumbered(before);
      PatternSequence<float> batch = sequence.Tail();
      EXPECT_EQ(batch.count(), 0);
      batch.Append(Numbered(before, n));
      PatternSequence<float> next = batch.Tail();
      next.Append(Numbered(before + n, 3));
      EXPECT_EQ(All(batch), Numbered(before, n));
      EXPECT_TRUE(batch.Prefix(1).HasAt(0, Numbered(before, 1)));
      sequence.Append(batch);
      sequence.Append(next);
      EXPECT_EQ(All(sequence), Numbered(0, before + n + 3)) << before << " " << n;
      EXPECT_TRUE(Shares(sequence, before, batch));
      EXPECT_TRUE(Shares(sequence, before + n, next));
    }
  }
}

TEST(PatternSequenceTest, CopiesWhatStandsElsewhere) {
  for (const int64_t before : {int64_t{0}, int64_t{5}, kChunk}) {
    PatternSequence<float> sequence = SequenceOfNumbered(before);
    PatternSequence<float> batch = sequence.Tail(), late = sequence.Tail();
    batch.Append(Numbered(before + 2, kChunk + 1));
    late.Append(Numbered(before + kChunk + 3, kChunk + 1));  // Its room is taken: it writes to its own.
    sequence.Append(Numbered(before, 2));
    sequence.Append(batch);
    sequence.Append(late);
    EXPECT_EQ(All(sequence), Numbered(0, before + 2 * kChunk + 4)) << before;
    EXPECT_FALSE(Shares(sequence, before + 2, batch));
    EXPECT_EQ(All(batch), Numbered(before + 2, kChunk + 1));
  }
}

TEST(PatternSequenceTest, GivesTheRoomOfATailBack) {
  for (const int64_t before : {int64_t{0}, int64_t{5}, kChunk - 2}) {
    PatternSequence<float> sequence = SequenceOfNumbered(before);
    PatternSequence<float> refused = sequence.Tail();
    refused.Append(Numbered(99, kChunk + 1));
    refused.Clear();
    EXPECT_EQ(refused.count(), 0);
    refused.Clear();
    PatternSequence<float> batch = sequence.Tail();
    batch.Append(Numbered(before, 2));
    sequence.Append(batch);
    EXPECT_EQ(All(sequence), Numbered(0, before + 2));
    EXPECT_TRUE(Shares(sequence, before, batch));
    EXPECT_EQ(batch.made_byte_count() > 0, before == 0) << "it stands in the room that was given back";
    refused.Append(Numbered(7, 3));
    EXPECT_EQ(All(refused), Numbered(7, 3));
  }
}

TEST(PatternSequenceTest, SharesChunksThatWereMadeForItsPlace) {
  PatternSequence<float> sequence = SequenceOfNumbered(10);
  PatternSequence<float> early = PatternSequence<float>(2, 1).TailAt(14), more = early;
  early.Append(Numbered(14, 2 * kChunk));
  EXPECT_EQ(early.made_byte_count(), 3 * kChunk * 16);
  more = early.Tail();
  more.Append(Numbered(14 + 2 * kChunk, 1));
  EXPECT_EQ(more.made_byte_count(), 0);
  sequence.Append(Numbered(10, 4));
  sequence.Append(early);
  sequence.Append(more);
  EXPECT_EQ(All(sequence), Numbered(0, 15 + 2 * kChunk));
  EXPECT_FALSE(Shares(sequence, 14, early.Prefix(1)));
  EXPECT_EQ(sequence[kChunk].inputs, early[kChunk - 14].inputs);
  EXPECT_EQ(sequence[14 + 2 * kChunk].inputs, more[0].inputs);
}

TEST(PatternSequenceTest, RoomsAreFilledInOrder) {
  PatternSequence<float> sequence = SequenceOfNumbered(kChunk - 3);
  int64_t count = sequence.count();
  for (const PatternRoom<float>& room : sequence.Extend(kChunk + 10)) {
    const Patterns<float> some = Numbered(count, room.count);
    std::copy_n(some.inputs.data(), some.inputs.size(), room.inputs);
    std::copy_n(some.targets.data(), some.targets.size(), room.targets);
    std::copy_n(some.weights.data(), some.weights.size(), room.weights);
    count += room.count;
  }
  EXPECT_EQ(All(sequence), Numbered(0, 2 * kChunk + 7));
  EXPECT_TRUE(sequence.Extend(0).empty());
}

TEST(PatternSequenceTest, KnowsWhatItHas) {
  const PatternSequence<float> sequence = SequenceOfNumbered(kChunk + 9);
  for (const int64_t offset : {int64_t{0}, kChunk - 2, kChunk + 4}) {
    EXPECT_TRUE(sequence.HasAt(offset, Numbered(offset, 5)));
    EXPECT_TRUE(sequence.HasAt(offset, PatternSequence<float>(Numbered(offset, 5))));
    EXPECT_FALSE(sequence.HasAt(offset, PatternSequence<float>(Numbered(offset + 1, 5))));
    EXPECT_FALSE(sequence.HasAt(offset + 5, PatternSequence<float>(Numbered(offset + 5, kChunk + 5 - offset))));
  }
  EXPECT_FALSE(sequence.HasAt(kChunk + 5, Numbered(kChunk + 5, 5)));
}

TEST(PatternSequenceTest, OutlivesTheCopyThatItSharesWith) {
  PatternSequence<float> copy(2, 1);
  {
    PatternSequence<float> original = SequenceOfNumbered(5);
    copy = original;
    original.Append(Numbered(2000, 4));
  }
  copy.Append(Numbered(5, 3));
  EXPECT_EQ(All(copy), Numbered(0, 8));
}

TEST(PatternSequenceTest, KeepsItsLeaseForAsLongAsACopyLives) {
  auto lease = std::make_shared<int>();
  const std::weak_ptr<int> watched = lease;
  auto original = std::make_unique<PatternSequence<float>>(2, 1);
  original->set_lease(std::move(lease));
  auto copy = std::make_unique<PatternSequence<float>>(*original);
  original.reset();
  EXPECT_FALSE(watched.expired());
  copy.reset();
  EXPECT_TRUE(watched.expired());
}

// What ThreadSanitizer watches: copies read and append on threads of their own while the owner appends.
TEST(PatternSequenceTest, CopiesMayBeUsedOnOtherThreads) {
  PatternSequence<float> owner = SequenceOfNumbered(kChunk - 50);
  std::vector<std::jthread> threads;
  std::vector<int> good(4);
  for (size_t i = 0; i < good.size(); ++i) {
    threads.emplace_back([&good, i, copy = owner]() mutable {
      const int64_t before = copy.count();
      for (int round = 0; round < 50; ++round) {
        if (i % 2 == 0) copy.Append(Numbered(copy.count(), 3));
        good[i] += All(copy) == Numbered(0, copy.count()) && copy.Slice(before - 9, 9) == Numbered(before - 9, 9);
      }
    });
    owner.Append(Numbered(owner.count(), 40));
  }
  threads.clear();
  EXPECT_EQ(good, std::vector<int>(4, 50));
  EXPECT_EQ(All(owner), Numbered(0, kChunk - 50 + 160));
}

}  // namespace
}  // namespace backprop
