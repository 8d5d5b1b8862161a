#include "core/taylor_series.h"

#include <cmath>

#include "gtest/gtest.h"
#include "tests/support/near.h"
#include "tests/support/scalar_conversion.h"

namespace backprop {
namespace {

// The series of f(x0 + x1 t) for two units and one pattern, [unit x coefficient].
Matrix<double> SeriesAlong(Activation activation, const Eigen::Vector2d& x0, const Eigen::Vector2d& x1, int order) {
  // Coefficients above the first are left over from something else.
  Matrix<double> series = Matrix<double>::Constant(2, order + 1, std::nan(""));
  series.col(0) = x0;
  series.col(1) = x1;
  const int result_order = ActivateSeries<double>(activation, /*s_order=*/1, order, series);
  return series.leftCols(result_order + 1);
}

TEST(ActivateSeriesTest, OfTanhAndTheLogisticAreThoseOfTextbooks) {
  const Matrix<double> tanh = SeriesAlong(Activation::kTanh, {0, 0}, {1, 2}, 7);
  const std::vector<double> expected = {0, 1, 0, -1.0 / 3, 0, 2.0 / 15, 0, -17.0 / 315};
  EXPECT_TRUE(AllNear(ToVector(tanh.row(0)), expected, 1e-15));
  for (int k = 0; k <= 7; ++k) EXPECT_NEAR(tanh(1, k), std::pow(2, k) * expected[k], 1e-13);
  // The logistic of s is (1 + tanh(s / 2)) / 2.
  const Matrix<double> logistic = SeriesAlong(Activation::kLogistic, {0, 0}, {2, 1}, 7);
  EXPECT_NEAR(logistic(0, 0), 0.5, 1e-15);
  for (int k = 1; k <= 7; ++k) EXPECT_NEAR(logistic(0, k), expected[k] / 2, 1e-15);
}

TEST(ActivateSeriesTest, OfReluAndIdentityKeepTheirOrder) {
  EXPECT_EQ(SeriesAlong(Activation::kRelu, {3, -3}, {1, 2}, 7), (Matrix<double>{{3, 1}, {0, 0}}));
  EXPECT_EQ(SeriesAlong(Activation::kRelu, {0, 3}, {1, 2}, 7), (Matrix<double>{{0, 0}, {3, 2}}));
  EXPECT_EQ(SeriesAlong(Activation::kIdentity, {3, -3}, {1, 2}, 7), (Matrix<double>{{3, 1}, {-3, 2}}));
}

// More numbers than go through the orders at once, and a remainder: all get the series they would get alone.
TEST(ActivateSeriesTest, IsTakenNumberByNumber) {
  constexpr int kOrder = 3, kUnits = 7, kPatterns = 61;
  Matrix<double> s(kUnits, (kOrder + 1) * kPatterns);
  for (Eigen::Index i = 0; i < s.size(); ++i) s.reshaped()(i) = std::sin(static_cast<double>(i));
  Matrix<double> h = s;
  ActivateSeries<double>(Activation::kTanh, kOrder, kOrder, h);
  for (const int unit : {0, 3, 6}) {
    for (const int pattern : {0, 17, 18, 60}) {
      Matrix<double> alone(1, kOrder + 1);
      for (int k = 0; k <= kOrder; ++k) alone(k) = s(unit, k * kPatterns + pattern);
      ActivateSeries<double>(Activation::kTanh, kOrder, kOrder, alone);
      for (int k = 0; k <= kOrder; ++k) EXPECT_NEAR(h(unit, k * kPatterns + pattern), alone(k), 1e-14);
    }
  }
}

// Outputs of a softmax sum to 1 along the whole line.
TEST(LogLikelihoodSeriesTest, OfASoftmaxLeavesTheSumOfOutputs) {
  constexpr int kOrder = 5;
  const Matrix<double> targets{{1}, {0}, {0}};
  Matrix<double> s(3, kOrder + 1), y(3, kOrder + 1), log_likelihood(kOrder + 1, 1);
  for (Eigen::Index i = 0; i < s.size(); ++i) s.reshaped()(i) = std::sin(static_cast<double>(i));
  LogLikelihoodSeries<double>(Task::kMultiwayClassification, kOrder, s, targets, y, log_likelihood);
  EXPECT_TRUE(AllNear(ToVector(y.colwise().sum()), {1, 0, 0, 0, 0, 0}, 1e-15));
}

}  // namespace
}  // namespace backprop
