#include "core/random.h"

#include <vector>

#include "gtest/gtest.h"

namespace backprop {
namespace {

constexpr int kDraws = 100'000;

TEST(RandomTest, GivesTheSameNumbersForTheSameSeed) {
  Random a(42), b(42), other(43), stream(42, 1);
  EXPECT_EQ(a.Uniform(), b.Uniform());
  EXPECT_NE(a.Uniform(), other.Uniform());
  EXPECT_NE(b.Uniform(), stream.Uniform());
}

TEST(RandomTest, CopiesWithItsState) {
  Random original(42);
  original.Uniform();
  Random copy = original;
  EXPECT_EQ(original.Uniform(), copy.Uniform());
}

// Pinned: sessions made by an older server must go on with the same bits. The numbers are those of another
// implementation of SplitMix64 and MT19937-64, in Python.
TEST(RandomTest, NeverChangesItsSequences) {
  Random random(1);
  EXPECT_EQ(random.Uniform(), 0.7026105238588776);
  EXPECT_EQ(random.Uniform(), 0.5322316503040578);
  EXPECT_DOUBLE_EQ(random.Normal(), -0.19399676114921874);  // The last bits of log1p and cos are the C library's own.
  EXPECT_EQ(random.Below(1'000'000), 917'257u);
  Random stream(1, 2);
  EXPECT_EQ(stream.Below(1'000'000), 349'108u);
  Random negative(-1);
  EXPECT_EQ(negative.Below(1'000'000), 721'191u);
}

// Four standard errors of the mean, sqrt(1/12/n), and of the mean of squares, sqrt(4/45/n): one seed in 8,000 exceeds.
TEST(RandomTest, IsUniformFromZeroToBelowOne) {
  Random random(7);
  double sum = 0, square_sum = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double value = random.Uniform();
    ASSERT_GE(value, 0);
    ASSERT_LT(value, 1);
    sum += value;
    square_sum += value * value;
  }
  EXPECT_NEAR(sum / kDraws, 0.5, 4 * std::sqrt(1.0 / 12 / kDraws));
  EXPECT_NEAR(square_sum / kDraws, 1.0 / 3, 4 * std::sqrt(4.0 / 45 / kDraws));
}

// Four standard errors each: variances of z, z^2, z^3, z^4 are 1, 2, 15 and 96.
TEST(RandomTest, HasTheMomentsOfANormal) {
  Random random(8);
  double moments[5] = {};
  for (int i = 0; i < kDraws; ++i) {
    const double z = random.Normal();
    for (int power = 1; power <= 4; ++power) moments[power] += std::pow(z, power) / kDraws;
  }
  EXPECT_NEAR(moments[1], 0, 4 * std::sqrt(1.0 / kDraws));
  EXPECT_NEAR(moments[2], 1, 4 * std::sqrt(2.0 / kDraws));
  EXPECT_NEAR(moments[3], 0, 4 * std::sqrt(15.0 / kDraws));
  EXPECT_NEAR(moments[4], 3, 4 * std::sqrt(96.0 / kDraws));
}

TEST(RandomTest, FallsBelowTheBoundEquallyOften) {
  for (const uint64_t bound : {1u, 2u, 3u, 7u, 8u}) {
    Random random(9);
    std::vector<int> counts(bound);
    for (int i = 0; i < kDraws; ++i) ++counts.at(random.Below(bound));
    // Four standard errors of a binomial count.
    const double mean = double{kDraws} / static_cast<double>(bound);
    for (const int count : counts) EXPECT_NEAR(count, mean, 4 * std::sqrt(mean));
  }
}

// Of 3/4 of 2^64, bits % bound would fall into the lower third twice as often as into the others.
TEST(RandomTest, HasNoBiasBelowAHugeBound) {
  Random random(10);
  const uint64_t bound = UINT64_C(3) << 62;
  int lower_third = 0;
  for (int i = 0; i < kDraws; ++i) {
    const uint64_t value = random.Below(bound);
    ASSERT_LT(value, bound);
    if (value < bound / 3) ++lower_third;
  }
  EXPECT_NEAR(lower_third, kDraws / 3.0, 4 * std::sqrt(kDraws * 2.0 / 9));
}

}  // namespace
}  // namespace backprop
