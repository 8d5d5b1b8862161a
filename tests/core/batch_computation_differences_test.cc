// Gradients against finite differences, for every task, activation function and depth.
#include <string>
#include <tuple>

#include "core/batch_computation.h"
#include "gtest/gtest.h"
#include "tests/support/compute.h"
#include "tests/support/finite_differences.h"
#include "tests/support/near.h"
#include "tests/support/random_network.h"
#include "tests/support/scalar_conversion.h"

namespace backprop {
namespace {

constexpr int kMaxDepth = 4;

class FiniteDifferencesTest : public testing::TestWithParam<std::tuple<Task, Activation, int>> {
 protected:
  FiniteDifferencesTest() : case_(MakeRandomCase(FieldsOf(GetParam()), /*pattern_count=*/4, /*seed=*/7)) {}

  static NetworkSpec::Fields FieldsOf(const std::tuple<Task, Activation, int>& parameter) {
    const auto [task, activation, depth] = parameter;
    NetworkSpec::Fields fields;
    fields.input_unit_count = 3;
    for (int layer = 0; layer < depth; ++layer) fields.hidden_layers.push_back({4 + layer % 2, activation});
    fields.output_unit_count = 3;
    fields.task = task;
    fields.precision = Precision::kFloat64;
    return fields;
  }

  // Of the case's patterns, times their weights, by the core's own forward pass.
  double LogLikelihood(const Parameters<double>& parameters, const Patterns<double>& patterns) const {
    return Compute(case_.spec, case_.scalings, parameters, patterns).measures.log_likelihood;
  }

  const RandomCase case_;
};

TEST_P(FiniteDifferencesTest, AgreeWithTheGradientByParameters) {
  const FiniteDifferences expected = Differentiate(
      [&](const std::vector<double>& flat) {
        Parameters<double> parameters(case_.spec.layout());
        parameters.flat() = Eigen::Map<const Vector<double>>(flat.data(), std::ssize(flat));
        return LogLikelihood(parameters, case_.patterns);
      },
      ToVector(case_.parameters.flat()));
  const auto actual = Compute(case_.spec, case_.scalings, case_.parameters, case_.patterns);
  EXPECT_TRUE(AllNear(ToVector(actual.gradient.flat()), expected.gradient, expected.tolerances));
}

TEST_P(FiniteDifferencesTest, AgreeWithTheGradientByInputs) {
  const FiniteDifferences expected = Differentiate(
      [&](const std::vector<double>& flat) {
        Patterns<double> patterns = case_.patterns;
        patterns.inputs.reshaped() = Eigen::Map<const Vector<double>>(flat.data(), std::ssize(flat));
        return LogLikelihood(case_.parameters, patterns);
      },
      ToVector(case_.patterns.inputs));
  const auto actual = Compute(case_.spec, case_.scalings, case_.parameters, case_.patterns);
  EXPECT_TRUE(AllNear(ToVector(actual.input_gradients), expected.gradient, expected.tolerances));
}

// The tolerance must not be what makes the two tests above pass.
TEST_P(FiniteDifferencesTest, HaveTolerancesFarBelowTheGradient) {
  const FiniteDifferences differences = Differentiate(
      [&](const std::vector<double>& flat) {
        Patterns<double> patterns = case_.patterns;
        patterns.inputs.reshaped() = Eigen::Map<const Vector<double>>(flat.data(), std::ssize(flat));
        return LogLikelihood(case_.parameters, patterns);
      },
      ToVector(case_.patterns.inputs));
  double largest = 0;
  for (const double derivative : differences.gradient) largest = std::max(largest, std::abs(derivative));
  for (const double tolerance : differences.tolerances) EXPECT_LT(tolerance, 1e-4 * largest);
}

std::string NameOf(const testing::TestParamInfo<std::tuple<Task, Activation, int>>& info) {
  static constexpr const char* kTaskNames[] = {"Regression", "Binary", "Multiway"};
  static constexpr const char* kActivationNames[] = {"Logistic", "Tanh", "Relu", "Identity"};
  const auto [task, activation, depth] = info.param;
  return std::string(kTaskNames[static_cast<int>(task)]) + kActivationNames[static_cast<int>(activation)] +
         std::to_string(depth) + "Deep";
}

INSTANTIATE_TEST_SUITE_P(EveryTaskActivationAndDepth, FiniteDifferencesTest,
                         testing::Combine(testing::ValuesIn(kTasks), testing::ValuesIn(kActivations),
                                          testing::Range(0, kMaxDepth + 1)),
                         NameOf);

}  // namespace
}  // namespace backprop
