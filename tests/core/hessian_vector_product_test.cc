#include "core/hessian_vector_product.h"

#include <atomic>
#include <limits>

#include "gtest/gtest.h"
#include "tests/support/compute.h"
#include "tests/support/derivative_case.h"
#include "tests/support/near.h"
#include "tests/support/scalar_log_likelihood.h"
#include "tests/support/thread_for.h"

namespace backprop {
namespace {

class HessianVectorTest : public testing::TestWithParam<Shape> {
 protected:
  static constexpr int64_t kSeed = 11;

  const RandomCase random_ = MakeRandomCase(FieldsOfShape(GetParam()), /*pattern_count=*/4, kSeed);
  const DerivativeCase<double> case_{random_};
  const std::vector<Parameters<double>> directions_ = MakeDirections(case_.spec, 3, kSeed);

  Vector<double> Gradient(double t) const {
    Parameters<double> parameters = case_.parameters;
    parameters.flat() += t * directions_[0].flat();
    return Compute(case_.spec, random_.scalings, parameters, case_.patterns).gradient.flat();
  }

  // C v by the scalar oracle, number by number.
  std::vector<double> Expected(const Parameters<double>& direction, Curvature curvature) const {
    const ScalarNetwork network = ToScalar(random_.spec, random_.scalings, random_.parameters);
    const std::vector<double> v = ToVector(direction.flat());
    std::vector<double> unit(v.size(), 0), product;
    for (double& number : unit) {
      number = 1;
      product.push_back(SecondDerivative(network, ToScalar(random_.patterns), unit, v,
                                         /*gauss_newton=*/curvature == Curvature::kGaussNewton));
      number = 0;
    }
    return product;
  }
};

INSTANTIATE_TEST_SUITE_P(EveryShape, HessianVectorTest, EveryShape(3), NameOfShape);

// Truncation: a third of what differences of width h and 2h differ by, as in finite_differences.cc, with a factor of 2
// left. Rounding: 100 epsilon of a gradient of size 10, divided by the width.
TEST_P(HessianVectorTest, AgreesWithCentralDifferencesOfTheGradient) {
  constexpr double kStep = 1e-5;
  const Vector<double> narrow = (Gradient(kStep) - Gradient(-kStep)) / (2 * kStep);
  const Vector<double> wide = (Gradient(2 * kStep) - Gradient(-2 * kStep)) / (4 * kStep);
  const double rounding = 100 * std::numeric_limits<double>::epsilon() * 10 / kStep;
  const Vector<double> tolerances = (2.0 / 3 * (wide - narrow).cwiseAbs()).array() + rounding;
  const auto actual = ComputeProducts(case_.task(), directions_, Curvature::kHessian);
  EXPECT_TRUE(AllNear(ToVector(actual.product(0).flat()), ToVector(narrow), ToVector(tolerances)));
  EXPECT_LT(tolerances.maxCoeff(), 1e-4 * narrow.cwiseAbs().maxCoeff());
}

TEST_P(HessianVectorTest, AgreesWithTheScalarOracle) {
  for (const Curvature curvature : kCurvatures) {
    const auto actual = ComputeProducts(case_.task(), directions_, curvature);
    for (int i = 0; i < std::ssize(directions_); ++i) {
      EXPECT_TRUE(AllNear(ToVector(actual.product(i).flat()), Expected(directions_[i], curvature),
                          kCurvatureTolerance<double>));
    }
  }
}

TEST_P(HessianVectorTest, AgreesWithTheScalarOracleInFloat32) {
  const DerivativeCase<float> case_in_float(random_);
  for (const Curvature curvature : kCurvatures) {
    const auto actual = ComputeProducts(case_in_float.task(), {Cast<float>(case_.spec, directions_[0])}, curvature);
    EXPECT_TRUE(
        AllNear(ToVector(actual.product(0).flat()), Expected(directions_[0], curvature), kCurvatureTolerance<float>));
  }
}

template <typename Scalar>
void ExpectSymmetryAndLinearity(const DerivativeCase<Scalar>& c, const std::vector<Parameters<double>>& directions) {
  std::vector<Parameters<Scalar>> d;
  for (const auto& direction : directions) d.push_back(Cast<Scalar>(c.spec, direction));
  d[2].flat() = 2 * d[0].flat() - 3 * d[1].flat();
  for (const Curvature curvature : kCurvatures) {
    const auto actual = ComputeProducts(c.task(), d, curvature);
    const Vector<double> cu = actual.product(0).flat().template cast<double>(),
                         cv = actual.product(1).flat().template cast<double>();
    EXPECT_TRUE(AllNear({directions[1].flat().dot(cu)}, {directions[0].flat().dot(cv)}, kCurvatureTolerance<Scalar>));
    EXPECT_TRUE(AllNear(ToVector(actual.product(2).flat()), ToVector(Vector<double>(2 * cu - 3 * cv)),
                        kCurvatureTolerance<Scalar>));
  }
}

TEST_P(HessianVectorTest, IsSymmetricAndLinear) {
  ExpectSymmetryAndLinearity(case_, directions_);
  ExpectSymmetryAndLinearity(DerivativeCase<float>(random_), directions_);
}

// -J' M J with M >= 0. The sums are of numbers of size 1 to 100.
TEST_P(HessianVectorTest, IsNegativeSemidefiniteForTheGaussNewtonMatrix) {
  const auto actual = ComputeProducts(case_.task(), directions_, Curvature::kGaussNewton);
  for (int i = 0; i < std::ssize(directions_); ++i) {
    EXPECT_LT(directions_[i].flat().dot(actual.product(i).flat()), 1e-12);
  }
}

TEST_P(HessianVectorTest, ComesWithTheGradientAndTheMeasures) {
  const auto actual = ComputeProducts(case_.task(), directions_, Curvature::kHessian);
  const auto expected = Compute(case_.spec, random_.scalings, case_.parameters, case_.patterns);
  EXPECT_EQ(actual.gradient(), expected.gradient);
  EXPECT_EQ(actual.measures().log_likelihood, expected.measures.log_likelihood);
  EXPECT_EQ(actual.measures().weight_sum, expected.measures.weight_sum);
}

TEST_P(HessianVectorTest, IsTheSameForADirectionAloneAndInCompany) {
  const auto together = ComputeProducts(case_.task(), directions_, Curvature::kHessian);
  const auto alone = ComputeProducts(case_.task(), {directions_[1]}, Curvature::kHessian);
  EXPECT_EQ(alone.product(0), together.product(1));
}

class LargeHessianVectorTest : public testing::Test {
 protected:
  const DerivativeCase<float> case_{MakeLargeCase()};
  const std::vector<Parameters<float>> directions_ = {
      Cast<float>(case_.spec, MakeDirections(case_.spec, 1, /*seed=*/7).front())};
};

TEST_F(LargeHessianVectorTest, GivesTheSameBitsWithAnyNumberOfThreads) {
  int tasks = 0;
  const auto sequential = ComputeProducts(case_.task(), directions_, Curvature::kHessian,
                                          [&](int count, const std::function<void(int)>& task) {
                                            tasks = count;
                                            SequentialFor(count, task);
                                          });
  EXPECT_GT(tasks, 4);
  for (const int threads : {1, 2, 3}) {
    const auto threaded = ComputeProducts(case_.task(), directions_, Curvature::kHessian, ThreadFor(threads));
    EXPECT_EQ(threaded.product(0), sequential.product(0));
    EXPECT_EQ(threaded.gradient(), sequential.gradient());
    EXPECT_EQ(threaded.measures().log_likelihood, sequential.measures().log_likelihood);
  }
}

TEST_F(LargeHessianVectorTest, StopsBetweenChunksAndCanBeUsedAgain) {
  HessianVectorComputation<float> computation(case_.spec);
  std::atomic<int> asked = 0;
  const auto run = [&](const StopCheck& stopped) {
    return computation.Run(case_.task(), directions_, Curvature::kHessian, ThreadFor(2), stopped);
  };
  EXPECT_FALSE(run([&] { return ++asked > 3; }));
  EXPECT_LT(asked, 20);
  ASSERT_TRUE(run(NeverStop));
  EXPECT_EQ(computation.product(0), ComputeProducts(case_.task(), directions_, Curvature::kHessian).product(0));
}

TEST_F(LargeHessianVectorTest, WithoutDirectionsIsTheGradient) {
  const auto actual = ComputeProducts<float>(case_.task(), {}, Curvature::kHessian);
  EXPECT_EQ(actual.gradient(), ComputeProducts(case_.task(), directions_, Curvature::kHessian).gradient());
}

}  // namespace
}  // namespace backprop
