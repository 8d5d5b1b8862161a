// Every stage of the worked example of Jacobs (2008), and of random networks: the stages multiply to what Backward
// computes.
#include "core/trace.h"

#include <cmath>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/compute.h"
#include "tests/support/near.h"
#include "tests/support/random_network.h"
#include "tests/support/scalar_conversion.h"

namespace backprop {
namespace {

// A few roundings of numbers of size 1, each by 1.1e-16, give or take the exponential function's.
constexpr double kExactStage = 1e-12;

// Figure 1: two inputs, two logistic hidden units, two linear outputs; x = (1, 2), y* = (1, 0).
class TraceOfTheWorkedExampleTest : public testing::Test {
 protected:
  static Trace<double> TraceFigureOne() {
    const NetworkSpec spec = MakeSpec({.input_unit_count = 2,
                                       .hidden_layers = {{.unit_count = 2, .activation = Activation::kLogistic}},
                                       .output_unit_count = 2,
                                       .task = Task::kRegression,
                                       .precision = Precision::kFloat64});
    Parameters<double> parameters(spec.layout());
    parameters.flat() << 1, 1, 1, 2, 1, 1, 1, -1, 1, -1, 1, 1;
    return TraceBackpropagation<double>(spec, {}, parameters,
                                        {.inputs = Matrix<double>{{1}, {2}},
                                         .targets = Matrix<double>{{1}, {0}},
                                         .weights = RowVector<double>::Ones(1)});
  }
  static void ExpectStage(const Matrix<double>& stage, const std::vector<double>& expected) {
    EXPECT_TRUE(AllNear(ToVector(stage), expected, kExactStage));
  }

  static double Logistic(long double s) { return static_cast<double>(1 / (1 + std::exp(-s))); }
  const double h1_ = Logistic(4), h2_ = Logistic(6);
  const double y_ = h1_ - h2_ + 1;
  const double e1_ = 1.0 - y_, e2_ = 0.0 - y_;
  const Trace<double> trace_ = TraceFigureOne();
};

TEST_F(TraceOfTheWorkedExampleTest, OutputUnitsGetEquations6To9) {
  const LayerTrace<double>& outputs = trace_.layers[1];
  ExpectStage(outputs.inputs, {h1_, h2_});
  ExpectStage(outputs.weighted_sums, {y_, y_});
  ExpectStage(outputs.activations, {y_, y_});
  ExpectStage(outputs.activation_gradients, {e1_, e2_});
  ExpectStage(outputs.activation_derivatives, {1, 1});
  ExpectStage(outputs.error_signals, {e1_, e2_});
  EXPECT_EQ(outputs.softmax_derivatives.size(), 0);
  EXPECT_NEAR(trace_.log_likelihood, -0.5 * (e1_ * e1_ + e2_ * e2_), kExactStage);
}

TEST_F(TraceOfTheWorkedExampleTest, HiddenUnitsGetEquations11To14) {
  const LayerTrace<double>& hidden = trace_.layers[0];
  ExpectStage(hidden.inputs, {1, 2});
  ExpectStage(hidden.weighted_sums, {4, 6});
  ExpectStage(hidden.activations, {h1_, h2_});
  ExpectStage(hidden.activation_gradients, {e1_ + e2_, -(e1_ + e2_)});
  ExpectStage(hidden.activation_derivatives, {h1_ * (1 - h1_), h2_ * (1 - h2_)});
  ExpectStage(hidden.error_signals, {(e1_ + e2_) * h1_ * (1 - h1_), -(e1_ + e2_) * h2_ * (1 - h2_)});
}

TEST_F(TraceOfTheWorkedExampleTest, TheGradientIsEquations16To25) {
  const double d1 = (e1_ + e2_) * (h1_ * (1 - h1_)), d2 = -(e1_ + e2_) * (h2_ * (1 - h2_));
  ExpectStage(trace_.gradient.flat(), {d1 * 1, d1 * 2, d2 * 1, d2 * 2,              // (22)-(25)
                                       d1, d2,                                      // (20), (21)
                                       e1_ * h1_, e1_ * h2_, e2_ * h1_, e2_ * h2_,  // (16)-(19)
                                       e1_, e2_});
}

template <typename Scalar>
void ExpectStagesToMultiply(int64_t seed, double tolerance) {
  RandomCase c = MakeRandomCase(seed);
  const Parameters<Scalar> parameters = Cast<Scalar>(c.spec, c.parameters);
  Patterns<Scalar> pattern = Cast<Scalar>(c.patterns);
  pattern = {.inputs = pattern.inputs.leftCols(1).eval(),
             .targets = pattern.targets.leftCols(1).eval(),
             .weights = pattern.weights.head(1).eval()};
  const Trace<Scalar> trace = TraceBackpropagation(c.spec, c.scalings, parameters, pattern);
  const Computed<Scalar> computed = Compute(c.spec, c.scalings, parameters, pattern);
  EXPECT_TRUE(AllNear(ToVector(trace.gradient.flat()), ToVector(computed.gradient.flat()), tolerance));
  EXPECT_NEAR(trace.log_likelihood, computed.measures.log_likelihood,
              tolerance * std::abs(computed.measures.log_likelihood));
  for (const LayerTrace<Scalar>& layer : trace.layers) {
    Matrix<Scalar> product = layer.activation_gradients.cwiseProduct(layer.activation_derivatives);
    if (layer.softmax_derivatives.size() > 0) {
      product = layer.softmax_derivatives.transpose() * layer.activation_gradients;  // (39)
    }
    EXPECT_TRUE(AllNear(ToVector(product), ToVector(layer.error_signals), tolerance));
  }
}

// Some hundred roundings for each number: by 1e-16 each in double, by 6e-8 in float.
TEST(TraceTest, StagesOfRandomNetworksMultiplyToTheirGradients) {
  for (int64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    ExpectStagesToMultiply<double>(seed, 1e-12);
    ExpectStagesToMultiply<float>(seed, 1e-4);
  }
}

Trace<double> TraceOutputAlone(Task task, int output_unit_count, double bias, double target) {
  const NetworkSpec spec = MakeSpec(
      {.input_unit_count = 1, .output_unit_count = output_unit_count, .task = task, .precision = Precision::kFloat64});
  Parameters<double> parameters(spec.layout());
  parameters.biases(1)(0) = bias;
  Matrix<double> targets = Matrix<double>::Constant(output_unit_count, 1, 1 - target);
  targets(0) = target;
  return TraceBackpropagation<double>(
      spec, {}, parameters, {.inputs = Matrix<double>{{1}}, .targets = targets, .weights = RowVector<double>::Ones(1)});
}

TEST(TraceTest, OutputsThatHaveRoundedToTheirTargetsHaveNoGradient) {
  for (const Task task : {Task::kBinaryClassification, Task::kMultiwayClassification}) {
    const LayerTrace<double> layer = TraceOutputAlone(task, 2, 1000, 1).layers[0];
    EXPECT_EQ(layer.activations(0), 1);
    EXPECT_EQ(layer.activation_gradients(0), 1);
    EXPECT_EQ(layer.error_signals(0), 0);
    EXPECT_TRUE(layer.activation_gradients.allFinite());
  }
}

TEST(TraceTest, ErrorSignalsOfOutputsThatHaveRoundedAgainstTheirTargetsAreExact) {
  for (const Task task : {Task::kBinaryClassification, Task::kMultiwayClassification}) {
    const LayerTrace<double> layer = TraceOutputAlone(task, 2, -1000, 1).layers[0];
    EXPECT_LT(layer.activations(0), 1e-300);
    EXPECT_GT(layer.activation_gradients(0), 1e300);
    EXPECT_EQ(layer.error_signals(0), 1);
  }
}

TEST(TraceTest, DerivativesOfSoftmaxOutputsAreKeptToTheLimitOfUnits) {
  const int most = kMaxTracedSoftmaxUnits;
  EXPECT_EQ(TraceOutputAlone(Task::kMultiwayClassification, most, 0, 1).layers[0].softmax_derivatives.rows(), most);
  EXPECT_EQ(TraceOutputAlone(Task::kMultiwayClassification, most + 1, 0, 1).layers[0].softmax_derivatives.rows(), 0);
}

}  // namespace
}  // namespace backprop
