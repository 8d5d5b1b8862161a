#include "core/step_size_schedule.h"

#include <vector>

#include "gtest/gtest.h"

namespace backprop {
namespace {

// Of epochs 1 to 5 of a run of `epoch_count`.
std::vector<double> FirstFive(const StepSizeSchedule& schedule, int64_t epoch_count = 5) {
  const TrainingOptions options{.step_size = 0.8, .schedule = schedule};
  std::vector<double> step_sizes;
  for (int64_t epoch = 1; epoch <= 5; ++epoch) {
    step_sizes.push_back(StepSizeOf(options, epoch, epoch_count, PlateauState()));
  }
  return step_sizes;
}

void ExpectStepSizes(const std::vector<double>& actual, const std::vector<double>& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i) EXPECT_DOUBLE_EQ(actual[i], expected[i]) << "epoch " << i + 1;
}

TEST(StepSizeScheduleTest, ConstantStays) { ExpectStepSizes(FirstFive(ConstantSchedule()), {.8, .8, .8, .8, .8}); }

TEST(StepSizeScheduleTest, ExponentialShrinksByAFactorEachEpoch) {
  ExpectStepSizes(FirstFive(ExponentialSchedule{.factor = 0.5}), {0.8, 0.4, 0.2, 0.1, 0.05});
}

// Half a cosine: at a quarter of the way (1 + cos(pi/4)) / 2 of the descent is left.
TEST(StepSizeScheduleTest, CosineGoesFromTheFirstToTheFinalStepSize) {
  const double quarter = (1 + std::sqrt(0.5)) / 2;
  ExpectStepSizes(FirstFive(CosineSchedule{.final_step_size = 0.2}),
                  {0.8, 0.2 + 0.6 * quarter, 0.5, 0.2 + 0.6 * (1 - quarter), 0.2});
}

TEST(StepSizeScheduleTest, CosineStaysAtItsEndAfterItsEpochs) {
  ExpectStepSizes(FirstFive(CosineSchedule{.final_step_size = 0.2, .epoch_count = 3}), {0.8, 0.5, 0.2, 0.2, 0.2});
}

TEST(StepSizeScheduleTest, CosineOfOneEpochTakesTheFirstStepSize) {
  EXPECT_EQ(FirstFive(CosineSchedule{.final_step_size = 0.2}, /*epoch_count=*/1)[0], 0.8);
}

// The step sizes of the epochs that end with these mean log likelihoods, and of the one after.
std::vector<double> OnPlateau(const OnPlateauSchedule& schedule, const std::vector<double>& mean_log_likelihoods) {
  const TrainingOptions options{.step_size = 0.8, .schedule = schedule};
  PlateauState plateau;
  std::vector<double> step_sizes = {StepSizeOf(options, 1, 100, plateau)};
  for (const double observed : mean_log_likelihoods) {
    ObserveEpoch(options, observed, &plateau);
    step_sizes.push_back(StepSizeOf(options, static_cast<int64_t>(step_sizes.size()) + 1, 100, plateau));
  }
  return step_sizes;
}

TEST(StepSizeScheduleTest, OnPlateauShrinksAfterPatienceEpochsWithoutImprovement) {
  ExpectStepSizes(OnPlateau({.factor = 0.5, .patience = 2, .min_improvement = 0}, {-3, -2, -2, -2, -2, -2}),
                  {0.8, 0.8, 0.8, 0.8, 0.4, 0.4, 0.2});
}

TEST(StepSizeScheduleTest, OnPlateauStaysWhileThereIsImprovement) {
  ExpectStepSizes(OnPlateau({.factor = 0.5, .patience = 2, .min_improvement = 0}, {-3, -4, -2, -2, -1}),
                  {0.8, 0.8, 0.8, 0.8, 0.8, 0.8});
}

TEST(StepSizeScheduleTest, OnPlateauCountsSmallImprovementsTogether) {
  // Each 0.6 is below the least improvement of 1, but two of them are not.
  ExpectStepSizes(OnPlateau({.factor = 0.5, .patience = 2, .min_improvement = 1}, {-5, -4.4, -3.8, -3.2, -3.1}),
                  {0.8, 0.8, 0.8, 0.8, 0.8, 0.4});
}

TEST(StepSizeScheduleTest, OnPlateauNeverShrinksBelowItsLeastStepSize) {
  ExpectStepSizes(OnPlateau({.factor = 0.1, .patience = 1, .min_step_size = 0.05}, {-1, -1, -1}),
                  {0.8, 0.8, 0.08, 0.05});
}

TEST(StepSizeScheduleTest, OnPlateauNeverGrowsToItsLeastStepSize) {
  ExpectStepSizes(OnPlateau({.factor = 0.1, .patience = 1, .min_step_size = 2}, {-1, -1, -1}), {0.8, 0.8, 0.8, 0.8});
}

TEST(StepSizeScheduleTest, OthersObserveNothing) {
  PlateauState plateau;
  ObserveEpoch(TrainingOptions(), -1, &plateau);
  ObserveEpoch(TrainingOptions(), -1, &plateau);
  EXPECT_EQ(plateau.factor, 1);
  EXPECT_EQ(plateau.epochs_without_improvement, 0);
}

}  // namespace
}  // namespace backprop
