#include "core/online_learner.h"

#include <limits>

#include "core/trainer.h"
#include "gtest/gtest.h"
#include "tests/support/random_network.h"
#include "tests/support/run_trainer.h"
#include "tests/support/scalar_conversion.h"
#include "tests/support/training_sets.h"

namespace backprop {
namespace {

class OnlineLearnerTest : public testing::Test {
 protected:
  using Outcome = OnlinePass<float>::Outcome;

  // A pass to its end; the learner goes on from there when it was a good one.
  OnlinePass<float> Learn(OnlineLearner<float>* learner, const Patterns<float>& patterns,
                          const Parameters<float>& parameters, Outcome expected = Outcome::kDone) const {
    OnlinePass<float> pass(case_.spec, case_.scalings, patterns, *learner, parameters);
    Outcome outcome = pass.Step(SequentialFor, NeverStop);
    while (outcome == Outcome::kBatchDone) outcome = pass.Step(SequentialFor, NeverStop);
    EXPECT_EQ(outcome, expected);
    if (outcome == Outcome::kDone) *learner = pass.learner();
    return pass;
  }

  Patterns<float> Part(int64_t begin, int64_t n) const { return PatternSequence(patterns_).Slice(begin, n); }

  const RandomCase case_ = MakeRandomCase({.input_unit_count = 3,
                                           .hidden_layers = {{.unit_count = 5, .activation = Activation::kTanh}},
                                           .output_unit_count = 2,
                                           .task = Task::kRegression},
                                          /*pattern_count=*/10, /*seed=*/1);
  const Patterns<float> patterns_ = Cast<float>(case_.patterns);
  const Parameters<float> parameters_ = Cast<float>(case_.spec, case_.parameters);
};

TEST_F(OnlineLearnerTest, IsOneEpochOfOnLineTraining) {
  for (const OptimizerOptions& optimizer :
       {OptimizerOptions(GradientAscent{.momentum = 0.9}), OptimizerOptions(Adam{}), OptimizerOptions(Rprop{})}) {
    const TrainingOptions options{.batch_size = 1, .optimizer = optimizer, .weight_decay = 0.01};
    OnlineLearner<float> learner(options);
    const auto run = RunToEnd<float>({.spec = case_.spec,
                                      .scalings = case_.scalings,
                                      .options = options,
                                      .epoch_count = 1,
                                      .patterns = PatternSequence(patterns_)},
                                     parameters_);
    const auto learned = Learn(&learner, patterns_, parameters_);
    EXPECT_EQ(learned.parameters(), run.parameters.back());
    EXPECT_EQ(learned.measures().log_likelihood, run.epochs.back().training.log_likelihood);
    EXPECT_EQ(learned.measures().pattern_count, 10);
  }
}

TEST_F(OnlineLearnerTest, TakesABatchSizeOfZeroAsOne) {
  OnlineLearner<float> zero({}), one({.batch_size = 1});
  EXPECT_EQ(Learn(&zero, patterns_, parameters_).parameters(), Learn(&one, patterns_, parameters_).parameters());
}

TEST_F(OnlineLearnerTest, TakesMiniBatchesInOrder) {
  const TrainingOptions options{.batch_size = 4};
  OnlineLearner<float> learner(options);
  const auto run = RunToEnd<float>({.spec = case_.spec,
                                    .scalings = case_.scalings,
                                    .options = options,
                                    .epoch_count = 1,
                                    .patterns = PatternSequence(patterns_)},
                                   parameters_);
  EXPECT_EQ(Learn(&learner, patterns_, parameters_).parameters(), run.parameters.back());
}

TEST_F(OnlineLearnerTest, KeepsItsStateFromCallToCall) {
  const TrainingOptions options{.optimizer = Adam{}};
  OnlineLearner<float> at_once(options), in_parts(options);
  const auto first = Learn(&in_parts, Part(0, 4), parameters_);
  const auto second = Learn(&in_parts, Part(4, 6), first.parameters());
  EXPECT_EQ(second.parameters(), Learn(&at_once, patterns_, parameters_).parameters());
}

TEST_F(OnlineLearnerTest, GivesTheOutputsFromBeforeItsSteps) {
  OnlineLearner<float> learner({.batch_size = 1});
  const auto learned = Learn(&learner, patterns_, parameters_);
  Parameters<float> parameters = parameters_;
  OnlineLearner<float> one_by_one({.batch_size = 1});
  for (int64_t t = 0; t < patterns_.count(); ++t) {
    const Matrix<float> expected =
        Predict<float>(case_.spec, case_.scalings, parameters, patterns_.inputs.col(t), NeverStop);
    EXPECT_EQ(learned.outputs().col(t), expected) << "pattern " << t;
    parameters = Learn(&one_by_one, Part(t, 1), parameters).parameters();
  }
}

TEST_F(OnlineLearnerTest, ChangesNothingWhenItFails) {
  const TrainingOptions options{.optimizer = GradientAscent{.momentum = 0.9}};
  OnlineLearner<float> learner(options), spared(options);
  const Parameters<float> parameters = Learn(&learner, Part(0, 3), parameters_).parameters();
  Learn(&spared, Part(0, 3), parameters_);
  Patterns<float> bad = Part(3, 3);
  bad.targets(0, 2) = std::numeric_limits<float>::max();  // Its squared error overflows.
  Learn(&learner, bad, parameters, Outcome::kDiverged);
  EXPECT_EQ(Learn(&learner, Part(3, 7), parameters).parameters(), Learn(&spared, Part(3, 7), parameters).parameters());
}

TEST_F(OnlineLearnerTest, FailsWhenAStepOverflowsTheParameters) {
  OnlineLearner<float> learner({.step_size = 3e38});
  Patterns<float> far = Part(0, 1);
  far.targets.setConstant(1000);
  Learn(&learner, far, parameters_, Outcome::kDiverged);
}

TEST_F(OnlineLearnerTest, GoesOnAfterAStop) {
  const TrainingOptions options{.batch_size = 4, .optimizer = Adam{}};
  OnlineLearner<float> learner(options);
  OnlinePass<float> pass(case_.spec, case_.scalings, patterns_, learner, parameters_);
  EXPECT_EQ(pass.Step(SequentialFor, NeverStop), Outcome::kBatchDone);
  EXPECT_EQ(pass.Step(SequentialFor, [] { return true; }), Outcome::kStopped);
  EXPECT_EQ(pass.Step(SequentialFor, NeverStop), Outcome::kBatchDone);
  EXPECT_EQ(pass.Step(SequentialFor, NeverStop), Outcome::kDone);
  const auto at_once = Learn(&learner, patterns_, parameters_);
  EXPECT_EQ(pass.parameters(), at_once.parameters());
  EXPECT_EQ(pass.outputs(), at_once.outputs());
}

TEST_F(OnlineLearnerTest, LearnsNothingFromNoPatterns) {
  OnlineLearner<float> learner({.optimizer = Adam{}});
  const auto learned = Learn(&learner, Part(0, 0), parameters_);
  EXPECT_EQ(learned.parameters(), parameters_);
}

TEST_F(OnlineLearnerTest, AppliesTheGradientOfACaller) {
  OnlineLearner<float> learner({.step_size = 0.5});
  Parameters<float> gradient(case_.spec.layout()), parameters = parameters_;
  gradient.flat().setLinSpaced(-1, 1);
  EXPECT_TRUE(learner.Apply(gradient, &parameters));
  EXPECT_EQ(parameters.flat(), Vector<float>(parameters_.flat() + 0.5f * gradient.flat()));
}

TEST_F(OnlineLearnerTest, KeepsItsStateFromGradientToGradient) {
  OnlineLearner<float> learner({.step_size = 1, .optimizer = GradientAscent{.momentum = 0.5}});
  Parameters<float> gradient(case_.spec.layout()), parameters(case_.spec.layout());
  gradient.flat().setOnes();
  EXPECT_TRUE(learner.Apply(gradient, &parameters));
  EXPECT_TRUE(learner.Apply(gradient, &parameters));
  EXPECT_TRUE(parameters.flat().isConstant(1 + 1.5f, 0));
}

TEST_F(OnlineLearnerTest, RefusesAGradientThatIsNotFinite) {
  const TrainingOptions options{.optimizer = Adam{}};
  OnlineLearner<float> learner(options), spared(options);
  Parameters<float> gradient(case_.spec.layout()), parameters = parameters_, spared_parameters = parameters_;
  gradient.flat().setOnes();
  Parameters<float> bad = gradient;
  bad.flat()(3) = std::numeric_limits<float>::quiet_NaN();
  EXPECT_FALSE(learner.Apply(bad, &parameters));
  EXPECT_EQ(parameters, parameters_);
  EXPECT_TRUE(learner.Apply(gradient, &parameters));
  EXPECT_TRUE(spared.Apply(gradient, &spared_parameters));
  EXPECT_EQ(parameters, spared_parameters);
}

}  // namespace
}  // namespace backprop
