// Random networks through the core and through plain loops: the same numbers.
#include <limits>

#include "core/batch_computation.h"
#include "gtest/gtest.h"
#include "tests/support/compute.h"
#include "tests/support/near.h"
#include "tests/support/random_network.h"
#include "tests/support/scalar_conversion.h"

namespace backprop {
namespace {

// A number goes through at most 5 layers there and 5 back. In each it is a sum of at most 12 products, each off by half
// an epsilon, and grows by a factor of at most about 2; the last sums are over 12 patterns. As the roundings are of
// either sign that comes to some dozen epsilon of the largest number; 256 are four times what was ever seen: 6e-14 in
// double, 3e-5 in float.
template <typename Scalar>
constexpr double kTolerance = 256 * double{std::numeric_limits<Scalar>::epsilon()};

class OracleTest : public testing::TestWithParam<int> {
 protected:
  OracleTest() : case_(MakeRandomCase(GetParam())) {}

  ScalarResult Expected() const {
    return Backpropagate(ToScalar(case_.spec, case_.scalings, case_.parameters), ToScalar(case_.patterns));
  }

  template <typename Scalar>
  Computed<Scalar> Actual(const Matrix<Scalar>* output_error_signals = nullptr) const {
    return Compute<Scalar>(case_.spec, case_.scalings, Cast<Scalar>(case_.spec, case_.parameters),
                           Cast<Scalar>(case_.patterns), SequentialFor, output_error_signals);
  }

  template <typename Scalar>
  void ExpectSame(const Computed<Scalar>& actual, const ScalarResult& expected) const {
    const double tolerance = kTolerance<Scalar>;
    EXPECT_TRUE(AllNear({actual.measures.log_likelihood}, {expected.log_likelihood}, tolerance));
    EXPECT_TRUE(AllNear({actual.measures.weight_sum}, {expected.weight_sum}, tolerance));
    EXPECT_TRUE(AllNear(ToVector(actual.gradient.flat()), Flatten(expected.gradient), tolerance));
    EXPECT_TRUE(AllNear(ToVector(actual.outputs), ToVector(expected.outputs), tolerance));
    EXPECT_TRUE(AllNear(ToVector(actual.input_gradients), ToVector(expected.input_gradients), tolerance));
  }

  const RandomCase case_;
};

TEST_P(OracleTest, AgreesInFloat64) { ExpectSame(Actual<double>(), Expected()); }

TEST_P(OracleTest, AgreesInFloat32) { ExpectSame(Actual<float>(), Expected()); }

TEST_P(OracleTest, AgreesOnGivenOutputErrorSignals) {
  Random random(GetParam(), /*stream=*/2);
  Matrix<double> signals(case_.spec.output_unit_count(), case_.patterns.count());
  for (double& signal : signals.reshaped()) signal = 2 * random.Uniform() - 1;
  ExpectSame(Actual<double>(&signals), Backpropagate(ToScalar(case_.spec, case_.scalings, case_.parameters),
                                                     ToScalar(case_.patterns), ToPatternVectors(signals)));
}

TEST_P(OracleTest, AgreesOnPredictions) {
  const Matrix<double> outputs =
      Predict<double>(case_.spec, case_.scalings, case_.parameters, case_.patterns.inputs, NeverStop);
  EXPECT_TRUE(AllNear(ToVector(outputs), ToVector(Expected().outputs), kTolerance<double>));
}

INSTANTIATE_TEST_SUITE_P(RandomNetworks, OracleTest, testing::Range(1, 201));

}  // namespace
}  // namespace backprop
