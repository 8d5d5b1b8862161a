#include "core/directional_derivatives.h"

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

constexpr int kOrder = 8;
// Directions are so short that within |t| = kRadius weighted sums change by some tenths: the poles of all activation
// functions, at pi i / 2 and beyond, are outside.
constexpr double kDirectionLength = 0.3;
constexpr double kRadius = 0.5;
// Rounding errors of coefficient k are compared where it counts, at |t| = kRadius. A coefficient is a sum of up to k^2
// products of others, layer by layer, each of up to 5 numbers a unit; less than 8 epsilon of the largest were seen.
template <typename Scalar>
constexpr double kSeriesTolerance = 64 * double{std::numeric_limits<Scalar>::epsilon()};

enum class Along { kParameters, kInputs, kBoth };

class TaylorTest : public testing::TestWithParam<Shape> {
 protected:
  // Of a few drawn cases the one with the relu units farthest from their kinks, which no line below reaches.
  static RandomCase Draw() {
    const auto distance = [](const RandomCase& c) {
      return KinkDistance(ToScalar(c.spec, c.scalings, c.parameters), ToScalar(c.patterns));
    };
    RandomCase best = MakeRandomCase(FieldsOfShape(GetParam()), /*pattern_count=*/2, /*seed=*/1);
    if (std::get<Activation>(GetParam()) != Activation::kRelu) return best;
    for (int seed = 2; seed <= 200; ++seed) {
      RandomCase c = MakeRandomCase(FieldsOfShape(GetParam()), /*pattern_count=*/2, seed);
      if (distance(c) > distance(best)) best = c;
    }
    return best;
  }

  // Shorter where relu units' kinks are near.
  double Length() const {
    return std::get<Activation>(GetParam()) == Activation::kRelu ? kDirectionLength / 10 : kDirectionLength;
  }

  Parameters<double> Direction() const {
    Parameters<double> direction = MakeDirections(random_.spec, 1, /*seed=*/5).front();
    direction.flat() = (Length() * direction.flat()).cast<float>().cast<double>();
    return direction;
  }
  Vector<double> InputDirection() const {
    // Exact in float. (Of a cast there and back that it may do while compiling, g++ 12 at times leaves the rounding
    // out.)
    return (static_cast<float>(Length()) * Eigen::Vector3f(1, -0.75F, 0.5F)).cast<double>();
  }

  std::vector<double> Expected(Along along) const {
    std::vector<double> v, u;
    if (along != Along::kInputs) v = ToVector(Direction().flat());
    if (along != Along::kParameters) u = ToVector(InputDirection());
    return LineDerivatives(ToScalar(random_.spec, random_.scalings, random_.parameters), ToScalar(random_.patterns), v,
                           u, kOrder, kRadius);
  }

  template <typename Scalar>
  std::vector<double> Actual(Along along, int order = kOrder) const {
    const DerivativeCase<Scalar> c(random_);
    const auto v = Cast<Scalar>(random_.spec, Direction());
    const Vector<Scalar> u = InputDirection().cast<Scalar>();
    const Line<Scalar> line{.parameters = along == Along::kInputs ? nullptr : &v,
                            .inputs = along == Along::kParameters ? nullptr : &u};
    return DirectionalDerivatives<Scalar>(c.task(), line, order, SequentialFor, NeverStop).value();
  }

  // Coefficients of (t / kRadius)^k in place of derivatives.
  static std::vector<double> Coefficients(std::vector<double> derivatives) {
    double factor = 1;
    for (int k = 0; k < std::ssize(derivatives); ++k) {
      if (k > 0) factor *= kRadius / k;
      derivatives[k] *= factor;
    }
    return derivatives;
  }

  const RandomCase random_ = Draw();
};

INSTANTIATE_TEST_SUITE_P(EveryShape, TaylorTest, EveryShape(3), NameOfShape);

TEST_P(TaylorTest, AgreesWithCauchysIntegralInLongDouble) {
  for (const Along along : {Along::kParameters, Along::kInputs, Along::kBoth}) {
    const auto expected = Coefficients(Expected(along));
    EXPECT_TRUE(AllNear(Coefficients(Actual<double>(along)), expected, kSeriesTolerance<double>));
    EXPECT_TRUE(AllNear(Coefficients(Actual<float>(along)), expected, kSeriesTolerance<float>));
  }
}

// The tolerance must not be what makes the test above pass. Relu and identity units make polynomials, whose higher
// coefficients are small or 0; so does regression without curved units.
TEST_P(TaylorTest, HasHighCoefficientsFarAboveTheTolerance) {
  const auto [task, activation, depth] = GetParam();
  if (depth == 0 || activation == Activation::kRelu || activation == Activation::kIdentity) return;
  const auto coefficients = Coefficients(Expected(Along::kBoth));
  const double scale = std::max(1.0, std::abs(coefficients[0]));
  for (int k = 1; k <= kOrder; ++k) EXPECT_GT(std::abs(coefficients[k]), 100 * kSeriesTolerance<double> * scale) << k;
}

TEST_P(TaylorTest, HasTheSameLowerDerivativesAtAnyOrder) {
  const auto all = Actual<double>(Along::kBoth);
  for (int order = 0; order < kOrder; ++order) {
    const auto some = Actual<double>(Along::kBoth, order);
    ASSERT_EQ(std::ssize(some), order + 1);
    EXPECT_TRUE(AllNear(some, std::vector<double>(all.begin(), all.begin() + order + 1), kSeriesTolerance<double>));
  }
}

TEST_P(TaylorTest, BeginsWithTheLogLikelihoodTheGradientAndTheHessian) {
  const DerivativeCase<double> c(random_);
  const Parameters<double> v = Direction();
  const auto products = ComputeProducts(c.task(), {v}, Curvature::kHessian);
  EXPECT_TRUE(AllNear(Actual<double>(Along::kParameters, 2),
                      {products.measures().log_likelihood, v.flat().dot(products.gradient().flat()),
                       v.flat().dot(products.product(0).flat())},
                      kSeriesTolerance<double>));
  const auto computed = Compute(c.spec, random_.scalings, c.parameters, c.patterns);
  const double slope = InputDirection().dot(computed.input_gradients.rowwise().sum());
  EXPECT_TRUE(AllNear({Actual<double>(Along::kInputs, 1)[1]}, {slope}, kSeriesTolerance<double>));
}

class LargeTaylorTest : public testing::Test {
 protected:
  std::optional<std::vector<double>> Compute(const ParallelFor& parallel_for, const StopCheck& stopped) const {
    return DirectionalDerivatives<float>(case_.task(), {.parameters = &case_.parameters}, 3, parallel_for, stopped);
  }

  const DerivativeCase<float> case_{MakeLargeCase()};
};

TEST_F(LargeTaylorTest, GivesTheSameBitsWithAnyNumberOfThreads) {
  int tasks = 0;
  const auto sequential = Compute(
      [&](int count, const std::function<void(int)>& task) {
        tasks = count;
        SequentialFor(count, task);
      },
      NeverStop);
  EXPECT_GT(tasks, 4);
  for (const int threads : {1, 2, 3}) EXPECT_EQ(Compute(ThreadFor(threads), NeverStop), sequential);
}

// log L of thousands of patterns: sums in double, of numbers with some roundings of a float each.
TEST_F(LargeTaylorTest, SumsAllPatternsOnce) {
  const auto products = ComputeProducts(case_.task(), {case_.parameters}, Curvature::kHessian);
  const auto derivatives = *Compute(SequentialFor, NeverStop);
  const double slope = case_.parameters.flat().cast<double>().dot(products.gradient().flat().cast<double>());
  EXPECT_NEAR(derivatives[0] / products.measures().log_likelihood, 1, 1e-6);
  EXPECT_NEAR(derivatives[1] / slope, 1, 1e-5);
}

TEST_F(LargeTaylorTest, StopsBetweenChunks) {
  std::atomic<int> asked = 0;
  EXPECT_FALSE(Compute(ThreadFor(2), [&] { return ++asked > 3; }).has_value());
  EXPECT_LT(asked, 20);
}

TEST(TaylorLimitTest, AgreesAtTheHighestOrder) {
  // log L = -softplus(t x) along a bias: all derivatives are known from those of tanh, here of order 16 at 0.
  const NetworkSpec spec = MakeSpec({.input_unit_count = 1,
                                     .output_unit_count = 1,
                                     .task = Task::kBinaryClassification,
                                     .precision = Precision::kFloat64});
  Parameters<double> zero(spec.layout()), bias(spec.layout());
  bias.biases(1).setOnes();
  const Patterns<double> pattern{Matrix<double>::Ones(1, 1), Matrix<double>::Zero(1, 1), RowVector<double>::Ones(1)};
  const PatternSource<double> source = SourceOf(pattern);
  const Scalings scalings;
  const DerivativeTask<double> task{
      .spec = spec, .scalings = scalings, .parameters = zero, .pattern_count = 1, .source = source};
  const auto derivatives =
      DirectionalDerivatives<double>(task, {.parameters = &bias}, kMaxDerivativeOrder, SequentialFor, NeverStop);
  // softplus'' = sech^2(t / 2) / 4, whose derivative of order 14 at 0 is (2^16 - 1) B_16 / 16 with B_16 = -3617 / 510.
  EXPECT_NEAR(derivatives->back(), 65535 * (3617.0 / 510) / 16, 1e-9);
  EXPECT_EQ(std::ssize(*derivatives), kMaxDerivativeOrder + 1);
}

}  // namespace
}  // namespace backprop
