// Trainings whose success can be seen: exclusive or, and the 8-3-8 encoder.
#include "core/initial_parameters.h"
#include "core/trainer.h"
#include "gtest/gtest.h"
#include "tests/support/random_network.h"
#include "tests/support/run_trainer.h"
#include "tests/support/scalar_conversion.h"
#include "tests/support/training_sets.h"

namespace backprop {
namespace {

template <typename Scalar>
class LearningTest : public testing::Test {
 protected:
  // From the parameters that `fields` draw.
  FinishedRun<Scalar> Learn(const NetworkSpec::Fields& fields, const TrainingOptions& options, int64_t epoch_count,
                            const Patterns<double>& patterns) const {
    const NetworkSpec spec = MakeSpec(fields);
    return RunToEnd<Scalar>({.spec = spec,
                             .scalings = {},
                             .options = options,
                             .epoch_count = epoch_count,
                             .patterns = PatternSequence(Cast<Scalar>(patterns))},
                            InitialParameters<Scalar>(spec));
  }

  static NetworkSpec::Fields Xor(int hidden_units) {
    return {.input_unit_count = 2,
            .hidden_layers = {{.unit_count = hidden_units}},
            .output_unit_count = 1,
            .task = Task::kBinaryClassification,
            .initial_weights = {.distribution = InitialDistribution::kUniform, .range = 1, .seed = 1}};
  }
};

using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(LearningTest, Scalars);

// Every output on the right side of 1/2 at a mean log likelihood above log(0.9): sure of itself, too.
TYPED_TEST(LearningTest, LearnsExclusiveOrByBatches) {
  const auto run =
      this->Learn(this->Xor(4), {.step_size = 0.5, .optimizer = GradientAscent{.momentum = 0.9}}, 1000, XorPatterns());
  EXPECT_EQ(run.epochs.back().training.accuracy(), 1);
  EXPECT_GT(run.epochs.back().training.mean_log_likelihood(), std::log(0.9));
}

TYPED_TEST(LearningTest, LearnsExclusiveOrOnLine) {
  const auto run = this->Learn(this->Xor(4), {.batch_size = 1, .step_size = 0.5, .shuffle = true}, 2000, XorPatterns());
  EXPECT_EQ(run.epochs.back().training.accuracy(), 1);
  EXPECT_GT(run.epochs.back().training.mean_log_likelihood(), std::log(0.9));
}

// A network without hidden layers cannot: no line divides the classes, and log(1/2) is the best mean there is.
TYPED_TEST(LearningTest, CannotLearnExclusiveOrWithoutHiddenUnits) {
  NetworkSpec::Fields fields = this->Xor(1);
  fields.hidden_layers.clear();
  const auto run = this->Learn(fields, {.step_size = 0.5}, 1000, XorPatterns());
  EXPECT_NEAR(run.epochs.back().training.mean_log_likelihood(), std::log(0.5), 1e-6);  // Float's noise, and no more.
}

// Three hidden units must find a code of their own for eight patterns.
TYPED_TEST(LearningTest, LearnsTheEncoder) {
  const NetworkSpec::Fields fields = {.input_unit_count = 8,
                                      .hidden_layers = {{.unit_count = 3}},
                                      .output_unit_count = 8,
                                      .task = Task::kMultiwayClassification,
                                      .initial_weights = {.seed = 1}};
  for (const TrainingOptions& options :
       {TrainingOptions{.step_size = 0.02, .optimizer = Adam{}}, TrainingOptions{.optimizer = Rprop{}}}) {
    const auto run = this->Learn(fields, options, 1000, EncoderPatterns(8));
    EXPECT_EQ(run.epochs.back().training.correct, 8);
    EXPECT_GT(run.epochs.back().training.mean_log_likelihood(), std::log(0.9));
  }
}

TYPED_TEST(LearningTest, LearnsALineOfRegressionToTheLeastSquares) {
  Patterns<double> patterns{.inputs = Matrix<double>{{-1, 0, 1, 2}},
                            .targets = Matrix<double>{{1, 0, 3, 4}},
                            .weights = RowVector<double>{{1, 1, 1, 2}}};
  const auto run = this->Learn({.input_unit_count = 1, .output_unit_count = 1, .task = Task::kRegression},
                               {.step_size = 0.2}, 500, patterns);
  // The normal equations by hand: sums of weights 5, x 4, y 12, x^2 10, xy 18 give the slope (5 * 18 - 4 * 12) / 34.
  const double slope = 42.0 / 34, offset = (12 - 4 * slope) / 5;
  EXPECT_NEAR(run.parameters.back().flat()(0), slope, 1e-5);  // Float's noise around the maximum.
  EXPECT_NEAR(run.parameters.back().flat()(1), offset, 1e-5);
}

}  // namespace
}  // namespace backprop
