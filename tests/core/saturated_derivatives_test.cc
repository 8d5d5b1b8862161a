// Derivatives where weighted sums are so large that activations are 0 or 1 to the last bit: exact, as log L is a
// function of the output units' weighted sums, and not of log(y).
#include <vector>

#include "core/directional_derivatives.h"
#include "core/hessian.h"
#include "core/hessian_vector_product.h"
#include "core/laplace_posterior.h"
#include "gtest/gtest.h"
#include "tests/support/derivative_case.h"
#include "tests/support/near.h"

namespace backprop {
namespace {

// Everything there is, at the biases `parameters`, along the biases `direction`.
template <typename Scalar>
struct Derivatives {
  Derivatives(const NetworkSpec& spec, const Parameters<Scalar>& parameters, const Parameters<Scalar>& direction,
              const Patterns<Scalar>& patterns) {
    const PatternSource<Scalar> source = SourceOf(patterns);
    const Scalings scalings;
    const DerivativeTask<Scalar> task{.spec = spec,
                                      .scalings = scalings,
                                      .parameters = parameters,
                                      .pattern_count = patterns.count(),
                                      .source = source};
    product = ComputeProducts(task, {direction}, Curvature::kHessian).product(0).flat();
    gauss_newton = ComputeProducts(task, {direction}, Curvature::kGaussNewton).product(0).flat();
    hessian = Hessian(task, Curvature::kHessian, {}, SequentialFor, NeverStop).value().hessian;
    diagonal = HessianDiagonal(task, Curvature::kHessian, SequentialFor, NeverStop).value().diagonal.flat();
    along = DirectionalDerivatives(task, {.parameters = &direction}, 8, SequentialFor, NeverStop).value();
    variances = LaplacePosterior::Fit(task, 1, SequentialFor, NeverStop)
                    ->OutputVariances(patterns.inputs.template cast<double>(), NeverStop);
  }

  void ExpectFinite() const {
    EXPECT_TRUE(product.allFinite());
    EXPECT_TRUE(gauss_newton.allFinite());
    EXPECT_TRUE(hessian.allFinite());
    EXPECT_TRUE(diagonal.allFinite());
    EXPECT_TRUE(variances.allFinite());
    for (const double derivative : along) EXPECT_TRUE(std::isfinite(derivative));
  }

  Vector<Scalar> product, gauss_newton, diagonal;
  WeightMatrix<Scalar> hessian;
  std::vector<double> along;
  Matrix<double> variances;
};

// Weights of 0 and these biases, along a direction of biases of 1, -2, 0.5; a pattern with input 0.25 and class 2.
template <typename Scalar>
Derivatives<Scalar> AtBiases(Task task, const std::vector<Scalar>& biases) {
  const auto precision = std::is_same_v<Scalar, float> ? Precision::kFloat32 : Precision::kFloat64;
  const NetworkSpec spec =
      MakeSpec({.input_unit_count = 1, .output_unit_count = 3, .task = task, .precision = precision});
  Parameters<Scalar> parameters(spec.layout()), direction(spec.layout());
  parameters.biases(1) = Eigen::Map<const Vector<Scalar>>(biases.data(), 3);
  direction.biases(1) << Scalar(1), Scalar(-2), Scalar(0.5);
  Patterns<Scalar> pattern{Matrix<Scalar>::Constant(1, 1, Scalar(0.25)), Matrix<Scalar>::Zero(3, 1),
                           RowVector<Scalar>::Ones(1)};
  pattern.targets(2) = 1;
  return Derivatives<Scalar>(spec, parameters, direction, pattern);
}

template <typename Scalar>
class SaturatedTest : public testing::Test {};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(SaturatedTest, Scalars);

// y = 1, 0, 0: log L = 0 - softplus(1000) + ... = -2000, and nothing bends there. softplus(t) bends at the third unit.
TYPED_TEST(SaturatedTest, LogisticOutputsHaveNoCurvatureLeft) {
  const auto d = AtBiases<TypeParam>(Task::kBinaryClassification, {1000, -1000, -1000});
  d.ExpectFinite();
  EXPECT_TRUE(d.product.isZero(0));
  EXPECT_TRUE(d.gauss_newton.isZero(0));
  EXPECT_TRUE(d.hessian.isZero(0));
  EXPECT_TRUE(d.diagonal.isZero(0));
  // d/dt: -1 for the unit at 1, 0 for that at its target of 0, 0.5 for that whose target is 1.
  EXPECT_EQ(d.along, (std::vector<double>{-2000, -0.5, 0, 0, 0, 0, 0, 0, 0}));
}

// y = 1/2, 1/2, 0: M = diag(y) - y y' of the first two units is 1/4, -1/4.
TYPED_TEST(SaturatedTest, SoftmaxOutputsHaveTheCurvatureOfTheUnitsThatTie) {
  const auto d = AtBiases<TypeParam>(Task::kMultiwayClassification, {1000, 1000, -1000});
  d.ExpectFinite();
  const std::vector<double> m = {-0.25, 0.25, 0, 0.25, -0.25, 0, 0, 0, 0};
  EXPECT_TRUE(AllNear(ToVector(d.hessian.bottomRightCorner(3, 3)), m, 1e-7));
  EXPECT_TRUE(AllNear(ToVector(d.diagonal.tail(3)), {-0.25, -0.25, 0}, 1e-7));
  EXPECT_TRUE(AllNear(ToVector(d.product.tail(3)), {-0.75, 0.75, 0}, 1e-7));
  EXPECT_TRUE(AllNear(ToVector(d.gauss_newton.tail(3)), {-0.75, 0.75, 0}, 1e-7));
  // log L = -2000 + t/2 - log(e^t + e^-2t) = -2000 + t - log(2 cosh(3t/2)), of which the even derivatives are those of
  // log cosh at 0, 1, -2, 16, -272, times 1.5^k. float: 1e-7 of numbers up to 7,000.
  const std::vector<double> expected = {
      -2000 - std::log(2), 1, -2.25, 0, 2 * std::pow(1.5, 4), 0, -16 * std::pow(1.5, 6), 0, 272 * std::pow(1.5, 8)};
  EXPECT_TRUE(AllNear(d.along, expected, 1e-7));
}

TYPED_TEST(SaturatedTest, LinearOutputsHaveUnitCurvature) {
  const auto d = AtBiases<TypeParam>(Task::kRegression, {1000, -1000, 1000});
  d.ExpectFinite();
  EXPECT_TRUE(d.hessian.bottomRightCorner(3, 3).isApprox(-Matrix<TypeParam>::Identity(3, 3)));
  // The errors are -1000, 1000 and -999.
  EXPECT_TRUE(AllNear(d.along, {-(1e6 + 1e6 + 998001) / 2, -1000 - 2000 - 499.5, -5.25, 0, 0, 0, 0, 0, 0}, 1e-7));
}

// Hidden units at +-1000, which are 0 or 1 (relu and identity: 1000), below outputs that are about as large.
TYPED_TEST(SaturatedTest, HiddenUnitsLeaveEverythingFinite) {
  const auto precision = std::is_same_v<TypeParam, float> ? Precision::kFloat32 : Precision::kFloat64;
  for (const Task task : kTasks) {
    for (const Activation activation : kActivations) {
      NetworkSpec::Fields fields = FieldsOfShape({task, activation, 2}, precision);
      const RandomCase random = MakeRandomCase(fields, /*pattern_count=*/4, /*seed=*/3);
      auto parameters = Cast<TypeParam>(random.spec, random.parameters);
      for (int layer = 1; layer <= 3; ++layer) {
        for (int unit = 0; unit < random.spec.unit_count(layer); ++unit) {
          parameters.biases(layer)(unit) = static_cast<TypeParam>(unit % 2 == 0 ? 1000 : -1000);
        }
      }
      const auto direction = Cast<TypeParam>(random.spec, MakeDirections(random.spec, 1, /*seed=*/4).front());
      const Derivatives<TypeParam> d(random.spec, parameters, direction, Cast<TypeParam>(random.patterns));
      d.ExpectFinite();
      EXPECT_EQ(d.hessian, WeightMatrix<TypeParam>(d.hessian.transpose()));
      EXPECT_LT(d.along[0], -1);
    }
  }
}

// Documented: a relu unit at 0 is taken as one below 0, at every order.
TEST(ReluAtZeroTest, HasNoDerivatives) {
  const NetworkSpec spec = MakeSpec({.input_unit_count = 1,
                                     .hidden_layers = {{1, Activation::kRelu}},
                                     .output_unit_count = 1,
                                     .task = Task::kRegression,
                                     .precision = Precision::kFloat64});
  Parameters<double> parameters(spec.layout()), direction(spec.layout());
  parameters.weights(2).setOnes();
  direction.weights(1).setOnes();
  direction.biases(1).setOnes();
  const Patterns<double> pattern{Matrix<double>::Ones(1, 1), Matrix<double>::Ones(1, 1), RowVector<double>::Ones(1)};
  const Derivatives<double> d(spec, parameters, direction, pattern);
  EXPECT_TRUE(d.product.isZero(0));
  EXPECT_TRUE(d.gauss_newton.isZero(0));
  // Of all pairs of parameters that of the output unit's bias with itself alone has one.
  const Eigen::Vector4d diagonal(0, 0, 0, -1);
  EXPECT_EQ(d.hessian, WeightMatrix<double>(diagonal.asDiagonal()));
  EXPECT_EQ(d.diagonal, Vector<double>(diagonal));
  EXPECT_EQ(d.along, (std::vector<double>{-0.5, 0, 0, 0, 0, 0, 0, 0, 0}));
}

}  // namespace
}  // namespace backprop
