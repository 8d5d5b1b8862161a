// Training runs that the end of a server cut off go on in the next, to the same bits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <utility>

#include "core/error.h"
#include "core/training_options.h"
#include "tests/server/sessions/reopened_sessions.h"

namespace backprop::server {
namespace {

using std::chrono::milliseconds;

class RunReopenTest : public SessionReopenTest, public testing::WithParamInterface<TrainingOptions> {};

TEST_P(RunReopenTest, ARunGoesOnToTheSameBits) {
  TrainingOptions options = GetParam();
  options.shuffle = true;
  options.early_stopping = EarlyStopping{.patience = 1'000'000, .restore_best = true};
  TrainingRunRequest request = Epochs(3000, options);
  request.validation_pattern_set = "v";
  const auto prepare = [&](World& world) {
    const auto session = world.Create("a", SmallSpec());
    EXPECT_TRUE(session->Append({.pattern_set = "s"}, patterns_).ok());
    EXPECT_TRUE(session->Append({.pattern_set = "v"}, SmallPatterns(9, 5)).ok());
    return session->StartTrainingRun(request).value();
  };
  World reference;
  ASSERT_TRUE(prepare(reference)->WaitForEnd(NeverStop));
  const auto whole = reference.Get("a");

  ASSERT_TRUE(prepare(Restart({.checkpoint_interval = milliseconds(1)}))->WaitForReport(20, NeverStop).has_value());
  // What it trains on may change and go: it trains on what was there when it started.
  ASSERT_TRUE(world_->Get("a")->Append({.pattern_set = "v"}, SmallPatterns(9, 5)).ok());
  ASSERT_TRUE(world_->Get("a")->DeletePatternSet("s").ok());
  for (int lives = 0; lives < 4; ++lives) {
    EXPECT_TRUE(Restart({.checkpoint_interval = milliseconds(1)}).registry.Recover().empty());
    const auto run = world_->Get("a")->GetTrainingRun("run-1").value();
    const int64_t kept = run->status().completed_epoch_count;
    ASSERT_TRUE(run->WaitForReport(std::min<int64_t>(kept + 20, 2999), NeverStop).has_value());
  }
  auto run = world_->Get("a")->GetTrainingRun("run-1").value();
  ASSERT_TRUE(run->WaitForEnd(NeverStop));
  EXPECT_EQ(run->status().state, RunState::kSucceeded) << run->status().error;
  EXPECT_EQ(world_->Get("a")->model_versions().Latest()->parameters, whole->model_versions().Latest()->parameters);
  const auto reports = run->ReportsAfter(0), expected = whole->ListTrainingRuns()[0]->ReportsAfter(0);
  ASSERT_EQ(reports.size(), expected.size());
  for (size_t i = 0; i < reports.size(); ++i) {
    EXPECT_EQ(reports[i].epoch, static_cast<int64_t>(i) + 1);
    EXPECT_EQ(reports[i].training.log_likelihood, expected[i].training.log_likelihood);
    EXPECT_EQ(reports[i].validation->log_likelihood, expected[i].validation->log_likelihood);
  }
  // The best version is kept as long as the run, through all that comes behind it.
  const int64_t best = run->status().best_report->model_version;
  const Parameters<double> best_parameters = world_->Get("a")->model_versions().Get(best).value()->parameters;
  run.reset();
  EXPECT_EQ(Restart().Get("a")->model_versions().Get(best).value()->parameters, best_parameters);
  EXPECT_EQ(ReasonOf(world_->Get("a")->pattern_sets().Get("s").status()), "PATTERN_SET_NOT_FOUND");
}

TEST_F(SessionReopenTest, RecoveryTriesAgainAfterLongerAndLongerWaits) {
  {
    World& world = Restart({.checkpoint_interval = milliseconds(1)});
    for (const char* id : {"damaged", "trained"}) {
      const auto session = world.Create(id, SmallSpec());
      ASSERT_TRUE(session->Append({.pattern_set = "s"}, patterns_).ok());
      ASSERT_TRUE(session->StartTrainingRun(Epochs(kEndless, kMomentum)).value()->WaitForReport(2, NeverStop));
    }
  }
  End();
  std::filesystem::resize_file(directory_.PathOf("damaged.session"), 40'000);
  World& world = Restart({.memory_bytes = 1 << 20});
  MemoryCharge others(&world.budget);
  ASSERT_TRUE(others.Grow((1 << 20) - 100, "others").ok());
  auto now = SessionRegistry::Clock::now();
  auto failed = world.registry.Recover(NeverStop, now);
  ASSERT_EQ(failed.size(), 2u);
  EXPECT_TRUE(absl::IsDataLoss(failed["damaged"])) << failed["damaged"];
  EXPECT_EQ(ReasonOf(failed["trained"]), "MEMORY_LIMIT");
  for (const int wait_s : {4, 8, 16, 32, 60, 60}) {
    EXPECT_TRUE(world.registry.Recover(NeverStop, now + std::chrono::seconds(wait_s - 1)).empty());
    now += std::chrono::seconds(wait_s);
    EXPECT_EQ(world.registry.Recover(NeverStop, now).size(), 2u);
  }
  { const MemoryCharge given_back(std::move(others)); }
  EXPECT_EQ(world.registry.Recover(NeverStop, now + std::chrono::seconds(60)).size(), 1u);
  EXPECT_FALSE(HasEnded(world.Get("trained")->GetTrainingRun("run-1").value()->status().state));
}

INSTANTIATE_TEST_SUITE_P(
    ByOptimizer, RunReopenTest,
    testing::Values(kMomentum, TrainingOptions{.batch_size = 3, .step_size = 0.01, .optimizer = Adam{}},
                    TrainingOptions{.step_size = 1, .optimizer = Lbfgs{.history_size = 7}, .weight_decay = 1e-4},
                    TrainingOptions{.step_size = 1, .optimizer = NewtonCg{}, .weight_decay = 1e-4}));

}  // namespace
}  // namespace backprop::server
