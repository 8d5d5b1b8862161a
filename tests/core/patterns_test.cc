#include "core/patterns.h"

#include "gtest/gtest.h"
#include "tests/support/training_sets.h"

namespace backprop {
namespace {

TEST(PatternsTest, CountTheirInputs) {
  EXPECT_EQ(XorPatterns().count(), 4);
  EXPECT_EQ(Patterns<double>{}.count(), 0);
}

TEST(PatternsTest, EqualPatternsOfEqualNumbers) {
  Patterns<double> other = XorPatterns();
  EXPECT_EQ(other, XorPatterns());
  other.weights(3) = 2;
  EXPECT_FALSE(other == XorPatterns());
}

TEST(PatternsTest, OfAnotherCountAreNotEqual) {
  EXPECT_FALSE(XorPatterns() == EncoderPatterns(4));
  EXPECT_FALSE(XorPatterns() == Patterns<double>{});
}

}  // namespace
}  // namespace backprop
