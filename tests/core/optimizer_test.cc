#include "core/optimizer.h"

#include <cmath>
#include <limits>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/near.h"
#include "tests/support/scalar_conversion.h"
#include "tests/support/scalar_training.h"

namespace backprop {
namespace {

constexpr double kStepSize = 0.1;

struct OptimizerCase {
  const char* name;
  OptimizerOptions options;
};

const OptimizerCase kCases[] = {
    {"Ascent", GradientAscent{}},
    {"Momentum", GradientAscent{.momentum = 0.9}},
    {"Nesterov", GradientAscent{.momentum = 0.9, .nesterov = true}},
    {"Adam", Adam{}},
    {"AdamOfOtherNumbers", Adam{.beta1 = 0.5, .beta2 = 0.9, .epsilon = 0.01}},
    {"AdamWithoutMemory", Adam{.beta1 = 0, .beta2 = 0}},
    {"Rprop", Rprop{}},
    {"RpropAtItsLimits", Rprop{.increase_factor = 2, .min_step_size = 0.05, .max_step_size = 0.3}},
};

// Gradients of three parameters over 30 steps: one keeps its sign, one changes it, one is 0 at times.
Vector<double> Gradient(int step) {
  return Vector<double>{{1 + 0.1 * step, std::sin(step), std::max(0.0, step % 5 - 2.0)}};
}

class OptimizerTest : public testing::TestWithParam<OptimizerCase> {};

// Some 30 sums and divisions of numbers up to 100; 64 epsilon of Scalar a step.
template <typename Scalar>
void ExpectTheScalarOptimizersPath(const OptimizerOptions& options) {
  OptimizerState<Scalar> state;
  Vector<Scalar> parameters = Vector<Scalar>::Zero(3);
  ScalarOptimizer oracle(options);
  std::vector<double> expected(3, 0);
  for (int step = 1; step <= 30; ++step) {
    const Vector<Scalar> gradient = Gradient(step).cast<Scalar>();
    OptimizerStep(options, kStepSize, /*scale=*/1, gradient, &state, &parameters);
    oracle.Step(kStepSize, ToVector(gradient), &expected);
    ASSERT_TRUE(AllNear(ToVector(parameters), expected, 64 * step * double{std::numeric_limits<Scalar>::epsilon()}))
        << "step " << step;
  }
  EXPECT_EQ(state.step_count, 30);
}

TEST_P(OptimizerTest, GoesTheScalarOptimizersPathInFloat64) {
  ExpectTheScalarOptimizersPath<double>(GetParam().options);
}

TEST_P(OptimizerTest, GoesTheScalarOptimizersPathInFloat32) {
  ExpectTheScalarOptimizersPath<float>(GetParam().options);
}

TEST_P(OptimizerTest, GoesOnFromACopiedState) {
  OptimizerState<double> state;
  Vector<double> parameters = Vector<double>::Zero(3);
  for (int step = 1; step <= 5; ++step) {
    OptimizerStep(GetParam().options, kStepSize, /*scale=*/1, Gradient(step), &state, &parameters);
  }
  OptimizerState<double> copy = state;
  Vector<double> others = parameters;
  for (int step = 6; step <= 10; ++step) {
    OptimizerStep(GetParam().options, kStepSize, /*scale=*/1, Gradient(step), &state, &parameters);
    OptimizerStep(GetParam().options, kStepSize, /*scale=*/1, Gradient(step), &copy, &others);
  }
  EXPECT_EQ(parameters, others);
}

TEST_P(OptimizerTest, KeepsAsManyVectorsAsItSays) {
  OptimizerState<double> state;
  Vector<double> parameters = Vector<double>::Zero(3);
  OptimizerStep(GetParam().options, kStepSize, /*scale=*/1, Gradient(1), &state, &parameters);
  EXPECT_EQ(state.first.size() + state.second.size(), 3 * OptimizerVectorCount(GetParam().options));
}

TEST_P(OptimizerTest, StandsStillWithoutAGradient) {
  OptimizerState<double> state;
  Vector<double> parameters = Vector<double>::Ones(3);
  OptimizerStep(GetParam().options, kStepSize, /*scale=*/1, Vector<double>(Vector<double>::Zero(3)), &state,
                &parameters);
  EXPECT_TRUE(parameters.isOnes(0));
}

INSTANTIATE_TEST_SUITE_P(EveryOptimizer, OptimizerTest, testing::ValuesIn(kCases),
                         [](const auto& info) { return info.param.name; });

TEST(GradientAscentTest, IsEquation15) {
  OptimizerState<double> state;
  Vector<double> parameters{{1, 2}};
  OptimizerStep(GradientAscent{}, 0.5, /*scale=*/1, Vector<double>{{4, -8}}, &state, &parameters);
  EXPECT_EQ(parameters, (Vector<double>{{3, -2}}));
}

// Of whatever gradient: both means are corrected to the gradient and its square, in float too. Four epsilon: the
// corrections and means are four roundings.
TEST(AdamTest, TakesAFirstStepOfTheStepSize) {
  OptimizerState<float> state;
  Vector<float> parameters = Vector<float>::Zero(3);
  OptimizerStep(Adam{}, kStepSize, /*scale=*/1, Vector<float>{{100, -1, 1e-3f}}, &state, &parameters);
  const double tolerance = 4 * kStepSize * double{std::numeric_limits<float>::epsilon()};
  EXPECT_NEAR(parameters(0), kStepSize, tolerance);
  EXPECT_NEAR(parameters(1), -kStepSize, tolerance);
  EXPECT_NEAR(parameters(2), kStepSize * 1e-3 / (1e-3 + 1e-8), tolerance);
}

TEST(AdamTest, DividesNotByZeroWhereEpsilonVanishesInFloat) {
  OptimizerState<float> state;
  Vector<float> parameters = Vector<float>::Ones(1);
  OptimizerStep(Adam{.epsilon = 1e-50}, kStepSize, /*scale=*/1, Vector<float>{{0}}, &state, &parameters);
  EXPECT_EQ(parameters(0), 1);
}

TEST(RpropTest, GoesByTheSignsOfGradientsThatUnderflowWhenMultiplied) {
  OptimizerState<float> state;
  Vector<float> parameters = Vector<float>::Zero(1);
  for (int step = 0; step < 2; ++step) {
    OptimizerStep(Rprop{}, kStepSize, /*scale=*/1, Vector<float>{{1e-30f}}, &state, &parameters);
  }
  EXPECT_FLOAT_EQ(parameters(0), static_cast<float>(kStepSize + 1.2 * kStepSize));
}

TEST(RpropTest, StandsStillOnceAfterAChangeOfSign) {
  OptimizerState<double> state;
  Vector<double> parameters = Vector<double>::Zero(1);
  std::vector<double> path;
  for (const double gradient : {1.0, -1.0, -1.0, -1.0}) {
    OptimizerStep(Rprop{}, kStepSize, /*scale=*/1, Vector<double>{{gradient}}, &state, &parameters);
    path.push_back(parameters(0));
  }
  EXPECT_TRUE(AllNear(path, {0.1, 0.1, 0.05, 0.05 - 0.06}, 1e-15));
}

}  // namespace
}  // namespace backprop
