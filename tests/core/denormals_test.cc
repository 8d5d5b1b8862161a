#include "core/denormals.h"

#include <cmath>
#include <limits>

#include "core/initial_parameters.h"
#include "core/trainer.h"
#include "gtest/gtest.h"
#include "tests/support/compute.h"
#include "tests/support/random_network.h"
#include "tests/support/scalar_conversion.h"
#include "tests/support/training_sets.h"

namespace backprop {
namespace {

constexpr float kLeast = std::numeric_limits<float>::min();

float Half(float x) {
  volatile float value = x;
  return value * 0.5F;
}

TEST(DenormalsTest, AreZeroAsLongAsAskedFor) {
  EXPECT_GT(Half(kLeast), 0);
  {
    const DenormalsAreZero flush;
    EXPECT_EQ(Half(kLeast), 0);
  }
  EXPECT_GT(Half(kLeast), 0);
}

bool IsDenormal(float x) { return std::fpclassify(x) == FP_SUBNORMAL; }

class DenormalTrainingTest : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(ByBatchSize, DenormalTrainingTest, testing::Values(1, 4));

// With inputs below the least normal number every product with them would be denormal.
TEST_P(DenormalTrainingTest, MakesNoneAndLeavesTheThreadAsItWas) {
  const NetworkSpec spec = MakeSpec({.input_unit_count = 20, .hidden_layers = {{8}}, .output_unit_count = 1});
  Patterns<float> patterns = Cast<float>(MakePatterns(spec, 40, /*seed=*/1));
  patterns.inputs.setConstant(kLeast / 4);
  const TrainingTask<float> task{.spec = spec,
                                 .scalings = {},
                                 .options = {.batch_size = GetParam()},
                                 .epoch_count = 1,
                                 .patterns = PatternSequence(patterns)};
  Parameters<float> parameters(spec.layout());
  Trainer<float> trainer(task, parameters);
  while (!trainer.finished()) ASSERT_NE(trainer.Step(SequentialFor, NeverStop), Trainer<float>::Outcome::kDiverged);
  for (const float x : trainer.parameters().flat()) EXPECT_FALSE(IsDenormal(x));
  EXPECT_GT(trainer.parameters().biases(2).norm(), 0);
  EXPECT_GT(Half(kLeast), 0);
}

TEST(DenormalGradientTest, HasNone) {
  const NetworkSpec spec = MakeSpec({.input_unit_count = 20, .hidden_layers = {{8}}, .output_unit_count = 1});
  Patterns<float> patterns = Cast<float>(MakePatterns(spec, 40, /*seed=*/1));
  patterns.inputs.setConstant(kLeast / 4);
  const auto computed = Compute<float>(spec, {}, InitialParameters<float>(spec), patterns);
  for (const float x : computed.gradient.flat()) EXPECT_FALSE(IsDenormal(x));
}

}  // namespace
}  // namespace backprop
