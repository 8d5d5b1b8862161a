#include "core/conjugate_gradients.h"

#include <Eigen/Cholesky>
#include <limits>

#include "core/random.h"
#include "gtest/gtest.h"
#include "tests/support/random_network.h"

namespace backprop {
namespace {

constexpr double kExactSolution = 1e-12;  // A tolerance that takes as many products as there are parameters.

class ConjugateGradientsTest : public testing::Test {
 protected:
  ConjugateGradientsTest() : gradient_(spec_.layout()), matrix_(6, 6) {
    Random random(/*seed=*/3);
    for (double& value : gradient_.flat()) value = 2 * random.Uniform() - 1;
    Matrix<double> root(6, 6);
    for (double& value : root.reshaped()) value = 2 * random.Uniform() - 1;
    matrix_ = root * root.transpose() + 0.1 * Matrix<double>::Identity(6, 6);
  }

  // Runs it to its end; the number of products.
  int Solve(ConjugateGradients<double>* solver) const {
    for (int count = 1;; ++count) {
      if (!solver->Observe(matrix_ * solver->direction().flat()) || count > 1000) return count;
    }
  }

  const NetworkSpec spec_ = MakeSpec({.input_unit_count = 5, .output_unit_count = 1});
  Parameters<double> gradient_;
  Matrix<double> matrix_;
};

TEST_F(ConjugateGradientsTest, SolvesInAsManyProductsAsThereAreParameters) {
  ConjugateGradients<double> solver(gradient_, /*damping=*/0, 1e-8, 100);
  EXPECT_LE(Solve(&solver), 7);
  EXPECT_TRUE(solver.solution().isApprox(matrix_.llt().solve(gradient_.flat()), 1e-8));
}

TEST_F(ConjugateGradientsTest, AddsDampingInUnitsOfTheCurvatureAlongTheGradient) {
  const Vector<double>& g = gradient_.flat();
  const double lambda = 0.5 * Dot<double>(g, matrix_ * g) / Dot(g, g);
  ConjugateGradients<double> solver(gradient_, /*damping=*/0.5, kExactSolution, 100);
  Solve(&solver);
  const Matrix<double> damped = matrix_ + lambda * Matrix<double>::Identity(6, 6);
  EXPECT_TRUE(solver.solution().isApprox(damped.llt().solve(g), 1e-8));
}

TEST_F(ConjugateGradientsTest, EndsWhenTheResidualIsSmallEnough) {
  ConjugateGradients<double> solver(gradient_, 0, 0.3, 100);
  const int count = Solve(&solver);
  const Vector<double>& g = gradient_.flat();
  EXPECT_LE((g - matrix_ * solver.solution()).norm(), 0.3 * g.norm());
  EXPECT_LT(count, 6);
}

TEST_F(ConjugateGradientsTest, EndsAtItsMostProductsWithAnAscentDirection) {
  for (const int most : {1, 2, 5}) {
    ConjugateGradients<double> solver(gradient_, 0, kExactSolution, most);
    EXPECT_EQ(Solve(&solver), most);
    EXPECT_GT(Dot(solver.solution(), gradient_.flat()), 0);
  }
}

// g'd and d'Bd by the recursion, against the products themselves.
TEST_F(ConjugateGradientsTest, PredictsWhatTheQuadraticGains) {
  for (const double damping : {0.0, 0.3}) {
    for (const int most : {1, 3, 6}) {
      ConjugateGradients<double> solver(gradient_, damping, kExactSolution, most);
      Solve(&solver);
      const Vector<double>& d = solver.solution();
      for (const double step : {1.0, 0.25, 3.0}) {
        const double gain = step * Dot(gradient_.flat(), d) - step * step / 2 * Dot<double>(d, matrix_ * d);
        EXPECT_NEAR(solver.PredictedIncrease(step), gain, 1e-9);
      }
    }
  }
}

TEST_F(ConjugateGradientsTest, IsTheGradientWhereThatHasNegativeCurvature) {
  matrix_ = -matrix_;
  ConjugateGradients<double> solver(gradient_, 0.1, kExactSolution, 100);
  EXPECT_EQ(Solve(&solver), 1);
  EXPECT_EQ(solver.solution(), gradient_.flat());
}

// One eigenvalue below 0: what was found before it shows is kept, and leads uphill.
TEST_F(ConjugateGradientsTest, KeepsWhatItFoundBeforeADirectionOfNegativeCurvature) {
  Vector<double> v = Vector<double>::Zero(6);
  v(0) = gradient_.flat()(1);
  v(1) = -gradient_.flat()(0);  // Orthogonal to the gradient.
  matrix_ = Matrix<double>(Vector<double>{{1, 2, 3, 4, 5, 6}}.asDiagonal());
  matrix_ -= 20 * v * v.transpose() / v.squaredNorm();
  ConjugateGradients<double> solver(gradient_, 0, kExactSolution, 100);
  const int count = Solve(&solver);
  EXPECT_GT(count, 1);
  EXPECT_LT(count, 6);
  EXPECT_GT(Dot(solver.solution(), gradient_.flat()), 0);
  EXPECT_GT(Dot<double>(solver.solution(), matrix_ * solver.solution()), 0);
}

TEST_F(ConjugateGradientsTest, EndsAtProductsThatAreNotFinite) {
  ConjugateGradients<double> solver(gradient_, 0.1, kExactSolution, 100);
  EXPECT_FALSE(solver.Observe(Vector<double>::Constant(6, std::numeric_limits<double>::quiet_NaN())));
  EXPECT_EQ(solver.solution(), gradient_.flat());
}

}  // namespace
}  // namespace backprop
