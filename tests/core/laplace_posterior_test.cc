#include "core/laplace_posterior.h"

#include <Eigen/LU>
#include <atomic>
#include <limits>

#include "core/batch_computation.h"
#include "gtest/gtest.h"
#include "tests/support/derivative_case.h"
#include "tests/support/fields.h"
#include "tests/support/finite_differences.h"
#include "tests/support/near.h"
#include "tests/support/scalar_log_likelihood.h"

namespace backprop {
namespace {

LaplacePosterior FitTo(const DerivativeCase<double>& c, double prior_precision) {
  return LaplacePosterior::Fit(c.task(), prior_precision, SequentialFor, NeverStop).value();
}

// Linear regression with normal noise and a normal prior: the posterior is known, and the Laplace approximation exact.
// A few dozen roundings of matrices with condition numbers below 100.
TEST(LinearGaussianTest, HasTheClosedFormVariances) {
  constexpr double kPrior = 0.5;
  const RandomCase random = MakeRandomCase(FieldsOfShape({Task::kRegression, Activation::kLogistic, 0}), 7, /*seed=*/4);
  const DerivativeCase<double> c(random);
  Matrix<double> x(4, 7);  // The inputs and a bias, for each output alike.
  const Scaling& scaling = random.scalings.input;
  x.topRows(3) = (random.patterns.inputs.colwise() - scaling.offset).array().colwise() * scaling.scale.array();
  x.row(3).setOnes();
  const Matrix<double> precision =
      x * random.patterns.weights.asDiagonal() * x.transpose() + kPrior * Matrix<double>::Identity(4, 4);
  const RowVector<double> scaled = (x.transpose() * precision.inverse() * x).diagonal();
  const Matrix<double> expected = random.scalings.target.scale.array().square().inverse().matrix() * scaled;
  const Matrix<double> actual = FitTo(c, kPrior).OutputVariances(random.patterns.inputs, NeverStop);
  EXPECT_TRUE(AllNear(ToVector(actual), ToVector(expected), 1e-13));
  EXPECT_GT(expected.minCoeff(), 1e-3);
}

class LaplaceTest : public testing::TestWithParam<Shape> {
 protected:
  static constexpr double kPrior = 0.3;
  const RandomCase random_ = MakeRandomCase(FieldsOfShape(GetParam()), /*pattern_count=*/4, /*seed=*/17);
  const DerivativeCase<double> case_{random_};
};

INSTANTIATE_TEST_SUITE_P(EveryShape, LaplaceTest, EveryShape(2), NameOfShape);

// The Jacobian by differences, the Gauss-Newton matrix by the scalar oracle, the inverse by LU. Differences are off by
// 1e-9 of derivatives of size 1; divided by the prior's precision and squared that is below 1e-7.
TEST_P(LaplaceTest, HasTheLinearisedVariances) {
  const auto rows = SecondDerivatives(ToScalar(random_.spec, random_.scalings, random_.parameters),
                                      ToScalar(random_.patterns), /*gauss_newton=*/true);
  const Eigen::Index count = std::ssize(rows);
  Matrix<double> precision = kPrior * Matrix<double>::Identity(count, count);
  for (Eigen::Index p = 0; p < count; ++p) {
    for (Eigen::Index q = 0; q < count; ++q) precision(p, q) -= rows[p][q];
  }
  const Matrix<double> covariance = precision.inverse();
  Matrix<double> expected(3, 4);
  for (int t = 0; t < 4; ++t) {
    for (int unit = 0; unit < 3; ++unit) {
      const auto output = [&](const std::vector<double>& flat) {
        Parameters<double> parameters(case_.spec.layout());
        parameters.flat() = Eigen::Map<const Vector<double>>(flat.data(), count);
        return Predict<double>(case_.spec, random_.scalings, parameters, random_.patterns.inputs, NeverStop)(unit, t);
      };
      const auto jacobian = Differentiate(output, ToVector(case_.parameters.flat())).gradient;
      const Eigen::Map<const Vector<double>> j(jacobian.data(), count);
      expected(unit, t) = j.dot(covariance * j);
    }
  }
  const LaplacePosterior posterior = FitTo(case_, kPrior);
  EXPECT_TRUE(
      AllNear(ToVector(posterior.OutputVariances(random_.patterns.inputs, NeverStop)), ToVector(expected), 1e-7));
}

TEST_P(LaplaceTest, IsComputedInDoubleForAFloat32Network) {
  const auto in_double = FitTo(case_, kPrior).OutputVariances(random_.patterns.inputs, NeverStop);
  const DerivativeCase<float> c(random_);  // Exact in float.
  const auto posterior = LaplacePosterior::Fit(c.task(), kPrior, SequentialFor, NeverStop);
  EXPECT_EQ(posterior->OutputVariances(random_.patterns.inputs, NeverStop), in_double);
}

TEST(LaplaceInputTest, GivesManyPatternsTheirOwnVariances) {
  const RandomCase random =
      MakeRandomCase(FieldsOfShape({Task::kMultiwayClassification, Activation::kTanh, 1}), 600, 5);
  const DerivativeCase<double> c(random);
  const LaplacePosterior posterior = FitTo(c, 1);
  const Matrix<double> all = posterior.OutputVariances(random.patterns.inputs, NeverStop);
  for (const int t : {0, 255, 256, 599}) {
    const Matrix<double> one = posterior.OutputVariances(random.patterns.inputs.col(t), NeverStop);
    EXPECT_TRUE(AllNear(ToVector(one), ToVector(all.col(t)), 1e-12));
  }
  EXPECT_EQ(posterior.OutputVariances(Matrix<double>(3, 0), NeverStop).cols(), 0);
}

TEST(LaplaceInputTest, RefusesAPriorThatGivesNoCovariance) {
  const RandomCase random = MakeRandomCase(FieldsOfShape({Task::kRegression, Activation::kTanh, 1}), 2, /*seed=*/5);
  const DerivativeCase<double> c(random);
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  for (const double prior : {0.0, -1.0, kInfinity, -kInfinity, std::numeric_limits<double>::quiet_NaN(), 1e-300}) {
    const auto status = LaplacePosterior::Fit(c.task(), prior, SequentialFor, NeverStop).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << prior;
    EXPECT_EQ(FieldsOf(status), std::vector<std::string>{"prior_precision"}) << prior;
  }
}

TEST(LaplaceInputTest, Stops) {
  const RandomCase random = MakeRandomCase(FieldsOfShape({Task::kRegression, Activation::kTanh, 1}), 2, /*seed=*/5);
  const DerivativeCase<double> c(random);
  const auto stop = [] { return true; };
  EXPECT_EQ(LaplacePosterior::Fit(c.task(), 1, SequentialFor, stop).status().code(), absl::StatusCode::kCancelled);
  int asked = 0;
  FitTo(c, 1).OutputVariances(random.patterns.inputs, [&] { return ++asked > 0; });
  EXPECT_EQ(asked, 1);
}

}  // namespace
}  // namespace backprop
