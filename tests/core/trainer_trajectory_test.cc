// Short trainings against plain loops, epoch by epoch, for every optimizer, batch size, schedule and option.
#include <limits>
#include <vector>

#include "core/trainer.h"
#include "gtest/gtest.h"
#include "tests/support/near.h"
#include "tests/support/random_network.h"
#include "tests/support/run_trainer.h"
#include "tests/support/scalar_conversion.h"
#include "tests/support/scalar_training.h"
#include "tests/support/training_sets.h"

namespace backprop {
namespace {

constexpr int64_t kEpochs = 8;

struct Trajectory {
  const char* name;
  TrainingOptions options;
};

const GradientAscent kMomentum{.momentum = 0.9};
const GradientAscent kNesterov{.momentum = 0.9, .nesterov = true};

const Trajectory kTrajectories[] = {
    {"Batch", {}},
    {"BatchSum", {.reduction = Reduction::kSum, .step_size = 0.02}},
    {"BatchIgnoresShuffle", {.shuffle = true, .seed = 5}},
    {"OnLine", {.batch_size = 1}},
    {"OnLineSum", {.batch_size = 1, .reduction = Reduction::kSum}},
    {"OnLineShuffled", {.batch_size = 1, .shuffle = true, .seed = 5}},
    {"MiniBatch", {.batch_size = 4}},  // Of 11 patterns: the last batch has 3.
    {"MiniBatchSum", {.batch_size = 4, .reduction = Reduction::kSum, .step_size = 0.05}},
    {"MiniBatchShuffled", {.batch_size = 4, .shuffle = true, .seed = -7}},
    {"MiniBatchLargerThanTheSet", {.batch_size = 100, .shuffle = true}},
    {"Momentum", {.optimizer = kMomentum}},
    {"MomentumOnLineShuffled", {.batch_size = 1, .step_size = 0.02, .optimizer = kMomentum, .shuffle = true}},
    {"Nesterov", {.optimizer = kNesterov}},
    {"NesterovMiniBatch", {.batch_size = 4, .step_size = 0.05, .optimizer = kNesterov}},
    {"AdamBatch", {.step_size = 0.01, .optimizer = Adam{}}},
    {"AdamMiniBatchShuffled", {.batch_size = 4, .step_size = 0.01, .optimizer = Adam{}, .shuffle = true, .seed = 3}},
    {"RpropBatch", {.optimizer = Rprop{}}},
    {"RpropSum", {.reduction = Reduction::kSum, .step_size = 0.01, .optimizer = Rprop{.max_step_size = 0.05}}},
    {"Exponential", {.schedule = ExponentialSchedule{.factor = 0.7}}},
    {"ExponentialMiniBatch", {.batch_size = 4, .schedule = ExponentialSchedule{.factor = 0.7}}},
    {"Cosine", {.schedule = CosineSchedule{.final_step_size = 0.01}}},
    {"CosineOfFiveEpochs", {.schedule = CosineSchedule{.epoch_count = 5}}},
    {"OnPlateau",  // Hardly anything is an improvement of 0.02 any more after some epochs.
     {.schedule = OnPlateauSchedule{.factor = 0.5, .patience = 2, .min_improvement = 0.02}}},
    {"WeightDecay", {.weight_decay = 0.3}},
    {"WeightDecayOnLine", {.batch_size = 1, .weight_decay = 0.3}},
    {"NormLimit", {.gradient_norm_limit = 0.05}},
    {"NormLimitAndDecayWithAdam",
     {.batch_size = 4, .step_size = 0.01, .optimizer = Adam{}, .weight_decay = 0.1, .gradient_norm_limit = 0.1}},
};

class TrajectoryTest : public testing::TestWithParam<std::tuple<Trajectory, Task>> {
 protected:
  TrajectoryTest() : case_(MakeRandomCase(FieldsOf(std::get<Task>(GetParam())), /*pattern_count=*/11, /*seed=*/2)) {}

  static NetworkSpec::Fields FieldsOf(Task task) {
    return {.input_unit_count = 3,
            .hidden_layers = {{.unit_count = 4, .activation = Activation::kTanh},
                              {.unit_count = 3, .activation = Activation::kLogistic}},
            .output_unit_count = 2,
            .task = task,
            .precision = Precision::kFloat64};
  }

  // A step carries the errors of the one before along and adds its own, of a gradient good to 256 epsilon
  // (batch_computation_oracle_test), times a step size well below 1; 512 are four times what was ever seen.
  template <typename Scalar>
  void ExpectTheScalarTrajectory() const {
    const double tolerance = 512 * double{std::numeric_limits<Scalar>::epsilon()};
    const TrainingOptions& options = std::get<Trajectory>(GetParam()).options;
    const ScalarTraining expected =
        Train(ToScalar(case_.spec, case_.scalings, case_.parameters), ToScalar(case_.patterns), options, kEpochs);
    const auto run = RunToEnd<Scalar>({.spec = case_.spec,
                                       .scalings = case_.scalings,
                                       .options = options,
                                       .epoch_count = kEpochs,
                                       .patterns = PatternSequence(Cast<Scalar>(case_.patterns))},
                                      Cast<Scalar>(case_.spec, case_.parameters));
    ASSERT_EQ(run.epochs.size(), kEpochs);
    for (size_t i = 0; i < kEpochs; ++i) {
      EXPECT_EQ(run.epochs[i].epoch, static_cast<int64_t>(i) + 1);
      EXPECT_TRUE(
          AllNear({run.epochs[i].step_size, run.epochs[i].training.log_likelihood, run.epochs[i].gradient_norm},
                  {expected.epochs[i].step_size, expected.epochs[i].log_likelihood, expected.epochs[i].gradient_norm},
                  tolerance))
          << "epoch " << i + 1;
    }
    EXPECT_TRUE(AllNear(ToVector(run.parameters.back().flat()), expected.parameters, tolerance));
  }

  const RandomCase case_;
};

TEST_P(TrajectoryTest, IsTheScalarOneInFloat64) { ExpectTheScalarTrajectory<double>(); }

TEST_P(TrajectoryTest, IsTheScalarOneInFloat32) { ExpectTheScalarTrajectory<float>(); }

INSTANTIATE_TEST_SUITE_P(EveryOption, TrajectoryTest,
                         testing::Combine(testing::ValuesIn(kTrajectories), testing::ValuesIn(kTasks)),
                         [](const auto& info) {
                           return std::get<0>(info.param).name +
                                  std::to_string(static_cast<int>(std::get<1>(info.param)));
                         });

// Exclusive or with momentum, three epochs: numbers of a third implementation, 20 lines of Python. A dozen sums of
// numbers of size 1: 1e-14.
TEST(PinnedTrajectoryTest, OfExclusiveOrNeverChanges) {
  const NetworkSpec spec = MakeSpec({.input_unit_count = 2,
                                     .hidden_layers = {{.unit_count = 2}},
                                     .output_unit_count = 1,
                                     .task = Task::kBinaryClassification,
                                     .precision = Precision::kFloat64});
  Parameters<double> parameters(spec.layout());
  parameters.flat() << 0.5, -0.4, 0.3, 0.8, 0.1, -0.2, 0.7, -0.6, 0.05;
  const auto run =
      RunToEnd<double>({.spec = spec,
                        .scalings = {},
                        .options = {.reduction = Reduction::kSum, .step_size = 0.5, .optimizer = kMomentum},
                        .epoch_count = 3,
                        .patterns = PatternSequence<double>(XorPatterns())},
                       parameters);
  std::vector<double> log_likelihoods, norms;
  for (const EpochResult& epoch : run.epochs) {
    log_likelihoods.push_back(epoch.training.log_likelihood);
    norms.push_back(epoch.gradient_norm);
  }
  EXPECT_TRUE(AllNear(log_likelihoods, {-2.7839845311833975, -2.781023946982307, -2.781744585975408}, 1e-14));
  EXPECT_TRUE(AllNear(norms, {0.09884984376176367, 0.030154018169141858, 0.07441602464449572}, 1e-14));
  EXPECT_TRUE(
      AllNear(ToVector(run.parameters.back().flat()),
              {0.471152234256709, -0.3899377442112919, 0.27453504951975005, 0.7689836898836593, 0.06271886013218175,
               -0.20656768738346978, 0.6309220935158872, -0.6172236640978459, -0.04016935947072831},
              1e-14));
}

}  // namespace
}  // namespace backprop
