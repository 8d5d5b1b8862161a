#include "core/output_layer.h"

#include <cmath>
#include <limits>

#include "gtest/gtest.h"
#include "tests/support/random_network.h"

namespace backprop {
namespace {

// What the output layer makes of one pattern's weighted sums.
template <typename Scalar>
struct OutputLayer {
  OutputLayer(Task task, const Vector<Scalar>& s, const Vector<Scalar>& targets)
      : y(s), error_signals(s.rows(), 1), task_(task), s_(s) {
    RowVector<Scalar> sums(1);
    ActivateOutputs<Scalar>(task, y, targets, sums);
    log_likelihood = sums(0);
    OutputErrorSignals<Scalar>(y, targets, error_signals);
  }

  // By the overload that knows no targets.
  Matrix<Scalar> ActivationsAlone() const {
    Matrix<Scalar> result = s_;
    ActivateOutputs<Scalar>(task_, result);
    return result;
  }

  Matrix<Scalar> y, error_signals;
  Scalar log_likelihood;

 private:
  const Task task_;
  const Matrix<Scalar> s_;
};

template <typename Scalar>
class OutputLayerTest : public testing::Test {
 protected:
  // exp(-1000) in a Scalar; Eigen stops at its smallest normal number or near it.
  static constexpr Scalar kNothing = 2 * std::numeric_limits<Scalar>::min();
  static constexpr double kEpsilon = double{std::numeric_limits<Scalar>::epsilon()};
};

using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(OutputLayerTest, Scalars);

// M ds = -R{d log L / ds}, against differences of error signals: of a step of epsilon^(1/3), they are off by some
// epsilon^(2/3), of which 4 is what third derivatives below 1 leave.
TYPED_TEST(OutputLayerTest, HasTheDerivativeOfItsErrorSignals) {
  const Vector<TypeParam> s{{1, -0.5, 0.25}}, targets{{0.5, 0.25, 0.25}}, ds{{1, 0.5, -0.75}};
  const TypeParam step = std::cbrt(std::numeric_limits<TypeParam>::epsilon());
  for (const Task task : kTasks) {
    const OutputLayer<TypeParam> above(task, s + step * ds, targets), below(task, s - step * ds, targets);
    const Vector<TypeParam> expected = (below.error_signals - above.error_signals) / (2 * step);
    Matrix<TypeParam> actual = ds;
    MultiplyByOutputDerivative<TypeParam>(task, OutputLayer<TypeParam>(task, s, targets).y, actual);
    for (int i = 0; i < 3; ++i) EXPECT_NEAR(double{actual(i)}, double{expected(i)}, 4 * double{step} * double{step});
  }
}

TYPED_TEST(OutputLayerTest, OfRegressionIsLinearAndGaussian) {
  const OutputLayer<TypeParam> layer(Task::kRegression, Vector<TypeParam>{{1, -2}}, Vector<TypeParam>{{3, -1}});
  EXPECT_EQ(layer.y, (Matrix<TypeParam>{{1}, {-2}}));
  EXPECT_EQ(layer.log_likelihood, TypeParam(-2.5));
  EXPECT_EQ(layer.error_signals, (Matrix<TypeParam>{{2}, {1}}));
}

// 8 epsilon: the exponential, the logarithm and a few sums of numbers of size 1.
TYPED_TEST(OutputLayerTest, OfBinaryClassificationIsLogisticAndBernoulli) {
  const OutputLayer<TypeParam> layer(Task::kBinaryClassification, Vector<TypeParam>{{1, -0.5}},
                                     Vector<TypeParam>{{1, 0.25}});
  const double y0 = 1 / (1 + std::exp(-1.0)), y1 = 1 / (1 + std::exp(0.5));
  EXPECT_NEAR(layer.y(0), y0, 8 * this->kEpsilon);
  EXPECT_NEAR(layer.y(1), y1, 8 * this->kEpsilon);
  EXPECT_NEAR(layer.log_likelihood, std::log(y0) + 0.25 * std::log(y1) + 0.75 * std::log(1 - y1), 8 * this->kEpsilon);
  EXPECT_NEAR(layer.error_signals(0), 1 - y0, 8 * this->kEpsilon);
  EXPECT_NEAR(layer.error_signals(1), 0.25 - y1, 8 * this->kEpsilon);
}

TYPED_TEST(OutputLayerTest, OfMultiwayClassificationIsSoftmaxAndMultinomial) {
  const OutputLayer<TypeParam> layer(Task::kMultiwayClassification, Vector<TypeParam>{{1, 2, -0.5}},
                                     Vector<TypeParam>{{0.25, 0.75, 0}});
  const double sum = std::exp(1.0) + std::exp(2.0) + std::exp(-0.5);
  EXPECT_NEAR(layer.y(0), std::exp(1.0) / sum, 8 * this->kEpsilon);
  EXPECT_NEAR(layer.y(1), std::exp(2.0) / sum, 8 * this->kEpsilon);
  EXPECT_NEAR(layer.y(2), std::exp(-0.5) / sum, 8 * this->kEpsilon);
  EXPECT_NEAR(layer.log_likelihood, 0.25 * (1 - std::log(sum)) + 0.75 * (2 - std::log(sum)), 8 * this->kEpsilon);
  EXPECT_NEAR(layer.error_signals(2), -std::exp(-0.5) / sum, 8 * this->kEpsilon);
}

// Beside 1 the other exponentials would lose their digits.
TYPED_TEST(OutputLayerTest, KnowsTheLogLikelihoodOfAnOutputNearOne) {
  for (const double s : {5.0, 15.0, 30.0}) {
    const auto sum = static_cast<TypeParam>(s);
    const OutputLayer<TypeParam> two(Task::kMultiwayClassification, Vector<TypeParam>{{0, sum}},
                                     Vector<TypeParam>{{0, 1}});
    const OutputLayer<TypeParam> one(Task::kBinaryClassification, Vector<TypeParam>{{sum}}, Vector<TypeParam>{{1}});
    const double expected = -std::log1p(std::exp(-s));
    EXPECT_NEAR(two.log_likelihood, expected, -expected * 8 * this->kEpsilon);
    EXPECT_NEAR(one.log_likelihood, expected, -expected * 8 * this->kEpsilon);
  }
}

TYPED_TEST(OutputLayerTest, IsExactAtWeightedSumsOfAThousandInRegression) {
  const OutputLayer<TypeParam> layer(Task::kRegression, Vector<TypeParam>{{1000, -1000}}, Vector<TypeParam>{{0, 0}});
  EXPECT_EQ(layer.y, (Matrix<TypeParam>{{1000}, {-1000}}));
  EXPECT_EQ(layer.log_likelihood, TypeParam(-1'000'000));
  EXPECT_EQ(layer.error_signals, (Matrix<TypeParam>{{-1000}, {1000}}));
}

TYPED_TEST(OutputLayerTest, IsExactAtWeightedSumsOfAThousandInBinaryClassification) {
  struct {
    TypeParam s, target, log_likelihood, y;
  } const cases[] = {
      {1000, 1, 0, 1}, {1000, 0, -1000, 1}, {-1000, 0, 0, 0}, {-1000, 1, -1000, 0}, {1000, 0.5, -500, 1}};
  for (const auto& c : cases) {
    const OutputLayer<TypeParam> layer(Task::kBinaryClassification, Vector<TypeParam>{{c.s}},
                                       Vector<TypeParam>{{c.target}});
    EXPECT_NEAR(layer.log_likelihood, c.log_likelihood, this->kNothing);
    EXPECT_NEAR(layer.y(0), c.y, this->kNothing);
    EXPECT_NEAR(layer.error_signals(0), c.target - c.y, this->kNothing);
  }
}

TYPED_TEST(OutputLayerTest, IsExactAtWeightedSumsOfAThousandInMultiwayClassification) {
  struct {
    TypeParam target0, log_likelihood;
  } const cases[] = {{1, 0}, {0, -2000}, {0.5, -1000}};
  for (const auto& c : cases) {
    const OutputLayer<TypeParam> layer(Task::kMultiwayClassification, Vector<TypeParam>{{1000, -1000}},
                                       Vector<TypeParam>{{c.target0, 1 - c.target0}});
    EXPECT_NEAR(layer.log_likelihood, c.log_likelihood, this->kNothing);
    EXPECT_NEAR(layer.y(0), 1, this->kNothing);
    EXPECT_NEAR(layer.y(1), 0, this->kNothing);
    EXPECT_NEAR(layer.error_signals(0), c.target0 - 1, this->kNothing);
    EXPECT_NEAR(layer.error_signals(1), 1 - c.target0, this->kNothing);
  }
}

TYPED_TEST(OutputLayerTest, SharesTheProbabilityBetweenEqualHugeSums) {
  for (const TypeParam s : {TypeParam(1000), TypeParam(-1000)}) {
    const OutputLayer<TypeParam> layer(Task::kMultiwayClassification, Vector<TypeParam>{{s, s}},
                                       Vector<TypeParam>{{1, 0}});
    EXPECT_EQ(layer.y, (Matrix<TypeParam>{{0.5}, {0.5}}));
    EXPECT_NEAR(layer.log_likelihood, -std::log(2.0), 2 * this->kEpsilon);
  }
}

// -log(1 + exp(-20)) is -2e-9: lost by log(y), where y rounds to 1 in float.
TYPED_TEST(OutputLayerTest, KeepsSmallLogLikelihoodsOfConfidentOutputs) {
  const OutputLayer<TypeParam> layer(Task::kBinaryClassification, Vector<TypeParam>{{20}}, Vector<TypeParam>{{1}});
  EXPECT_NEAR(layer.log_likelihood / -std::log1p(std::exp(-20.0)), 1, 8 * this->kEpsilon);
}

TYPED_TEST(OutputLayerTest, GivesTheSameActivationsWithoutTargets) {
  for (const Task task : kTasks) {
    const OutputLayer<TypeParam> layer(task, Vector<TypeParam>{{0.3, -2, 5}}, Vector<TypeParam>{{0, 1, 0}});
    EXPECT_EQ(layer.ActivationsAlone(), layer.y);
  }
}

TYPED_TEST(OutputLayerTest, TreatsEveryPatternOnItsOwn) {
  for (const Task task : kTasks) {
    Matrix<TypeParam> s{{1, -3, 400}, {2, 0.5, -400}};
    const Matrix<TypeParam> targets{{1, 0, 0}, {0, 1, 1}};
    RowVector<TypeParam> log_likelihood(3);
    std::vector<OutputLayer<TypeParam>> alone;
    for (int t = 0; t < 3; ++t) alone.emplace_back(task, s.col(t), targets.col(t));
    ActivateOutputs<TypeParam>(task, s, targets, log_likelihood);
    for (int t = 0; t < 3; ++t) {
      // A packet of three patterns may round otherwise than one alone.
      EXPECT_TRUE(s.col(t).isApprox(alone[t].y, TypeParam(8 * this->kEpsilon)));
      EXPECT_NEAR(log_likelihood(t), alone[t].log_likelihood, 8 * this->kEpsilon * (1 + std::abs(log_likelihood(t))));
    }
  }
}

}  // namespace
}  // namespace backprop
