// The worked example of Jacobs (2008), figure 1 and eq. (16)-(25), number by number, and networks without hidden
// layers, whose gradients have closed forms.
#include "core/backpropagation.h"

#include <cmath>

#include "core/output_layer.h"
#include "gtest/gtest.h"
#include "tests/support/random_network.h"

namespace backprop {
namespace {

// A few roundings of numbers of size 1, each by 1.1e-16, give or take the exponential function's.
constexpr double kExact = 1e-12;

// Figure 1: two inputs, two logistic hidden units, two linear outputs; x = (1, 2), y* = (1, 0).
class WorkedExampleTest : public testing::Test {
 protected:
  WorkedExampleTest()
      : spec_(MakeSpec({.input_unit_count = 2,
                        .hidden_layers = {{.unit_count = 2, .activation = Activation::kLogistic}},
                        .output_unit_count = 2,
                        .task = Task::kRegression,
                        .precision = Precision::kFloat64})),
        parameters_(spec_.layout()),
        gradient_(spec_.layout()),
        pass_(spec_, 1) {
    parameters_.weights(1) << 1, 1,  // w_11, w_12: from both inputs to hidden unit one
        1, 2;                        // w_21, w_22
    parameters_.biases(1) << 1, 1;
    parameters_.weights(2) << 1, -1,  // from hidden unit one, from hidden unit two, to output one
        1, -1;
    parameters_.biases(2) << 1, 1;
    pass_.activations[0] << 1, 2;
    const Matrix<double> targets{{1}, {0}};
    Forward(spec_, parameters_, 1, &pass_);
    ActivateOutputs<double>(Task::kRegression, pass_.activations[2], targets, log_likelihood_);
    OutputErrorSignals<double>(pass_.activations[2], targets, pass_.error_signals[2]);
    Backward(spec_, parameters_, 1, /*input_gradients=*/true, &pass_, &gradient_);
  }

  // From the closed forms, in extended precision.
  static double Logistic(long double s) { return static_cast<double>(1 / (1 + std::exp(-s))); }
  const double h1_ = Logistic(4), h2_ = Logistic(6);
  const double y_ = h1_ - h2_ + 1;              // Both outputs.
  const double d1_ = 1.0 - y_, d2_ = 0.0 - y_;  // d log L / d s of the outputs; eq. (6)
  const double sent_back_ =
      d1_ * 1.0 + d2_ * 1.0;  // d log L / d h of hidden unit one; minus that of unit two; eq. (11)

  NetworkSpec spec_;
  Parameters<double> parameters_, gradient_;
  Pass<double> pass_;
  RowVector<double> log_likelihood_ = RowVector<double>(1);
};

TEST_F(WorkedExampleTest, WeightedSumsOfHiddenUnitsAreFourAndSix) {
  const NetworkSpec linear = MakeSpec({.input_unit_count = 2,
                                       .hidden_layers = {{.unit_count = 2, .activation = Activation::kIdentity}},
                                       .output_unit_count = 2,
                                       .precision = Precision::kFloat64});
  Pass<double> pass(linear, 1);
  pass.activations[0] = pass_.activations[0];
  Forward(linear, parameters_, 1, &pass);
  EXPECT_EQ(Vector<double>(pass.activations[1]), Vector<double>(Eigen::Vector2d(4, 6)));
}

TEST_F(WorkedExampleTest, ActivationsOfHiddenUnitsAreLogistic) {
  EXPECT_NEAR(pass_.activations[1](0, 0), h1_, kExact);
  EXPECT_NEAR(pass_.activations[1](1, 0), h2_, kExact);
  // The note rounds to three digits.
  EXPECT_NEAR(pass_.activations[1](0, 0), 0.982, 0.0005);
  EXPECT_NEAR(pass_.activations[1](1, 0), 0.998, 0.0005);
}

TEST_F(WorkedExampleTest, OutputsAreTheirWeightedSums) {
  EXPECT_NEAR(pass_.activations[2](0, 0), y_, kExact);
  EXPECT_NEAR(pass_.activations[2](1, 0), y_, kExact);
  EXPECT_NEAR(pass_.activations[2](0, 0), 0.984, 0.0005);
}

TEST_F(WorkedExampleTest, LogLikelihoodIsMinusHalfTheSquaredErrors) {
  EXPECT_NEAR(log_likelihood_(0), -0.5 * (d1_ * d1_ + d2_ * d2_), kExact);
}

TEST_F(WorkedExampleTest, OutputBiasesGetTheErrors) {
  EXPECT_NEAR(gradient_.biases(2)(0), d1_, kExact);
  EXPECT_NEAR(gradient_.biases(2)(1), d2_, kExact);
  EXPECT_NEAR(gradient_.biases(2)(0), 1.0 - 0.984, 0.0005);  // As exact as the 0.984.
  EXPECT_NEAR(gradient_.biases(2)(1), 0.0 - 0.984, 0.0005);
}

// The factors of the note's products are off by at most 0.0005 each, and none is larger than 1 (the sum of two errors:
// than 2, off by 0.001), so that products of two are off by at most 0.001, ...
constexpr double kProductOfTwo = 0.001;
// ... and those for the hidden units by 0.001 * 0.018 + 1 * 0.0005 * (0.998 + 0.018), times the input.
constexpr double kHiddenProduct = 0.00055;

TEST_F(WorkedExampleTest, HiddenToOutputWeightsGetEquations16To19) {
  const Parameters<double>::WeightsView w = gradient_.weights(2);
  EXPECT_NEAR(w(0, 0), d1_ * h1_, kExact);
  EXPECT_NEAR(w(0, 1), d1_ * h2_, kExact);
  EXPECT_NEAR(w(1, 0), d2_ * h1_, kExact);
  EXPECT_NEAR(w(1, 1), d2_ * h2_, kExact);
  EXPECT_NEAR(w(0, 0), (1.0 - 0.984) * 0.982, kProductOfTwo);  // (16)
  EXPECT_NEAR(w(0, 1), (1.0 - 0.984) * 0.998, kProductOfTwo);  // (17)
  EXPECT_NEAR(w(1, 0), (0.0 - 0.984) * 0.982, kProductOfTwo);  // (18)
  EXPECT_NEAR(w(1, 1), (0.0 - 0.984) * 0.998, kProductOfTwo);  // (19)
}

TEST_F(WorkedExampleTest, HiddenBiasesGetEquations20And21) {
  EXPECT_NEAR(gradient_.biases(1)(0), sent_back_ * (h1_ * (1 - h1_)), kExact);
  EXPECT_NEAR(gradient_.biases(1)(1), -sent_back_ * (h2_ * (1 - h2_)), kExact);
  const double first = ((1.0 - 0.984) * 1.0 + (0.0 - 0.984) * 1.0) * (0.982 * (1.0 - 0.982));
  const double second = ((1.0 - 0.984) * -1.0 + (0.0 - 0.984) * -1.0) * (0.998 * (1.0 - 0.998));
  EXPECT_NEAR(gradient_.biases(1)(0), first, kHiddenProduct);   // (20)
  EXPECT_NEAR(gradient_.biases(1)(1), second, kHiddenProduct);  // (21)
}

TEST_F(WorkedExampleTest, InputToHiddenWeightsGetEquations22To25) {
  const Parameters<double>::WeightsView w = gradient_.weights(1);
  EXPECT_NEAR(w(0, 0), sent_back_ * (h1_ * (1 - h1_)) * 1.0, kExact);
  EXPECT_NEAR(w(0, 1), sent_back_ * (h1_ * (1 - h1_)) * 2.0, kExact);
  EXPECT_NEAR(w(1, 0), -sent_back_ * (h2_ * (1 - h2_)) * 1.0, kExact);
  EXPECT_NEAR(w(1, 1), -sent_back_ * (h2_ * (1 - h2_)) * 2.0, kExact);
  const double first = ((1.0 - 0.984) * 1.0 + (0.0 - 0.984) * 1.0) * (0.982 * (1.0 - 0.982));
  const double second = ((1.0 - 0.984) * -1.0 + (0.0 - 0.984) * -1.0) * (0.998 * (1.0 - 0.998));
  EXPECT_NEAR(w(0, 0), first * 1.0, kHiddenProduct);       // (22)
  EXPECT_NEAR(w(0, 1), first * 2.0, 2 * kHiddenProduct);   // (23)
  EXPECT_NEAR(w(1, 0), second * 1.0, kHiddenProduct);      // (24)
  EXPECT_NEAR(w(1, 1), second * 2.0, 2 * kHiddenProduct);  // (25)
}

TEST_F(WorkedExampleTest, InputsGetTheErrorSignalsOfHiddenUnitsSentBack) {
  const double s1 = sent_back_ * (h1_ * (1 - h1_)), s2 = -sent_back_ * (h2_ * (1 - h2_));
  EXPECT_NEAR(pass_.error_signals[0](0, 0), s1 * 1 + s2 * 1, kExact);
  EXPECT_NEAR(pass_.error_signals[0](1, 0), s1 * 1 + s2 * 2, kExact);
}

TEST_F(WorkedExampleTest, BackwardAddsToTheGradient) {
  const Parameters<double> once = gradient_;
  Backward(spec_, parameters_, 1, /*input_gradients=*/false, &pass_, &gradient_);
  EXPECT_EQ(gradient_.flat(), Vector<double>(2 * once.flat()));
}

TEST(BackpropagationTest, TakesTheFirstPatternsOfARoomyPassOnly) {
  const RandomCase c = MakeRandomCase({.input_unit_count = 3,
                                       .hidden_layers = {{.unit_count = 4}},
                                       .output_unit_count = 2,
                                       .task = Task::kRegression,
                                       .precision = Precision::kFloat64},
                                      2, /*seed=*/1);
  Parameters<double> tight(c.spec.layout()), roomy(c.spec.layout());
  for (const int64_t capacity : {2, 5}) {
    Pass<double> pass(c.spec, capacity);
    for (auto& activations : pass.activations) activations.setConstant(NAN);
    for (auto& error_signals : pass.error_signals) error_signals.setConstant(NAN);
    pass.activations[0].leftCols(2) = c.patterns.inputs;
    Forward(c.spec, c.parameters, 2, &pass);
    pass.error_signals[2].leftCols(2) = c.patterns.targets - pass.activations[2].leftCols(2);
    Backward(c.spec, c.parameters, 2, /*input_gradients=*/true, &pass, capacity == 2 ? &tight : &roomy);
  }
  EXPECT_TRUE(tight.flat().allFinite());
  EXPECT_EQ(tight, roomy);
}

}  // namespace
}  // namespace backprop
