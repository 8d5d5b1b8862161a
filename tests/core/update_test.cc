#include "core/update.h"

#include <cmath>
#include <limits>

#include "gtest/gtest.h"
#include "tests/support/random_network.h"

namespace backprop {
namespace {

// One input, one output: parameters are a weight and a bias.
template <typename Scalar>
class UpdateTest : public testing::Test {
 protected:
  UpdateTest() : parameters_(spec_.layout()), gradient_(spec_.layout()) {
    parameters_.flat() << 10, 20;
    gradient_.flat() << 3, 4;
  }

  // The norm that Update returns. A step size of 1 shows the gradient that the optimizer gets.
  double UpdateWith(const TrainingOptions& options, double weight_sum = 1) {
    return Update(options, /*step_size=*/1, weight_sum, &gradient_, &state_, &parameters_);
  }

  static NetworkSpec Spec() { return MakeSpec({.input_unit_count = 1, .output_unit_count = 1}); }

  const NetworkSpec spec_ = Spec();
  Parameters<Scalar> parameters_, gradient_;
  OptimizerState<Scalar> state_;
};

using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(UpdateTest, Scalars);

TYPED_TEST(UpdateTest, OfSumAddsTheSumItself) {
  EXPECT_EQ(this->UpdateWith({.reduction = Reduction::kSum}, /*weight_sum=*/8), 5);
  EXPECT_EQ(this->parameters_.flat(), (Vector<TypeParam>{{13, 24}}));
}

TYPED_TEST(UpdateTest, OfMeanDividesByTheWeights) {
  EXPECT_EQ(this->UpdateWith({.reduction = Reduction::kMean}, /*weight_sum=*/8), 5.0 / 8);
  EXPECT_EQ(this->parameters_.flat(), (Vector<TypeParam>{{10 + 3.0 / 8, 20.5}}));
}

TYPED_TEST(UpdateTest, OfMeanOfNoWeightIsZero) {
  this->gradient_.flat().setZero();
  EXPECT_EQ(this->UpdateWith({.reduction = Reduction::kMean}, /*weight_sum=*/0), 0);
  EXPECT_EQ(this->parameters_.flat(), (Vector<TypeParam>{{10, 20}}));
}

TYPED_TEST(UpdateTest, LimitsTheNormButReturnsTheOneBefore) {
  EXPECT_EQ(this->UpdateWith({.gradient_norm_limit = 2.5}), 5);
  EXPECT_EQ(this->parameters_.flat(), (Vector<TypeParam>{{11.5, 22}}));
}

TYPED_TEST(UpdateTest, LeavesGradientsWithinTheLimitAlone) {
  EXPECT_EQ(this->UpdateWith({.gradient_norm_limit = 5}), 5);
  EXPECT_EQ(this->parameters_.flat(), (Vector<TypeParam>{{13, 24}}));
}

TYPED_TEST(UpdateTest, LimitsTheReducedGradient) {
  EXPECT_EQ(this->UpdateWith({.reduction = Reduction::kMean, .gradient_norm_limit = 0.625}, /*weight_sum=*/8), 0.625);
  EXPECT_EQ(this->parameters_.flat(), (Vector<TypeParam>{{10 + 3.0 / 8, 20.5}}));
}

TYPED_TEST(UpdateTest, DecaysWeightsNotBiases) {
  EXPECT_EQ(this->UpdateWith({.weight_decay = 0.5}), 5);
  EXPECT_EQ(this->parameters_.flat(), (Vector<TypeParam>{{10 + 3 - 5, 24}}));
}

TYPED_TEST(UpdateTest, DecaysAfterTheLimitAndWhateverTheReduction) {
  this->UpdateWith({.reduction = Reduction::kMean, .weight_decay = 0.5, .gradient_norm_limit = 2.5}, /*weight_sum=*/1);
  EXPECT_EQ(this->parameters_.flat(), (Vector<TypeParam>{{10 + 1.5 - 5, 22}}));
}

// The square of the largest number overflows, the norm of one does not.
TYPED_TEST(UpdateTest, KnowsNormsWhoseSquaresOverflow) {
  const TypeParam huge = std::numeric_limits<TypeParam>::max() / 2;
  this->gradient_.flat() << huge, 0;
  EXPECT_DOUBLE_EQ(this->UpdateWith({.gradient_norm_limit = 1}), double{huge});
  EXPECT_EQ(this->parameters_.flat(), (Vector<TypeParam>{{11, 20}}));
}

TYPED_TEST(UpdateTest, ChangesNothingWhenTheNormIsNotFinite) {
  for (const TypeParam bad :
       {std::numeric_limits<TypeParam>::quiet_NaN(), std::numeric_limits<TypeParam>::infinity()}) {
    this->gradient_.flat() << bad, 1;
    EXPECT_FALSE(std::isfinite(this->UpdateWith({.optimizer = Adam{}, .weight_decay = 0.5})));
    EXPECT_EQ(this->parameters_.flat(), (Vector<TypeParam>{{10, 20}}));
    EXPECT_EQ(this->state_.step_count, 0);
    EXPECT_EQ(this->state_.first.size(), 0);
  }
}

}  // namespace
}  // namespace backprop
