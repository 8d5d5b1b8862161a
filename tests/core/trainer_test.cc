#include "core/trainer.h"

#include <cmath>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/random_network.h"
#include "tests/support/run_trainer.h"
#include "tests/support/scalar_conversion.h"
#include "tests/support/training_sets.h"

namespace backprop {
namespace {

using testing::ElementsAre;
using FloatOutcome = Trainer<float>::Outcome;

class TrainerTest : public testing::Test {
 protected:
  static NetworkSpec::Fields Fields() {
    return {.input_unit_count = 3,
            .hidden_layers = {{.unit_count = 5, .activation = Activation::kTanh}},
            .output_unit_count = 3,
            .task = Task::kMultiwayClassification};
  }

  TrainingTask<float> TaskOf(const TrainingOptions& options, int64_t epoch_count) const {
    return {.spec = case_.spec,
            .scalings = case_.scalings,
            .options = options,
            .epoch_count = epoch_count,
            .patterns = PatternSequence(Cast<float>(case_.patterns))};
  }

  const RandomCase case_ = MakeRandomCase(Fields(), /*pattern_count=*/10, /*seed=*/1);
  const Parameters<float> parameters_ = Cast<float>(case_.spec, case_.parameters);
};

TEST_F(TrainerTest, StepsThroughBatchesThenEndsTheEpoch) {
  Trainer<float> trainer(TaskOf({.batch_size = 4}, 2), parameters_);
  std::vector<FloatOutcome> outcomes;
  while (!trainer.finished()) outcomes.push_back(trainer.Step(SequentialFor, NeverStop));
  EXPECT_THAT(outcomes, ElementsAre(FloatOutcome::kBatchDone, FloatOutcome::kBatchDone, FloatOutcome::kEpochTrained,
                                    FloatOutcome::kEpochDone, FloatOutcome::kBatchDone, FloatOutcome::kBatchDone,
                                    FloatOutcome::kEpochTrained, FloatOutcome::kEpochDone));
  EXPECT_EQ(trainer.last_epoch().epoch, 2);
  EXPECT_EQ(trainer.last_epoch().training.pattern_count, 10);
}

TEST_F(TrainerTest, GivesTheSameBitsForTheSameSeed) {
  const TrainingOptions options{.batch_size = 3, .optimizer = Adam{}, .shuffle = true, .seed = 4};
  TrainingOptions others = options;
  others.seed = 5;
  const auto run = RunToEnd(TaskOf(options, 5), parameters_);
  EXPECT_EQ(run.parameters, RunToEnd(TaskOf(options, 5), parameters_).parameters);
  EXPECT_NE(run.parameters, RunToEnd(TaskOf(others, 5), parameters_).parameters);
}

TEST_F(TrainerTest, ShufflesEveryEpochAnew) {
  // With no change of parameters to speak of, epochs differ by their order alone.
  const auto run = RunToEnd(TaskOf({.batch_size = 3, .step_size = 1e-30, .shuffle = true}, 2), parameters_);
  EXPECT_NE(run.epochs[0].gradient_norm, run.epochs[1].gradient_norm);
}

TEST_F(TrainerTest, KeepsTheOrderOfPatternsInBatchTraining) {
  EXPECT_EQ(RunToEnd(TaskOf({.shuffle = true}, 5), parameters_).parameters,
            RunToEnd(TaskOf({.shuffle = false}, 5), parameters_).parameters);
}

TEST_F(TrainerTest, GoesOnAfterAStopAsIfNothingHadHappened) {
  TrainingTask<float> task = TaskOf({.batch_size = 3, .optimizer = Adam{}, .shuffle = true}, 3);
  task.validation = task.patterns;
  Trainer<float> trainer(task, parameters_);
  std::vector<Parameters<float>> parameters;
  while (!trainer.finished()) {
    const Parameters<float> before = trainer.parameters();
    ASSERT_EQ(trainer.Step(SequentialFor, [] { return true; }), FloatOutcome::kStopped);
    ASSERT_EQ(trainer.parameters(), before);
    if (trainer.Step(SequentialFor, NeverStop) == FloatOutcome::kEpochDone) parameters.push_back(trainer.parameters());
  }
  EXPECT_EQ(parameters, RunToEnd(task, parameters_).parameters);
}

TEST_F(TrainerTest, TrainsOnThePatternsAsTheyWere) {
  PatternSequence<float> patterns = PatternSequence(Cast<float>(case_.patterns));
  TrainingTask<float> task = TaskOf({.batch_size = 4, .shuffle = true}, 2);
  task.patterns = patterns;
  Trainer<float> trainer(task, parameters_);
  patterns.Append(Cast<float>(case_.patterns));
  EXPECT_EQ(RunToEnd(&trainer).parameters,
            RunToEnd(TaskOf({.batch_size = 4, .shuffle = true}, 2), parameters_).parameters);
}

// The gradient by the mean is the one by the sum, divided by the weights: the step size makes up for it, to rounding.
TEST_F(TrainerTest, ByMeanIsBySumWithTheStepSizeTimesTheWeights) {
  const double weights = Cast<float>(case_.patterns).weights.cast<double>().sum();
  const auto by_mean = RunToEnd(TaskOf({.reduction = Reduction::kMean, .step_size = 0.1}, 5), parameters_);
  const auto by_sum = RunToEnd(TaskOf({.reduction = Reduction::kSum, .step_size = 0.1 / weights}, 5), parameters_);
  EXPECT_TRUE(by_mean.parameters.back().flat().isApprox(by_sum.parameters.back().flat(), 1e-5f));
}

TEST_F(TrainerTest, MeasuresTheValidationSetUnderTheParametersOfTheEpochsEnd) {
  TrainingTask<float> task = TaskOf({.batch_size = 4}, 2);
  task.validation = task.patterns;
  const auto run = RunToEnd(task, parameters_);
  // Batch training measures what its epoch begins with: here, what the other's epoch ended with.
  const auto next = RunToEnd(TaskOf({}, 1), run.parameters[0]);
  EXPECT_FLOAT_EQ(static_cast<float>(run.epochs[0].validation->log_likelihood),
                  static_cast<float>(next.epochs[0].training.log_likelihood));
  EXPECT_EQ(run.epochs[0].validation->pattern_count, 10);
  EXPECT_NE(run.epochs[0].validation->log_likelihood, run.epochs[0].training.log_likelihood);
}

TEST_F(TrainerTest, HasNoValidationMeasuresWithoutAValidationSet) {
  EXPECT_FALSE(RunToEnd(TaskOf({}, 1), parameters_).epochs[0].validation.has_value());
}

TEST_F(TrainerTest, LeavesParametersAloneWhenNoPatternHasWeight) {
  Patterns<double> weightless = case_.patterns;
  weightless.weights.setZero();
  TrainingTask<float> task = TaskOf({.batch_size = 4, .optimizer = Adam{}}, 2);
  task.patterns = PatternSequence(Cast<float>(weightless));
  const auto run = RunToEnd(task, parameters_);
  EXPECT_FALSE(run.diverged);
  EXPECT_EQ(run.parameters.back(), parameters_);
}

// The validation set has nothing to do with the training set: the network learns it for some epochs, for its biases,
// then unlearns it.
class EarlyStoppingRunTest : public TrainerTest {
 protected:
  TrainingTask<float> Task(const EarlyStopping& early_stopping) const {
    TrainingTask<float> task = TaskOf({.batch_size = 2, .step_size = 0.3, .early_stopping = early_stopping}, 50);
    Patterns<double> other = MakeRandomCase(Fields(), /*pattern_count=*/6, /*seed=*/9).patterns;
    task.validation = PatternSequence(Cast<float>(other));
    return task;
  }
};

TEST_F(EarlyStoppingRunTest, StopsPatienceEpochsAfterTheBest) {
  const auto run = RunToEnd(Task({.patience = 4}), parameters_);
  // By hand.
  size_t best = 0;
  for (size_t i = 1; i < run.epochs.size(); ++i) {
    if (run.epochs[i].validation->log_likelihood > run.epochs[best].validation->log_likelihood) best = i;
  }
  ASSERT_GT(best, 0u) << "the case must improve at first";
  EXPECT_EQ(run.epochs.size(), best + 1 + 4);
  for (size_t i = best + 1; i < run.epochs.size(); ++i) EXPECT_FALSE(run.epochs[i].best);
  EXPECT_TRUE(run.epochs[best].best);
}

TEST_F(EarlyStoppingRunTest, KeepsTheBestEpochsParameters) {
  Trainer<float> trainer(Task({.patience = 4, .restore_best = true}), parameters_);
  EXPECT_FALSE(trainer.best_parameters().has_value());
  const auto run = RunToEnd(&trainer);
  ASSERT_TRUE(trainer.best_parameters().has_value());
  EXPECT_EQ(*trainer.best_parameters(), run.parameters[run.parameters.size() - 1 - 4]);
  EXPECT_NE(*trainer.best_parameters(), trainer.parameters());
}

TEST_F(EarlyStoppingRunTest, KeepsNothingUnlessAskedTo) {
  Trainer<float> trainer(Task({.patience = 4}), parameters_);
  RunToEnd(&trainer);
  EXPECT_FALSE(trainer.best_parameters().has_value());
}

TEST_F(EarlyStoppingRunTest, RunsAllEpochsWhenPatient) {
  EXPECT_EQ(RunToEnd(Task({.patience = 50}), parameters_).epochs.size(), 50u);
}

TEST_F(TrainerTest, ReportsDivergenceWithoutAnEpoch) {
  for (const Activation activation : {Activation::kIdentity, Activation::kLogistic}) {
    for (const backprop::Task task : kTasks) {
      NetworkSpec::Fields fields = Fields();
      fields.hidden_layers[0].activation = activation;
      fields.task = task;
      RandomCase c = MakeRandomCase(fields, /*pattern_count=*/10, /*seed=*/1);
      c.patterns.weights *= 1e6;
      const auto run = RunToEnd<double>({.spec = c.spec,
                                         .scalings = c.scalings,
                                         .options = {.batch_size = 3, .reduction = Reduction::kSum, .step_size = 1e308},
                                         .epoch_count = 20,
                                         .patterns = PatternSequence(c.patterns)},
                                        c.parameters);
      EXPECT_TRUE(run.diverged);
      EXPECT_TRUE(run.epochs.empty());
    }
  }
}

// The only step of an epoch: no pattern meets the infinite parameters.
TEST_F(TrainerTest, ReportsParametersThatAreNotFiniteAtTheEpochsEnd) {
  Patterns<double> heavy = case_.patterns;
  heavy.weights *= 1e6;
  Trainer<double> trainer({.spec = case_.spec,
                           .scalings = case_.scalings,
                           .options = {.reduction = Reduction::kSum, .step_size = 1e308},
                           .epoch_count = 1,
                           .patterns = PatternSequence(heavy)},
                          case_.parameters);
  EXPECT_EQ(trainer.Step(SequentialFor, NeverStop), Trainer<double>::Outcome::kEpochTrained);
  EXPECT_EQ(trainer.Step(SequentialFor, NeverStop), Trainer<double>::Outcome::kDiverged);
}

// An error of 1e20 squared overflows in float, its gradient does not.
TEST_F(TrainerTest, ReportsALogLikelihoodThatIsNotFinite) {
  NetworkSpec::Fields fields = Fields();
  fields.task = Task::kRegression;
  RandomCase c = MakeRandomCase(fields, /*pattern_count=*/10, /*seed=*/1);
  c.patterns.targets(0, 3) = 1e20;
  Trainer<float> trainer({.spec = c.spec,
                          .scalings = c.scalings,
                          .options = {.step_size = 1e-10},
                          .epoch_count = 1,
                          .patterns = PatternSequence(Cast<float>(c.patterns))},
                         Cast<float>(c.spec, c.parameters));
  EXPECT_EQ(trainer.Step(SequentialFor, NeverStop), FloatOutcome::kDiverged);
  EXPECT_EQ(trainer.parameters(), Cast<float>(c.spec, c.parameters));
}

// Little by little, the parameters of every epoch up to the last finite.
TEST_F(TrainerTest, ReportsDivergenceBeforeAnythingInfiniteIsSeen) {
  NetworkSpec::Fields fields = Fields();
  fields.task = Task::kRegression;
  fields.hidden_layers[0].activation = Activation::kIdentity;
  const RandomCase c = MakeRandomCase(fields, /*pattern_count=*/10, /*seed=*/1);
  TrainingTask<float> task{.spec = c.spec,
                           .scalings = c.scalings,
                           .options = {.batch_size = 3,
                                       .step_size = 0.5,
                                       .early_stopping = EarlyStopping{.patience = 100, .restore_best = true}},
                           .epoch_count = 100,
                           .patterns = PatternSequence(Cast<float>(c.patterns))};
  task.validation = task.patterns;
  Trainer<float> trainer(task, Cast<float>(c.spec, c.parameters));
  const auto run = RunToEnd(&trainer);
  EXPECT_TRUE(run.diverged);
  ASSERT_FALSE(run.epochs.empty());
  for (const Parameters<float>& parameters : run.parameters) EXPECT_TRUE(parameters.flat().allFinite());
  for (const EpochResult& epoch : run.epochs) {
    EXPECT_TRUE(std::isfinite(epoch.training.log_likelihood));
    EXPECT_TRUE(std::isfinite(epoch.validation->log_likelihood));
    EXPECT_TRUE(std::isfinite(epoch.gradient_norm));
  }
  EXPECT_TRUE(trainer.best_parameters()->flat().allFinite());
}

}  // namespace
}  // namespace backprop
