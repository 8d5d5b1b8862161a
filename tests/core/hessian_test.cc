#include "core/hessian.h"

#include <atomic>
#include <limits>
#include <optional>

#include "gtest/gtest.h"
#include "tests/support/derivative_case.h"
#include "tests/support/near.h"
#include "tests/support/scalar_log_likelihood.h"
#include "tests/support/thread_for.h"

namespace backprop {
namespace {

template <typename Scalar>
WeightMatrix<Scalar> Compute(const DerivativeCase<Scalar>& c, Curvature curvature,
                             std::optional<int> layer = std::nullopt, const ParallelFor& parallel_for = SequentialFor) {
  return Hessian(c.task(), curvature, layer, parallel_for, NeverStop).value().hessian;
}

template <typename Scalar>
Parameters<Scalar> ComputeDiagonal(const DerivativeCase<Scalar>& c, Curvature curvature,
                                   const ParallelFor& parallel_for = SequentialFor) {
  return HessianDiagonal(c.task(), curvature, parallel_for, NeverStop).value().diagonal;
}

class HessianTest : public testing::TestWithParam<Shape> {
 protected:
  const RandomCase random_ = MakeRandomCase(FieldsOfShape(GetParam()), /*pattern_count=*/4, /*seed=*/13);
  const DerivativeCase<double> case_{random_};

  // Row by row, which for a symmetric matrix is column by column.
  std::vector<double> Expected(Curvature curvature) const {
    return ToVector(SecondDerivatives(ToScalar(random_.spec, random_.scalings, random_.parameters),
                                      ToScalar(random_.patterns), curvature == Curvature::kGaussNewton));
  }
};

INSTANTIATE_TEST_SUITE_P(EveryShape, HessianTest, EveryShape(3), NameOfShape);

TEST_P(HessianTest, AgreesWithTheScalarOracle) {
  for (const Curvature curvature : kCurvatures) {
    const auto expected = Expected(curvature);
    EXPECT_TRUE(AllNear(ToVector(Compute(case_, curvature)), expected, kCurvatureTolerance<double>));
    EXPECT_TRUE(
        AllNear(ToVector(Compute(DerivativeCase<float>(random_), curvature)), expected, kCurvatureTolerance<float>));
  }
}

TEST_P(HessianTest, IsSymmetricToTheBit) {
  const auto hessian = Compute(DerivativeCase<float>(random_), Curvature::kHessian);
  EXPECT_EQ(hessian, WeightMatrix<float>(hessian.transpose()));
}

TEST_P(HessianTest, HasTheProductsAsColumns) {
  std::vector<Parameters<double>> units(case_.spec.parameter_count(), Parameters<double>(case_.spec.layout()));
  for (int p = 0; p < std::ssize(units); ++p) units[p].flat()(p) = 1;
  for (const Curvature curvature : kCurvatures) {
    const auto hessian = Compute(case_, curvature);
    const auto products = ComputeProducts(case_.task(), units, curvature);
    for (int p = 0; p < std::ssize(units); ++p) {
      EXPECT_TRUE(AllNear(ToVector(hessian.col(p)), ToVector(products.product(p).flat()), kCurvatureTolerance<double>));
    }
  }
}

TEST_P(HessianTest, HasTheBlocksOfItsLayers) {
  for (const Curvature curvature : kCurvatures) {
    const auto hessian = Compute(case_, curvature);
    int64_t begin = 0;
    for (int layer = 1; layer <= case_.spec.layer_count(); ++layer) {
      const auto block = Compute(case_, curvature, layer);
      EXPECT_EQ(block.rows(), case_.spec.unit_count(layer) * (case_.spec.unit_count(layer - 1) + 1));
      EXPECT_TRUE(AllNear(ToVector(block), ToVector(hessian.block(begin, begin, block.rows(), block.cols())),
                          kCurvatureTolerance<double>));
      begin += block.rows();
    }
    EXPECT_EQ(begin, hessian.rows());
  }
}

TEST_P(HessianTest, HasTheDiagonal) {
  for (const Curvature curvature : kCurvatures) {
    const auto expected = ToVector(Compute(case_, curvature).diagonal());
    EXPECT_TRUE(AllNear(ToVector(ComputeDiagonal(case_, curvature).flat()), expected, kCurvatureTolerance<double>));
    EXPECT_TRUE(AllNear(ToVector(ComputeDiagonal(DerivativeCase<float>(random_), curvature).flat()), expected,
                        kCurvatureTolerance<float>));
  }
}

TEST_P(HessianTest, ComesWithTheMeasures) {
  const auto measures = ComputeProducts<double>(case_.task(), {}, Curvature::kHessian).measures();
  const auto full = Hessian(case_.task(), Curvature::kHessian, {}, SequentialFor, NeverStop).value().measures;
  const auto diagonal = HessianDiagonal(case_.task(), Curvature::kHessian, SequentialFor, NeverStop).value().measures;
  EXPECT_EQ(full.log_likelihood, measures.log_likelihood);
  EXPECT_EQ(diagonal.log_likelihood, measures.log_likelihood);
  EXPECT_EQ(full.pattern_count, 4);
  EXPECT_EQ(diagonal.weight_sum, measures.weight_sum);
}

// Without hidden layers: d^2 log L / dw_kq dw_lr = -sum_t weight_t M_kl h_q h_r, with h_0 = 1 for biases, and M = 1 in
// linear, y (1 - y) in logistic and diag(y) - y y' in softmax regression.
class ClosedFormTest : public testing::TestWithParam<Task> {};

INSTANTIATE_TEST_SUITE_P(EveryTask, ClosedFormTest, testing::ValuesIn(kTasks));

TEST_P(ClosedFormTest, HoldsWithoutHiddenLayers) {
  const RandomCase random = MakeRandomCase(FieldsOfShape({GetParam(), Activation::kLogistic, 0}), 5, /*seed=*/4);
  const DerivativeCase<double> c(random);
  const Scaling& scaling = random.scalings.input;
  const Matrix<double> x =
      (random.patterns.inputs.colwise() - scaling.offset).array().colwise() * scaling.scale.array();
  Matrix<double> expected = Matrix<double>::Zero(12, 12);
  for (int t = 0; t < 5; ++t) {
    const Vector<double> s = random.parameters.weights(1) * x.col(t) + random.parameters.biases(1);
    Matrix<double> m = Matrix<double>::Identity(3, 3);
    if (GetParam() == Task::kBinaryClassification) {
      const Vector<double> y = 1 / (1 + (-s.array()).exp());
      m = (y.array() * (1 - y.array())).matrix().asDiagonal();
    } else if (GetParam() == Task::kMultiwayClassification) {
      const Vector<double> y = s.array().exp() / s.array().exp().sum();
      m = Matrix<double>(y.asDiagonal()) - y * y.transpose();
    }
    // Flat order: 3 weights into each of 3 units, then 3 biases.
    const auto unit = [](int p) { return p < 9 ? p / 3 : p - 9; };
    const auto input = [&](int p) { return p < 9 ? x(p % 3, t) : 1.0; };
    for (int p = 0; p < 12; ++p) {
      for (int q = 0; q < 12; ++q) {
        expected(p, q) -= random.patterns.weights(t) * m(unit(p), unit(q)) * input(p) * input(q);
      }
    }
  }
  for (const Curvature curvature : kCurvatures) {
    EXPECT_TRUE(AllNear(ToVector(Compute(c, curvature)), ToVector(expected), kCurvatureTolerance<double>));
  }
}

// Several shards of several chunks, the last ones ragged.
class LargeHessianTest : public testing::Test {
 protected:
  static RandomCase MakeLarge() {
    const NetworkSpec::Fields fields{.input_unit_count = 21,
                                     .hidden_layers = {{11, Activation::kLogistic}, {7, Activation::kTanh}},
                                     .output_unit_count = 4,
                                     .task = Task::kMultiwayClassification};
    RandomCase large = MakeRandomCase(fields, /*pattern_count=*/1, /*seed=*/5);
    large.patterns = MakePatterns(large.spec, 40'001, /*seed=*/6);
    return large;
  }

  const DerivativeCase<float> case_{MakeLarge()};
};

TEST_F(LargeHessianTest, GivesTheSameBitsWithAnyNumberOfThreads) {
  int tasks = 0;
  const ParallelFor counting = [&](int count, const std::function<void(int)>& task) {
    tasks = std::max(tasks, count);
    SequentialFor(count, task);
  };
  const auto diagonal = ComputeDiagonal(case_, Curvature::kHessian, counting);
  EXPECT_GT(tasks, 2);
  const auto hessian = Compute(case_, Curvature::kHessian, std::nullopt, counting);
  EXPECT_GT(tasks, 4);
  for (const int threads : {1, 2, 3}) {
    EXPECT_EQ(Compute(case_, Curvature::kHessian, std::nullopt, ThreadFor(threads)), hessian);
    EXPECT_EQ(ComputeDiagonal(case_, Curvature::kHessian, ThreadFor(threads)), diagonal);
  }
}

TEST_F(LargeHessianTest, StopsWithinAChunk) {
  std::atomic<int> asked = 0;
  const StopCheck stopped = [&] { return ++asked > 3; };
  EXPECT_FALSE(Hessian(case_.task(), Curvature::kHessian, {}, SequentialFor, stopped).has_value());
  EXPECT_LT(asked, 40);
  asked = 0;
  EXPECT_FALSE(HessianDiagonal(case_.task(), Curvature::kHessian, SequentialFor, stopped).has_value());
  EXPECT_LT(asked, 40);
}

}  // namespace
}  // namespace backprop
