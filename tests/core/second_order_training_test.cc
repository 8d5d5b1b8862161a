// Training by L-BFGS and Newton-CG, from the trainer's side.
#include <Eigen/Cholesky>
#include <cmath>
#include <vector>

#include "core/initial_parameters.h"
#include "core/trainer.h"
#include "gtest/gtest.h"
#include "tests/support/random_network.h"
#include "tests/support/run_trainer.h"
#include "tests/support/scalar_conversion.h"
#include "tests/support/thread_for.h"
#include "tests/support/training_sets.h"

namespace backprop {
namespace {

using Outcome = Trainer<double>::Outcome;

struct SecondOrderCase {
  const char* name;
  OptimizerOptions optimizer;
};

class SecondOrderTrainingTest : public testing::TestWithParam<SecondOrderCase> {
 protected:
  static TrainingTask<double> TaskOf(const RandomCase& c, TrainingOptions options, int64_t epoch_count) {
    options.step_size = 1;
    options.optimizer = GetParam().optimizer;
    return {.spec = c.spec,
            .scalings = c.scalings,
            .options = options,
            .epoch_count = epoch_count,
            .patterns = PatternSequence(c.patterns)};
  }
  static RandomCase Network(Task task = Task::kMultiwayClassification, Activation activation = Activation::kTanh) {
    return MakeRandomCase({.input_unit_count = 3,
                           .hidden_layers = {{.unit_count = 5, .activation = activation}},
                           .output_unit_count = 3,
                           .task = task},
                          /*pattern_count=*/12, /*seed=*/1);
  }
};

// The parameters that maximise the mean log likelihood less the penalty, of a linear network; normal equations.
Parameters<double> LeastSquares(const RandomCase& c, double weight_decay) {
  Matrix<double> x = c.patterns.inputs, t = c.patterns.targets;
  c.scalings.input.Apply<double>(x);
  c.scalings.target.Apply<double>(t);
  Matrix<double> with_bias(x.rows() + 1, x.cols());
  with_bias << x, RowVector<double>::Ones(x.cols());
  const RowVector<double> weights = c.patterns.weights / c.patterns.weights.sum();
  Matrix<double> left = with_bias * weights.asDiagonal() * with_bias.transpose();
  for (Eigen::Index i = 0; i < x.rows(); ++i) left(i, i) += weight_decay;
  const Matrix<double> solution = left.llt().solve(with_bias * weights.asDiagonal() * t.transpose());
  Parameters<double> parameters(c.spec.layout());
  parameters.weights(1) = solution.topRows(x.rows()).transpose();
  parameters.biases(1) = solution.bottomRows(1).transpose();
  return parameters;
}

TEST_P(SecondOrderTrainingTest, SolvesLinearRegressionWithWeightDecay) {
  const RandomCase c =
      MakeRandomCase({.input_unit_count = 4, .output_unit_count = 2, .task = Task::kRegression}, 30, /*seed=*/2);
  for (const Reduction reduction : {Reduction::kMean, Reduction::kSum}) {
    const double decay = reduction == Reduction::kMean ? 0.1 : 0.1 * c.patterns.weights.sum();
    const auto run = RunToEnd(TaskOf(c, {.reduction = reduction, .weight_decay = decay}, 150), c.parameters);
    ASSERT_EQ(run.parameters.size(), 150u);
    // The gradient is small beside its rounding: half the digits are right.
    EXPECT_TRUE(run.parameters.back().flat().isApprox(LeastSquares(c, 0.1).flat(), 1e-7));
  }
}

TEST_P(SecondOrderTrainingTest, NeverLowersTheObjective) {
  for (const Task task : kTasks) {
    for (const Activation activation : kActivations) {
      const RandomCase c = Network(task, activation);
      const auto run = RunToEnd(TaskOf(c, {}, 40), c.parameters);
      ASSERT_EQ(run.epochs.size(), 40u);
      for (size_t i = 1; i < run.epochs.size(); ++i) {
        const double before = run.epochs[i - 1].training.log_likelihood;
        ASSERT_GE(run.epochs[i].training.log_likelihood, before - 1e-14 * std::abs(before)) << i;
      }
      EXPECT_GT(run.epochs.back().training.log_likelihood, run.epochs.front().training.log_likelihood);
    }
  }
}

// Of a network with hidden units: the objective's gradient vanishes.
TEST_P(SecondOrderTrainingTest, ConvergesToAMaximum) {
  const RandomCase c = Network();
  const TrainingTask<double> task = TaskOf(c, {.weight_decay = 0.1}, 300);
  const auto run = RunToEnd(task, c.parameters);
  BatchComputation<double> computation(c.spec, c.scalings);
  const Objective<double> objective(c.spec, c.scalings, task.options,
                                    {.pattern_count = c.patterns.count(), .source = SourceOf(c.patterns)},
                                    &computation);
  Evaluation<double> evaluation{.gradient = Parameters<double>(c.spec.layout())};
  ASSERT_TRUE(objective.Evaluate(c.parameters, SequentialFor, NeverStop, &evaluation));
  EXPECT_GT(evaluation.gradient.flat().norm(), 0.01);
  ASSERT_TRUE(objective.Evaluate(run.parameters.back(), SequentialFor, NeverStop, &evaluation));
  EXPECT_LT(evaluation.gradient.flat().norm(), 1e-6);
}

TEST_P(SecondOrderTrainingTest, ReportsTheWeightsThatTheEpochBeganWith) {
  const RandomCase c = Network();
  const auto run = RunToEnd(TaskOf(c, {}, 5), c.parameters);
  for (size_t i = 0; i < run.epochs.size(); ++i) {
    TrainingTask<double> task = TaskOf(c, {}, 1);
    task.options.optimizer = GradientAscent{};
    const auto same = RunToEnd(task, i == 0 ? c.parameters : run.parameters[i - 1]);
    EXPECT_EQ(run.epochs[i].training.log_likelihood, same.epochs[0].training.log_likelihood);
    EXPECT_NEAR(run.epochs[i].gradient_norm, same.epochs[0].gradient_norm, 1e-14);
    EXPECT_GT(run.epochs[i].step_size, 0);
  }
}

TEST_P(SecondOrderTrainingTest, GoesOnAfterAStopInTheMiddleOfAnIterationAsIfNothingHadHappened) {
  const RandomCase c = Network();
  TrainingTask<double> task = TaskOf(c, {}, 5);
  task.validation = task.patterns;
  Trainer<double> trainer(task, c.parameters);
  std::vector<Parameters<double>> parameters;
  int step_count = 0;
  for (; !trainer.finished(); ++step_count) {
    const Parameters<double> before = trainer.parameters();
    ASSERT_EQ(trainer.Step(SequentialFor, [] { return true; }), Outcome::kStopped);
    ASSERT_EQ(trainer.parameters(), before);
    if (trainer.Step(SequentialFor, NeverStop) == Outcome::kEpochDone) {
      parameters.push_back(trainer.parameters());
    }
  }
  EXPECT_GT(step_count, 10);  // There were steps within iterations.
  EXPECT_EQ(parameters, RunToEnd(task, c.parameters).parameters);
}

TEST_P(SecondOrderTrainingTest, EndsOnTheSameBitsFromTheStateOfEveryStep) {
  const RandomCase c = Network();
  const TrainingTask<double> task = TaskOf(c, {}, 14);  // More than L-BFGS remembers.
  const auto run = RunToEnd(task, c.parameters);
  Trainer<double> trainer(task, c.parameters);
  while (!trainer.finished()) {
    trainer.Step(SequentialFor, NeverStop);
    if (trainer.finished()) break;
    Trainer<double> other(task, TrainerState<double>(trainer.state()));
    const auto rest = RunToEnd(&other);
    ASSERT_FALSE(rest.parameters.empty());
    ASSERT_EQ(rest.parameters.back(), run.parameters.back());
    ASSERT_EQ(rest.epochs.back().training.log_likelihood, run.epochs.back().training.log_likelihood);
  }
}

TEST_P(SecondOrderTrainingTest, GivesTheSameBitsWithAnyNumberOfThreads) {
  const NetworkSpec spec = MakeSpec({.input_unit_count = 100,
                                     .hidden_layers = {{.unit_count = 60}},
                                     .output_unit_count = 10,
                                     .task = Task::kMultiwayClassification});
  TrainingTask<float> task{.spec = spec,
                           .scalings = {},
                           .options = {.step_size = 1, .optimizer = GetParam().optimizer},
                           .epoch_count = 2,
                           .patterns = PatternSequence(Cast<float>(MakePatterns(spec, 3000, /*seed=*/1)))};
  if (auto* newton_cg = std::get_if<NewtonCg>(&task.options.optimizer)) newton_cg->max_product_count = 3;
  const Parameters<float> parameters = InitialParameters<float>(spec);
  const auto run = RunToEnd(task, parameters);
  EXPECT_NE(run.parameters.back(), parameters);
  EXPECT_EQ(RunToEnd(task, parameters, ThreadFor(3)).parameters, run.parameters);
}

TEST_P(SecondOrderTrainingTest, StaysAtAMaximum) {
  const RandomCase c = MakeRandomCase({.input_unit_count = 1, .output_unit_count = 1, .task = Task::kRegression}, 3, 1);
  Patterns<double> patterns = c.patterns;
  patterns.inputs.setZero();
  patterns.targets.setZero();
  TrainingTask<double> task = TaskOf(c, {}, 4);
  task.scalings = {};
  task.patterns = PatternSequence(patterns);
  const Parameters<double> zero(c.spec.layout());
  const auto run = RunToEnd(task, zero);
  ASSERT_EQ(run.epochs.size(), 4u);
  EXPECT_EQ(run.parameters.back(), zero);
  EXPECT_EQ(run.epochs.back().step_size, 0);
}

TEST_P(SecondOrderTrainingTest, TriesAShorterStepUnderAGradientNormLimit) {
  const RandomCase c = Network();
  const auto free = RunToEnd(TaskOf(c, {}, 1), c.parameters);
  const double limit = free.epochs[0].gradient_norm / 4;
  const auto limited = RunToEnd(TaskOf(c, {.gradient_norm_limit = limit}, 1), c.parameters);
  EXPECT_EQ(limited.epochs[0].gradient_norm, free.epochs[0].gradient_norm);
  EXPECT_LT(limited.epochs[0].step_size, free.epochs[0].step_size);
}

TEST_P(SecondOrderTrainingTest, ReportsDivergenceWhereTheObjectiveIsNotFinite) {
  RandomCase c = Network(Task::kRegression);
  c.patterns.targets(0, 3) = 1e200;
  Trainer<double> trainer(TaskOf(c, {}, 3), c.parameters);
  const auto run = RunToEnd(&trainer);
  EXPECT_TRUE(run.diverged);
  EXPECT_EQ(trainer.parameters(), c.parameters);
}

// The first steps tried overflow; the search takes others.
TEST_P(SecondOrderTrainingTest, SurvivesAFirstStepThatIsMuchTooLong) {
  const RandomCase c = Network(Task::kRegression, Activation::kIdentity);
  TrainingTask<double> task = TaskOf(c, {}, 5);
  task.options.step_size = 1e4;
  const auto run = RunToEnd(task, c.parameters);
  EXPECT_FALSE(run.diverged);
  EXPECT_GT(run.epochs.back().training.log_likelihood, run.epochs.front().training.log_likelihood);
}

TEST_P(SecondOrderTrainingTest, StopsEarlyByTheValidationSet) {
  const RandomCase c = Network();
  TrainingTask<double> task = TaskOf(c, {.early_stopping = EarlyStopping{.patience = 2, .restore_best = true}}, 300);
  task.validation = PatternSequence(MakePatterns(c.spec, 10, /*seed=*/9));
  Trainer<double> trainer(task, c.parameters);
  EXPECT_LT(RunToEnd(&trainer).epochs.size(), 300u);
  EXPECT_TRUE(trainer.best_parameters().has_value());
}

INSTANTIATE_TEST_SUITE_P(EveryOptimizer, SecondOrderTrainingTest,
                         testing::Values(SecondOrderCase{"Lbfgs", Lbfgs{}},
                                         SecondOrderCase{"LbfgsOfOnePair", Lbfgs{.history_size = 1}},
                                         SecondOrderCase{"NewtonCg", NewtonCg{}},
                                         SecondOrderCase{"NewtonCgByGaussNewton", NewtonCg{.gauss_newton = true}}),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace backprop
