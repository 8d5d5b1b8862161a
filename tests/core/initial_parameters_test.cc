#include "core/initial_parameters.h"

#include <cmath>

#include "gtest/gtest.h"
#include "tests/support/random_network.h"

namespace backprop {
namespace {

// 300-200-100: enough weights for statistics. Layer 1 has 60,000, layer 2 has 20,000.
NetworkSpec SpecWith(InitialWeights initial_weights) {
  NetworkSpec::Fields fields;
  fields.input_unit_count = 300;
  fields.hidden_layers = {{200}};
  fields.output_unit_count = 100;
  fields.initial_weights = initial_weights;
  return MakeSpec(fields);
}

// Four standard errors: the variance of the mean square of n numbers is (E w^4 - (E w^2)^2) / n, with E w^4 = 1.8 or 3
// times (E w^2)^2 for the uniform and the normal distribution.
void ExpectStandardDeviation(const Parameters<double>::ConstWeightsView& weights, double expected, double kurtosis) {
  const auto n = static_cast<double>(weights.size());
  const double relative = 4 * std::sqrt((kurtosis - 1) / n);
  EXPECT_NEAR(weights.array().square().mean() / (expected * expected), 1, relative);
  EXPECT_NEAR(weights.mean(), 0, 4 * expected / std::sqrt(n));
}

TEST(InitialParametersTest, OfGlorotAreUniformByUnitsBelowAndAbove) {
  const auto parameters = InitialParameters<double>(SpecWith({.distribution = InitialDistribution::kGlorotUniform}));
  const auto& view = std::as_const(parameters);
  for (const auto& [layer, units] : {std::pair(1, 300 + 200), std::pair(2, 200 + 100)}) {
    const double bound = std::sqrt(6.0 / units);
    EXPECT_LE(view.weights(layer).array().abs().maxCoeff(), bound);
    EXPECT_GT(view.weights(layer).array().abs().maxCoeff(), 0.999 * bound);  // Of 20,000 at least one: surely.
    ExpectStandardDeviation(view.weights(layer), bound / std::sqrt(3.0), 1.8);
    EXPECT_TRUE(view.biases(layer).isZero(0));
  }
}

TEST(InitialParametersTest, OfHeAreNormalByUnitsBelow) {
  const auto parameters = InitialParameters<double>(SpecWith({.distribution = InitialDistribution::kHeNormal}));
  const auto& view = std::as_const(parameters);
  for (const auto& [layer, below] : {std::pair(1, 300), std::pair(2, 200)}) {
    ExpectStandardDeviation(view.weights(layer), std::sqrt(2.0 / below), 3);
    EXPECT_GT(view.weights(layer).maxCoeff(), 3 * std::sqrt(2.0 / below));  // A normal has tails.
    EXPECT_TRUE(view.biases(layer).isZero(0));
  }
}

TEST(InitialParametersTest, OfUniformAreInTheRangeBiasesToo) {
  const auto parameters =
      InitialParameters<double>(SpecWith({.distribution = InitialDistribution::kUniform, .range = 0.01}));
  const auto& view = std::as_const(parameters);
  EXPECT_LE(view.flat().array().abs().maxCoeff(), 0.01);
  ExpectStandardDeviation(view.weights(1), 0.01 / std::sqrt(3.0), 1.8);
  for (const int layer : {1, 2}) EXPECT_FALSE((view.biases(layer).array() == 0).any());
}

TEST(InitialParametersTest, OfUniformHaveARangeOfOneHalfByDefault) {
  const auto parameters = InitialParameters<double>(SpecWith({.distribution = InitialDistribution::kUniform}));
  EXPECT_LE(parameters.flat().array().abs().maxCoeff(), 0.5);
  EXPECT_GT(parameters.flat().array().abs().maxCoeff(), 0.499);
}

TEST(InitialParametersTest, OfZeroAreZero) {
  EXPECT_TRUE(InitialParameters<double>(SpecWith({.distribution = InitialDistribution::kZero})).flat().isZero(0));
}

TEST(InitialParametersTest, DependOnTheSeedAlone) {
  const auto parameters = InitialParameters<double>(SpecWith({.seed = 5}));
  EXPECT_EQ(parameters, InitialParameters<double>(SpecWith({.seed = 5})));
  EXPECT_NE(parameters, InitialParameters<double>(SpecWith({.seed = 6})));
}

TEST(InitialParametersTest, InFloatAreTheRoundedOnesInDouble) {
  for (const auto distribution : {InitialDistribution::kGlorotUniform, InitialDistribution::kHeNormal}) {
    const NetworkSpec spec = SpecWith({.distribution = distribution, .seed = 5});
    EXPECT_EQ(InitialParameters<float>(spec).flat(),
              Vector<float>(InitialParameters<double>(spec).flat().cast<float>()));
  }
}

TEST(InitialParametersTest, OfTheLargestRangeOfFloatAreFinite) {
  const auto range = double{std::numeric_limits<float>::max()};
  EXPECT_TRUE(InitialParameters<float>(SpecWith({.distribution = InitialDistribution::kUniform, .range = range}))
                  .flat()
                  .allFinite());
}

// Pinned: the same spec gives the same network for ever, but for the last bits of the C library's log1p and cos. The
// numbers are those of another implementation, in Python.
TEST(InitialParametersTest, NeverChange) {
  const auto glorot = InitialParameters<double>(SpecWith({.seed = 1}));
  EXPECT_DOUBLE_EQ(glorot.flat()(0), 0.04438974172217836);
  EXPECT_DOUBLE_EQ(glorot.flat()(1), 0.007061600774860289);
  EXPECT_DOUBLE_EQ(glorot.weights(2)(0, 0), 0.09551505010646483);
  const auto he = InitialParameters<double>(SpecWith({.distribution = InitialDistribution::kHeNormal, .seed = 1}));
  EXPECT_DOUBLE_EQ(he.flat()(0), -0.12456064277602286);
  EXPECT_DOUBLE_EQ(he.weights(2)(0, 0), -0.03740679859768871);
}

}  // namespace
}  // namespace backprop
