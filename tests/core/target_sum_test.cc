// Targets of multiway classification may miss the sum 1 by a caller's rounding: whatever is computed from them is what
// their proportions give, and its derivatives are those of its own log likelihood.
#include <cmath>

#include "core/directional_derivatives.h"
#include "core/hessian_vector_product.h"
#include "core/online_ascent.h"
#include "core/trace.h"
#include "gtest/gtest.h"
#include "tests/support/compute.h"
#include "tests/support/near.h"
#include "tests/support/random_network.h"
#include "tests/support/scalar_conversion.h"

namespace backprop {
namespace {

constexpr double kRounding = 1e-12;

class TargetSumTest : public testing::Test {
 protected:
  TargetSumTest() { missed_.targets *= 1 + 1.0 / 1024; }

  static DerivativeTask<double> TaskOf(const RandomCase& c, const PatternSource<double>& source) {
    return {.spec = c.spec,
            .scalings = c.scalings,
            .parameters = c.parameters,
            .pattern_count = c.patterns.count(),
            .source = source};
  }

  const RandomCase case_ = MakeRandomCase({.input_unit_count = 4,
                                           .hidden_layers = {{.unit_count = 3}},
                                           .output_unit_count = 3,
                                           .task = Task::kMultiwayClassification,
                                           .precision = Precision::kFloat64},
                                          /*pattern_count=*/6, /*seed=*/2);
  Patterns<double> missed_ = case_.patterns;
};

TEST_F(TargetSumTest, NeverLeavesTheGradient) {
  const auto expected = Compute(case_.spec, case_.scalings, case_.parameters, case_.patterns);
  const auto actual = Compute(case_.spec, case_.scalings, case_.parameters, missed_);
  EXPECT_NEAR(actual.measures.log_likelihood, expected.measures.log_likelihood, kRounding);
  EXPECT_TRUE(AllNear(ToVector(actual.gradient.flat()), ToVector(expected.gradient.flat()), kRounding));
  EXPECT_TRUE(AllNear(ToVector(actual.input_gradients), ToVector(expected.input_gradients), kRounding));
}

TEST_F(TargetSumTest, OfEqualTargetsAndEqualOutputsIsNoGradient) {
  missed_.targets.setConstant(0.3336);
  const auto computed = Compute(case_.spec, case_.scalings, Parameters<double>(case_.spec.layout()), missed_);
  EXPECT_LT(computed.gradient.flat().cwiseAbs().maxCoeff(), 1e-15);
  EXPECT_NEAR(computed.measures.log_likelihood, -std::log(3) * computed.measures.weight_sum, kRounding);
}

TEST_F(TargetSumTest, NeverLeavesOnlineTraining) {
  Parameters<double> learned[2] = {case_.parameters, case_.parameters};
  for (int i = 0; i < 2; ++i) {
    const Patterns<double>& patterns = i == 0 ? case_.patterns : missed_;
    OnlineAscent<double> ascent(case_.spec, case_.scalings);
    Measures measures;
    double norm_sum = 0;
    for (int64_t t = 0; t < patterns.count(); ++t) {
      const PatternView<double> view{patterns.inputs.col(t).data(), patterns.targets.col(t).data(),
                                     patterns.weights(t)};
      ASSERT_EQ(ascent.Learn({.batch_size = 1}, 0.1, {&view, 1}, &learned[i], &measures, &norm_sum), 1);
    }
    ascent.Finish(&learned[i]);
  }
  EXPECT_TRUE(AllNear(ToVector(learned[1].flat()), ToVector(learned[0].flat()), kRounding));
}

TEST_F(TargetSumTest, NeverLeavesSecondAndHigherDerivatives) {
  const PatternSource<double> source = SourceOf(case_.patterns), missed_source = SourceOf(missed_);
  const DerivativeTask<double> task = TaskOf(case_, source), missed = TaskOf(case_, missed_source);
  const Parameters<double>& direction = case_.parameters;
  HessianVectorComputation<double> expected(case_.spec), actual(case_.spec);
  ASSERT_TRUE(expected.Run(task, {&direction, 1}, Curvature::kHessian, SequentialFor, NeverStop));
  ASSERT_TRUE(actual.Run(missed, {&direction, 1}, Curvature::kHessian, SequentialFor, NeverStop));
  EXPECT_TRUE(AllNear(ToVector(actual.product(0).flat()), ToVector(expected.product(0).flat()), kRounding));
  EXPECT_TRUE(AllNear(ToVector(actual.gradient().flat()), ToVector(expected.gradient().flat()), kRounding));
  EXPECT_TRUE(AllNear(*DirectionalDerivatives(missed, {.parameters = &direction}, 4, SequentialFor, NeverStop),
                      *DirectionalDerivatives(task, {.parameters = &direction}, 4, SequentialFor, NeverStop), 1e-10));
}

TEST_F(TargetSumTest, NeverLeavesTheTrace) {
  const auto first = [](const Patterns<double>& patterns) {
    return Patterns<double>{patterns.inputs.leftCols(1), patterns.targets.leftCols(1), patterns.weights.head(1)};
  };
  const auto expected = TraceBackpropagation(case_.spec, case_.scalings, case_.parameters, first(case_.patterns));
  const auto actual = TraceBackpropagation(case_.spec, case_.scalings, case_.parameters, first(missed_));
  EXPECT_NEAR(actual.log_likelihood, expected.log_likelihood, kRounding);
  EXPECT_TRUE(AllNear(ToVector(actual.gradient.flat()), ToVector(expected.gradient.flat()), kRounding));
}

}  // namespace
}  // namespace backprop
