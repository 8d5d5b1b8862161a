#include "core/lbfgs.h"

#include <limits>
#include <vector>

#include "core/random.h"
#include "gtest/gtest.h"
#include "tests/support/near.h"
#include "tests/support/scalar_conversion.h"

namespace backprop {
namespace {

constexpr int kCount = 6;

Vector<double> RandomVector(Random* random) {
  Vector<double> vector(kCount);
  for (double& value : vector) value = 2 * random->Uniform() - 1;
  return vector;
}

// Pairs of a concave quadratic: the gradient falls by A step, A symmetric and positive definite.
std::vector<CurvaturePair<double>> RandomHistory(int count, int64_t seed) {
  Random random(seed, 0);
  Matrix<double> root(kCount, kCount);
  for (double& value : root.reshaped()) value = 2 * random.Uniform() - 1;
  const Matrix<double> a = root * root.transpose() + Matrix<double>::Identity(kCount, kCount);
  std::vector<CurvaturePair<double>> history;
  for (int i = 0; i < count; ++i) {
    const Vector<double> step = RandomVector(&random);
    history.push_back({.step = step, .gradient_fall = a * step});
  }
  return history;
}

// BFGS with the whole matrix, an element at a time: H <- (I - rho s y') H (I - rho y s') + rho s s', from gamma I on.
std::vector<double> DenseBfgsDirection(const std::vector<CurvaturePair<double>>& history, const Vector<double>& g) {
  const auto dot = [](const Vector<double>& a, const Vector<double>& b) {
    double sum = 0;
    for (int i = 0; i < kCount; ++i) sum += a(i) * b(i);
    return sum;
  };
  const auto& [last_s, last_y] = history.back();
  double h[kCount][kCount] = {};
  for (int i = 0; i < kCount; ++i) h[i][i] = dot(last_s, last_y) / dot(last_y, last_y);
  for (const auto& [s, y] : history) {
    const double rho = 1 / dot(s, y);
    double hy[kCount] = {}, yhy = 0;
    for (int i = 0; i < kCount; ++i) {
      for (int j = 0; j < kCount; ++j) hy[i] += h[i][j] * y(j);
      yhy += y(i) * hy[i];
    }
    for (int i = 0; i < kCount; ++i) {
      for (int j = 0; j < kCount; ++j) {
        h[i][j] += -rho * (s(i) * hy[j] + hy[i] * s(j)) + (rho * rho * yhy + rho) * s(i) * s(j);
      }
    }
  }
  std::vector<double> direction(kCount, 0);
  for (int i = 0; i < kCount; ++i) {
    for (int j = 0; j < kCount; ++j) direction[i] += h[i][j] * g(j);
  }
  return direction;
}

// Ten pairs are some hundred roundings of numbers up to 100.
TEST(LbfgsDirectionTest, IsThatOfTheWholeBfgsMatrix) {
  Random random(/*seed=*/7, 0);
  for (int count = 1; count <= 10; ++count) {
    const auto history = RandomHistory(count, /*seed=*/count);
    const Vector<double> gradient = RandomVector(&random);
    EXPECT_TRUE(AllNear(ToVector(LbfgsDirection(history, gradient)), DenseBfgsDirection(history, gradient), 1e-10))
        << count;
  }
}

TEST(LbfgsDirectionTest, GoesUphill) {
  Random random(/*seed=*/8, 0);
  for (int seed = 0; seed < 100; ++seed) {
    const Vector<double> gradient = RandomVector(&random);
    EXPECT_GT(Dot(LbfgsDirection(RandomHistory(1 + seed % 10, seed), gradient), gradient), 0);
  }
}

// As the fall of the gradient along the last step says: Newton's step, when that was the only direction there is.
TEST(LbfgsDirectionTest, OfOneParameterIsNewtonsStep) {
  const Vector<double> direction = LbfgsDirection<double>(
      {{.step = Vector<double>{{0.5}}, .gradient_fall = Vector<double>{{2}}}}, Vector<double>{{8}});
  EXPECT_DOUBLE_EQ(direction(0), 2);
}

TEST(LbfgsDirectionTest, IsTheGradientWithoutHistoryButNoLongerThanOne) {
  EXPECT_EQ(LbfgsDirection<double>({}, Vector<double>{{0.3, -0.4}}), (Vector<double>{{0.3, -0.4}}));
  EXPECT_TRUE(LbfgsDirection<double>({}, Vector<double>{{30, -40}}).isApprox(Vector<double>{{0.6, -0.8}}, 1e-15));
}

TEST(CurvaturePairTest, DropsTheOldestBeyondTheHistorySize) {
  const auto pairs = RandomHistory(5, /*seed=*/1);
  std::vector<CurvaturePair<double>> history;
  for (const auto& pair : pairs) AddCurvaturePair(3, pair, &history);
  ASSERT_EQ(history.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(history[i].step, pairs[i + 2].step);
    EXPECT_EQ(history[i].gradient_fall, pairs[i + 2].gradient_fall);
  }
}

TEST(CurvaturePairTest, IsLeftOutWhereTheSlopeDidNotFall) {
  std::vector<CurvaturePair<double>> history;
  const Vector<double> step{{1, 0}};
  for (const Vector<double>& fall :
       {Vector<double>{{0, 1}}, Vector<double>{{-1, 0}}, Vector<double>{{1e-9, 1}}, Vector<double>{{0, 0}},
        Vector<double>{{std::numeric_limits<double>::infinity(), 0}},
        Vector<double>{{std::numeric_limits<double>::quiet_NaN(), 0}}}) {
    AddCurvaturePair<double>(3, {.step = step, .gradient_fall = fall}, &history);
  }
  EXPECT_TRUE(history.empty());
  AddCurvaturePair<double>(3, {.step = step, .gradient_fall = Vector<double>{{1e-7, 1}}}, &history);
  EXPECT_EQ(history.size(), 1u);
}

}  // namespace
}  // namespace backprop
