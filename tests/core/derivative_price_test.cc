// What computations of derivatives say they take, and what they take.
#include <malloc.h>

#include <algorithm>
#include <limits>

#include "core/directional_derivatives.h"
#include "core/hessian.h"
#include "core/hessian_vector_product.h"
#include "core/laplace_posterior.h"
#include "gtest/gtest.h"
#include "tests/support/derivative_case.h"

namespace backprop {
namespace {

constexpr int64_t kMost = std::numeric_limits<int64_t>::max();

// 2-3-4-1: weights 6, 12, 4 and biases 3, 4, 1, by layer 9, 16, 5 parameters.
const NetworkSpec kSmall = MakeSpec({.input_unit_count = 2, .hidden_layers = {{3}, {4}}, .output_unit_count = 1});

int64_t ProductWork(int64_t pattern_count, int direction_count, Curvature curvature) {
  return HessianVectorComputation<float>::Price(kSmall, pattern_count, direction_count, curvature).multiply_adds;
}

TEST(DerivativePriceTest, CountsTheProductsAndThePassesThroughLayersAndUnits) {
  constexpr int64_t kLayer = kLayerPassWork, kUnit = kUnitPassWork;
  constexpr int64_t kPass1 = 3 * kLayer + 8 * kUnit, kPass2 = 2 * kLayer + 5 * kUnit, kPass3 = kLayer + kUnit;
  const int64_t gradient = 3 * 30 - 6 + 2 * kPass1;
  EXPECT_EQ(ProductWork(10, 0, Curvature::kHessian), 10 * gradient);
  EXPECT_EQ(ProductWork(10, 2, Curvature::kHessian), 10 * (gradient + 2 * (2 * 9 + 6 * 21 + 2 * kPass1)));
  EXPECT_EQ(ProductWork(10, 2, Curvature::kGaussNewton), 10 * (gradient + 2 * (2 * 9 + 4 * 21 + 2 * kPass1)));
  EXPECT_EQ(DirectionalDerivativesPrice(kSmall, 10, 0).multiply_adds, 10 * (30 + kPass1));
  EXPECT_EQ(DirectionalDerivativesPrice(kSmall, 10, 3).multiply_adds,
            10 * (4 * 9 + 7 * 21 + 4 * kPass1 + 8 * 3 * 3 * 8));
  // Of a unit of layer 1, 2, 3: up and back through the layers above but one, and vectors of that one.
  EXPECT_EQ(HessianDiagonalPrice(kSmall, 10).multiply_adds,
            10 * (gradient + 30 + 3 * 2 * (4 + 4 + kPass2) + 4 * 2 * (1 + kPass3) + kPass3));
  // Of the output unit: its 5 parameters by themselves.
  EXPECT_EQ(HessianPrice(kSmall, 10, 3).multiply_adds, 10 * (gradient + 5 * 5 + 3 * kPass3 + 5 * kUnit));
}

TEST(DerivativePriceTest, Saturates) {
  EXPECT_EQ(SaturatingProduct({3, 4, 5}), 60);
  EXPECT_EQ(SaturatingProduct({kMost, 1}), kMost);
  EXPECT_EQ(SaturatingProduct({kMost, 2}), kMost);
  const NetworkSpec largest = MakeSpec({.input_unit_count = 4095, .hidden_layers = {{4095}}, .output_unit_count = 1});
  const int64_t patterns = kMaxPatternsPerSet;
  EXPECT_EQ(HessianVectorComputation<float>::Price(largest, patterns, 1 << 30, Curvature::kHessian).multiply_adds,
            kMost);
  EXPECT_EQ(HessianPrice(largest, patterns, std::nullopt).multiply_adds, kMost);
  EXPECT_EQ(LaplacePosterior::Price(largest, patterns, patterns).multiply_adds, kMost);
  EXPECT_GT(LaplacePosterior::Price(largest, patterns, patterns).workspace_bytes, int64_t{1} << 40);
  EXPECT_GT(DirectionalDerivativesPrice(largest, patterns, kMaxDerivativeOrder).multiply_adds, int64_t{1} << 50);
}

class DerivativeWorkspaceTest : public testing::TestWithParam<Precision> {
 protected:
  // Pointers, sizes and the allocator's own: some hundred bytes for each matrix of up to 16 shards, and what is left of
  // a page for those that are mapped by themselves.
  static constexpr int64_t kBookkeepingBytes = 128 * 1024;

  // The most that is allocated when `compute` is asked to stop, beside what is now.
  template <typename Compute>
  static int64_t MostBytes(const Compute& compute) {
    const auto allocated = [] {
      const struct mallinfo2 info = mallinfo2();
      return static_cast<int64_t>(info.uordblks + info.hblkhd);
    };
    const int64_t before = allocated();
    int64_t most = before;
    compute([&] {
      most = std::max(most, allocated());
      return false;
    });
    return most - before;
  }

  // `promised` is no less than was taken, and no more than three times that: truthful, not only safe.
  template <typename Compute>
  static void ExpectTruth([[maybe_unused]] const DerivativePrice& promised, const Compute& compute) {
    [[maybe_unused]] const int64_t taken = MostBytes(compute);
    // Sanitizers bring an allocator of their own, of which this one sees nothing.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    EXPECT_LE(taken, promised.workspace_bytes + kBookkeepingBytes);
    EXPECT_GE(3 * taken, promised.workspace_bytes);
#endif
  }

  static RandomCase MakeLarge() {
    const NetworkSpec::Fields fields{.input_unit_count = 30,
                                     .hidden_layers = {{20}, {15}},
                                     .output_unit_count = 4,
                                     .task = Task::kMultiwayClassification,
                                     .precision = GetParam()};
    RandomCase large = MakeRandomCase(fields, /*pattern_count=*/1, /*seed=*/5);
    large.patterns = MakePatterns(large.spec, 2'000, /*seed=*/6);
    return large;
  }

  template <typename Scalar>
  static void ExpectTruthOfAll() {
    const DerivativeCase<Scalar> c(MakeLarge());
    const DerivativeTask<Scalar> task = c.task();
    const int64_t n = task.pattern_count;
    const std::vector<Parameters<Scalar>> directions(5, c.parameters);
    const Line<Scalar> line{.parameters = directions.data()};
    const auto value = [](bool computed) { EXPECT_TRUE(computed); };
    ExpectTruth(HessianVectorComputation<Scalar>::Price(task.spec, n, 5, Curvature::kHessian), [&](auto stopped) {
      HessianVectorComputation<Scalar> computation(task.spec);
      value(computation.Run(task, directions, Curvature::kHessian, SequentialFor, stopped));
    });
    ExpectTruth(HessianPrice(task.spec, n, std::nullopt), [&](auto stopped) {
      value(Hessian(task, Curvature::kHessian, {}, SequentialFor, stopped).has_value());
    });
    ExpectTruth(HessianDiagonalPrice(task.spec, n), [&](auto stopped) {
      value(HessianDiagonal(task, Curvature::kHessian, SequentialFor, stopped).has_value());
    });
    ExpectTruth(DirectionalDerivativesPrice(task.spec, n, 8), [&](auto stopped) {
      value(DirectionalDerivatives(task, line, 8, SequentialFor, stopped).has_value());
    });
    ExpectTruth(LaplacePosterior::Price(task.spec, n, 1000), [&](auto stopped) {
      const auto posterior = LaplacePosterior::Fit(task, 1, SequentialFor, stopped);
      posterior->OutputVariances(c.patterns.inputs.leftCols(1000).template cast<double>(), stopped);
    });
  }
};

INSTANTIATE_TEST_SUITE_P(EveryPrecision, DerivativeWorkspaceTest,
                         testing::Values(Precision::kFloat32, Precision::kFloat64));

TEST_P(DerivativeWorkspaceTest, TakesNoMoreThanItSays) {
  if (GetParam() == Precision::kFloat32) {
    ExpectTruthOfAll<float>();
  } else {
    ExpectTruthOfAll<double>();
  }
}

}  // namespace
}  // namespace backprop
