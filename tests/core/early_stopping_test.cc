#include "core/early_stopping.h"

#include <vector>

#include "gtest/gtest.h"

namespace backprop {
namespace {

// What early stopping makes of a run with these mean log likelihoods.
struct ObservedRun {
  ObservedRun(const std::optional<EarlyStopping>& options, const std::vector<double>& mean_log_likelihoods) {
    int64_t epoch = 0;
    for (const double observed : mean_log_likelihoods) {
      if (ShouldStop(options, state)) break;
      best.push_back(ObserveEpoch(options, ++epoch, observed, &state));
    }
    stopped = ShouldStop(options, state);
  }

  EarlyStoppingState state;
  std::vector<bool> best;  // Of the epochs that were run.
  bool stopped;
};

TEST(EarlyStoppingTest, NeverStopsBeforeTheFirstEpoch) {
  EXPECT_FALSE(ShouldStop(EarlyStopping{.patience = 1}, EarlyStoppingState()));
}

TEST(EarlyStoppingTest, StopsAfterPatienceEpochsWithoutImprovement) {
  const ObservedRun run(EarlyStopping{.patience = 2}, {-3, -2, -2.5, -2, -1});
  EXPECT_TRUE(run.stopped);
  EXPECT_EQ(run.best, (std::vector<bool>{true, true, false, false}));
  EXPECT_EQ(run.state.best_epoch, 2);
  EXPECT_EQ(run.state.best, -2);
}

TEST(EarlyStoppingTest, StartsCountingAnewAtEachImprovement) {
  const ObservedRun run(EarlyStopping{.patience = 2}, {-5, -6, -4, -6, -3, -6});
  EXPECT_FALSE(run.stopped);
  EXPECT_EQ(run.state.best_epoch, 5);
}

TEST(EarlyStoppingTest, NeedsImprovementsAboveTheLeast) {
  // 0.5 better each time: not enough alone, enough together with the next.
  EXPECT_TRUE(ObservedRun(EarlyStopping{.patience = 1, .min_improvement = 0.5}, {-3, -2.5}).stopped);
  EXPECT_FALSE(ObservedRun(EarlyStopping{.patience = 2, .min_improvement = 0.5}, {-3, -2.5, -2}).stopped);
}

TEST(EarlyStoppingTest, KeepsTheBestEpochEvenWhenItIsNoImprovement) {
  const ObservedRun run(EarlyStopping{.patience = 2, .min_improvement = 1}, {-3, -2.9, -2.8});
  EXPECT_TRUE(run.stopped);
  EXPECT_EQ(run.best, (std::vector<bool>{true, true, true}));
  EXPECT_EQ(run.state.best_epoch, 3);
}

TEST(EarlyStoppingTest, KnowsTheBestEpochWithoutOptionsButNeverStops) {
  const ObservedRun run(std::nullopt, {-3, -4, -5, -6, -2, -3});
  EXPECT_FALSE(run.stopped);
  EXPECT_EQ(run.state.best_epoch, 5);
}

}  // namespace
}  // namespace backprop
