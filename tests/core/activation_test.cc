#include "core/activation.h"

#include <cmath>
#include <limits>

#include "gtest/gtest.h"
#include "tests/support/random_network.h"

namespace backprop {
namespace {

template <typename Scalar>
class ActivationTest : public testing::Test {
 protected:
  // 21 units x 1 pattern: more than a SIMD packet, and a remainder.
  static constexpr int kCount = 21;
  static constexpr double kEpsilon = double{std::numeric_limits<Scalar>::epsilon()};

  Matrix<Scalar> WeightedSums() const { return Vector<Scalar>::LinSpaced(kCount, Scalar(-5), Scalar(5)); }

  Matrix<Scalar> Activated(Activation activation, Matrix<Scalar> s) const {
    Activate<Scalar>(activation, s);
    return s;
  }

  // d h / d s at `s`.
  Matrix<Scalar> Derivative(Activation activation, const Matrix<Scalar>& s) const {
    Matrix<Scalar> derivative = Matrix<Scalar>::Ones(s.rows(), s.cols());
    MultiplyByDerivative<Scalar>(activation, Activated(activation, s), derivative);
    return derivative;
  }
};

using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(ActivationTest, Scalars);

// Eigen interpolates the logistic and the hyperbolic tangent to a few epsilon of 1.
TYPED_TEST(ActivationTest, FollowsItsFormula) {
  const Matrix<TypeParam> s = this->WeightedSums();
  for (int i = 0; i < this->kCount; ++i) {
    const double x = double{s(i)};
    EXPECT_NEAR(this->Activated(Activation::kLogistic, s)(i), 1 / (1 + std::exp(-x)), 4 * this->kEpsilon);
    EXPECT_NEAR(this->Activated(Activation::kTanh, s)(i), std::tanh(x), 4 * this->kEpsilon);
    EXPECT_EQ(this->Activated(Activation::kRelu, s)(i), s(i) > 0 ? s(i) : TypeParam(0));
    EXPECT_EQ(this->Activated(Activation::kIdentity, s)(i), s(i));
  }
}

// The two formulas for one number differ by rounding.
TYPED_TEST(ActivationTest, HasItsDerivativeAsAPolynomial) {
  const Matrix<TypeParam> s = this->WeightedSums();
  for (const Activation activation : {Activation::kLogistic, Activation::kTanh, Activation::kIdentity}) {
    const DerivativePolynomial p = DerivativeOf(activation);
    const Matrix<TypeParam> h = this->Activated(activation, s), derivative = this->Derivative(activation, s);
    for (int i = 0; i < this->kCount; ++i) {
      const double x = double{h(i)};
      EXPECT_NEAR(double{derivative(i)}, p.constant + p.linear * x + p.quadratic * x * x, 4 * this->kEpsilon);
    }
  }
  EXPECT_TRUE(DerivativeOf(Activation::kRelu).is_constant());
  EXPECT_TRUE(DerivativeOf(Activation::kIdentity).is_constant());
  EXPECT_FALSE(DerivativeOf(Activation::kLogistic).is_constant());
  EXPECT_FALSE(DerivativeOf(Activation::kTanh).is_constant());
}

// A derivative is off by what its activation is off by, some epsilon.
TYPED_TEST(ActivationTest, HasTheDerivativeOfItsFormula) {
  const Matrix<TypeParam> s = this->WeightedSums();
  for (int i = 0; i < this->kCount; ++i) {
    const double x = double{s(i)};
    const double h = 1 / (1 + std::exp(-x));
    EXPECT_NEAR(this->Derivative(Activation::kLogistic, s)(i), h * (1 - h), 8 * this->kEpsilon);
    EXPECT_NEAR(this->Derivative(Activation::kTanh, s)(i), std::pow(std::cosh(x), -2), 8 * this->kEpsilon);
    EXPECT_EQ(this->Derivative(Activation::kRelu, s)(i), x > 0 ? 1 : 0);
    EXPECT_EQ(this->Derivative(Activation::kIdentity, s)(i), 1);
  }
}

TYPED_TEST(ActivationTest, MultipliesWhatIsThere) {
  Matrix<TypeParam> error_signal{{3}, {-2}};
  MultiplyByDerivative<TypeParam>(Activation::kLogistic, Matrix<TypeParam>{{0.5}, {0.25}}, error_signal);
  EXPECT_EQ(error_signal, (Matrix<TypeParam>{{0.75}, {-0.375}}));
}

TYPED_TEST(ActivationTest, OfReluHasDerivativeZeroAtItsKink) {
  EXPECT_EQ(this->Derivative(Activation::kRelu, Matrix<TypeParam>::Zero(1, 1))(0), 0);
}

TYPED_TEST(ActivationTest, StaysFiniteAndInRangeAtExtremes) {
  Matrix<TypeParam> s(6, 1);
  const TypeParam most = std::numeric_limits<TypeParam>::max();
  s << -most, -1000, -100, 100, 1000, most;
  for (const Activation activation : {Activation::kLogistic, Activation::kTanh}) {
    const Matrix<TypeParam> h = this->Activated(activation, s);
    EXPECT_TRUE((h.array().abs() <= 1).all()) << h;
    EXPECT_TRUE(h.bottomRows(3).isOnes(0)) << h;  // 1 - exp(-100) rounds to 1.
    // All of the rest of the way down: no further than exp(-87), where float ends.
    EXPECT_NEAR(h(0), activation == Activation::kTanh ? -1 : 0, 1e-37);
    EXPECT_TRUE(this->Derivative(activation, s).array().abs().maxCoeff() < 1e-37);
  }
}

}  // namespace
}  // namespace backprop
