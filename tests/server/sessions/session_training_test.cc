// Training runs of sessions: one at a time, on the patterns as they were, cancelled within a batch.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "core/error.h"
#include "core/initial_parameters.h"
#include "tests/server/scheduling/gate.h"
#include "tests/server/sessions/failing_store.h"
#include "tests/server/sessions/session_world.h"
#include "tests/support/run_trainer.h"

namespace backprop::server {
namespace {

class SessionTrainingTest : public testing::Test {
 protected:
  SessionTrainingTest() { EXPECT_TRUE(session_->Append({.pattern_set = "s", .offset = 0}, patterns_).ok()); }

  std::shared_ptr<TrainingRun> Start(const TrainingRunRequest& request) {
    return session_->StartTrainingRun(request).value();
  }
  TrainingRun::Status RunToEnd(const TrainingRunRequest& request) {
    const auto run = Start(request);
    EXPECT_TRUE(run->WaitForEnd(NeverStop));
    return run->status();
  }

  World world_;
  const Patterns<double> patterns_ = SmallPatterns(20);
  const std::shared_ptr<Session<double>> session_ = world_.Create("a", SmallSpec());
};

TEST_F(SessionTrainingTest, ARunPublishesTheTrainersParametersEveryEpoch) {
  const TrainingOptions options{.batch_size = 3, .optimizer = Adam{}, .shuffle = true, .seed = 4};
  PatternSequence<double> sequence(2, 1);
  sequence.Append(patterns_);
  const FinishedRun<double> expected = backprop::RunToEnd(TrainingTask<double>{SmallSpec(), {}, options, 5, sequence},
                                                          InitialParameters<double>(SmallSpec()));
  EXPECT_EQ(RunToEnd(Epochs(5, options)).state, RunState::kSucceeded);
  for (int epoch = 1; epoch <= 5; ++epoch) {
    EXPECT_EQ(session_->model_versions().Get(epoch).value()->parameters, expected.parameters[epoch - 1]);
  }
}

TEST_F(SessionTrainingTest, OneRunAtATimeAndTheErrorNamesIt) {
  const auto run = Start(Epochs(kEndless));
  EXPECT_EQ(session_->state().active_training_run, "run-1");
  const absl::Status status = session_->StartTrainingRun(Epochs(1)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(status), "ACTIVE_TRAINING_RUN");
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("sessions/a/trainingRuns/run-1"));
  run->Cancel(CancelledByTest());
  EXPECT_TRUE(run->WaitForEnd(NeverStop));
  EXPECT_EQ(session_->state().active_training_run, "");
  EXPECT_EQ(RunToEnd(Epochs(1)).state, RunState::kSucceeded);
}

TEST_F(SessionTrainingTest, ChangesThatWouldDisturbARunAreRefusedAndOthersAreNot) {
  const auto run = Start(Epochs(kEndless));
  const Parameters<double> parameters = InitialParameters<double>(SmallSpec());
  const Scaling scaling{Vector<double>::Ones(2), Vector<double>::Ones(2)};
  for (const absl::Status& status :
       {session_->SetParameters(parameters).status(), session_->FitScaling("s", ScalingMethod::kMinMax),
        session_->Update({.input_scaling = scaling}),
        session_->TrainOnline({.pattern_set = "s", .offset = {}}, SmallPatterns(1), {}).status(),
        session_->ApplyGradient(parameters, {}, {}).status()}) {
    EXPECT_EQ(ReasonOf(status), "ACTIVE_TRAINING_RUN");
  }
  EXPECT_TRUE(session_->Update({.labels = Labels{{"k", "v"}}}).ok());
  EXPECT_TRUE(session_->Append({.pattern_set = "s", .offset = 20}, SmallPatterns(1)).ok());
  EXPECT_TRUE(session_->DeletePatternSet("s").ok());
  run->Cancel(CancelledByTest());
  EXPECT_TRUE(run->WaitForEnd(NeverStop));
}

TEST_F(SessionTrainingTest, ARunTrainsOnThePatternsThatTheSetHeldWhenItStarted) {
  const auto run = Start(Epochs(200));
  for (int64_t i = 0; i < 50; ++i) {
    ASSERT_TRUE(session_->Append({.pattern_set = "s", .offset = 20 + 7 * i}, SmallPatterns(7, i)).ok());
  }
  ASSERT_TRUE(session_->DeletePatternSet("s").ok());
  EXPECT_TRUE(run->WaitForEnd(NeverStop));
  for (int64_t epoch = 0; epoch < 200; ++epoch) {
    EXPECT_EQ(run->WaitForReport(epoch, NeverStop)->training.pattern_count, 20);
  }
  const auto alone = world_.Create("b", SmallSpec());
  ASSERT_TRUE(alone->Append({.pattern_set = "s", .offset = 0}, patterns_).ok());
  EXPECT_TRUE(alone->StartTrainingRun(Epochs(200)).value()->WaitForEnd(NeverStop));
  EXPECT_EQ(session_->model_versions().Latest()->parameters, alone->model_versions().Latest()->parameters);
}

TEST_F(SessionTrainingTest, ACancelledRunKeepsItsEpochsAndItsReason) {
  const auto run = Start(Epochs(kEndless));
  ASSERT_TRUE(run->WaitForReport(3, NeverStop).has_value());
  run->Cancel(CancelledByTest());
  EXPECT_TRUE(run->WaitForEnd(NeverStop));
  const TrainingRun::Status status = run->status();
  EXPECT_EQ(status.state, RunState::kCancelled);
  EXPECT_EQ(status.error, CancelledByTest());
  EXPECT_EQ(session_->state().model_version, status.completed_epoch_count);
}

TEST_F(SessionTrainingTest, CancellingStopsWithinABatchEvenIfItIsTheWholeSet) {
  // 65,536 patterns through 1.6 million parameters: an epoch takes a minute here, a chunk of it a fraction of a second.
  World world({.worker_count = 1});
  const NetworkSpec spec = MakeSpec({.input_unit_count = 2,
                                     .hidden_layers = {{1250, Activation::kTanh}, {1250, Activation::kTanh}},
                                     .output_unit_count = 1,
                                     .precision = Precision::kFloat64});
  const auto session = world.Create("big", spec);
  ASSERT_TRUE(session->Append({.pattern_set = "s", .offset = 0}, SmallPatterns(kMaxPatternsPerBatch)).ok());
  const auto run = session->StartTrainingRun(Epochs(1)).value();
  while (run->status().state != RunState::kRunning) std::this_thread::yield();
  run->Cancel(CancelledByTest());
  EXPECT_TRUE(run->WaitForEnd(NeverStop));
  EXPECT_EQ(run->status().state, RunState::kCancelled);
  EXPECT_EQ(run->status().completed_epoch_count, 0);
  EXPECT_EQ(session->state().model_version, 0);
}

TEST_F(SessionTrainingTest, AQueuedRunKnowsItsPositionAndCanBeCancelled) {
  World world({.worker_count = 1});
  Gate gate;
  std::jthread holder([&] { EXPECT_TRUE(world.workers.RunAndWait([&] { gate.Pass(); }).ok()); });
  gate.WaitUntilReached();
  std::vector<std::shared_ptr<TrainingRun>> runs;
  for (const char* id : {"a", "b"}) {
    const auto session = world.Create(id, SmallSpec());
    ASSERT_TRUE(session->Append({.pattern_set = "s", .offset = 0}, patterns_).ok());
    runs.push_back(session->StartTrainingRun(Epochs(1)).value());
  }
  EXPECT_EQ(runs[0]->queue_position(), 0);
  EXPECT_EQ(runs[1]->queue_position(), 1);
  runs[1]->Cancel(CancelledByTest());
  gate.Open();
  EXPECT_TRUE(runs[0]->WaitForEnd(NeverStop));
  EXPECT_TRUE(runs[1]->WaitForEnd(NeverStop));
  EXPECT_EQ(runs[0]->status().state, RunState::kSucceeded);
  EXPECT_EQ(runs[1]->status().state, RunState::kCancelled);
}

TEST_F(SessionTrainingTest, DeletionDuringARunCancelsItWithTheReason) {
  const auto run = Start(Epochs(kEndless));
  ASSERT_TRUE(run->WaitForReport(0, NeverStop).has_value());
  ASSERT_TRUE(world_.registry.Delete("a").ok());
  EXPECT_TRUE(run->WaitForEnd(NeverStop));
  EXPECT_EQ(run->status().state, RunState::kCancelled);
  EXPECT_EQ(ReasonOf(run->status().error), "SESSION_NOT_FOUND");
}

TEST_F(SessionTrainingTest, ShutdownCancelsTheRun) {
  const auto run = Start(Epochs(kEndless));
  ASSERT_TRUE(run->WaitForReport(0, NeverStop).has_value());
  world_.workers.Shutdown();
  EXPECT_TRUE(run->WaitForEnd(NeverStop));
  EXPECT_EQ(run->status().error.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ReasonOf(session_->StartTrainingRun(Epochs(1)).status()), "SHUTTING_DOWN");
  EXPECT_EQ(session_->state().active_training_run, "");
}

TEST_F(SessionTrainingTest, AFullQueueLeavesNoTraceOfTheRun) {
  World world({.worker_count = 1, .queue_limit = 1});
  const auto session = world.Create("a", SmallSpec());
  ASSERT_TRUE(session->Append({.pattern_set = "s", .offset = 0}, patterns_).ok());
  Gate gate;
  std::jthread holder([&] { EXPECT_TRUE(world.workers.RunAndWait([&] { gate.Pass(); }).ok()); });
  gate.WaitUntilReached();
  const int64_t used = world.budget.used_bytes();
  EXPECT_EQ(ReasonOf(session->StartTrainingRun(Epochs(1)).status()), "TRAINING_QUEUE_FULL");
  EXPECT_TRUE(session->ListTrainingRuns().empty());
  EXPECT_EQ(world.budget.used_bytes(), used);
  gate.Open();
  holder.join();
  EXPECT_EQ(session->StartTrainingRun(Epochs(1)).value()->id(), "run-1");
}

TEST_F(SessionTrainingTest, ARunThatHasEndedHasGivenBackItsPlaceAndItsMemory) {
  World world({.worker_count = 2, .queue_limit = 1});
  const auto session = world.Create("a", SmallSpec());
  ASSERT_TRUE(session->Append({.pattern_set = "s", .offset = 0}, patterns_).ok());
  const int64_t used = world.budget.used_bytes();
  for (int i = 1; i <= 50; ++i) {
    const auto run = session->StartTrainingRun(Epochs(1));
    ASSERT_TRUE(run.ok()) << run.status();
    EXPECT_TRUE((*run)->WaitForEnd(NeverStop));
    // Its reports, and its best version.
    const int64_t kept_bytes = int64_t{sizeof(EpochReport)} + SmallSpec().parameter_count() * int64_t{sizeof(double)};
    EXPECT_EQ(world.budget.used_bytes(), used + i * kept_bytes);
  }
}

TEST_F(SessionTrainingTest, ADivergingRunFailsNamingTheEpochAndLeavesTheLastFiniteParameters) {
  const TrainingRun::Status status = RunToEnd(Epochs(100, {.reduction = Reduction::kSum, .step_size = 1e150}));
  EXPECT_EQ(status.state, RunState::kFailed);
  EXPECT_EQ(ReasonOf(status.error), "DIVERGED");
  EXPECT_THAT(std::string(status.error.message()),
              testing::HasSubstr(absl::StrCat("in epoch ", status.completed_epoch_count + 1)));
  EXPECT_TRUE(session_->model_versions().Latest()->parameters.flat().allFinite());
  EXPECT_EQ(session_->state().model_version, status.completed_epoch_count);
}

TEST_F(SessionTrainingTest, EarlyStoppingRestoresTheBestEpochsParameters) {
  // A step so large that training soon makes things worse.
  ASSERT_TRUE(session_->Append({.pattern_set = "v", .offset = 0}, SmallPatterns(10, /*seed=*/2)).ok());
  TrainingRunRequest request = Epochs(
      6,
      {.step_size = 4, .early_stopping = EarlyStopping{.patience = 100, .min_improvement = 0, .restore_best = true}});
  request.validation_pattern_set = "v";
  const TrainingRun::Status status = RunToEnd(request);
  ASSERT_EQ(status.state, RunState::kSucceeded);
  EXPECT_EQ(status.last_report->validation->pattern_count, 10);
  const auto& versions = session_->model_versions();
  const int64_t best = status.best_report->epoch;
  const Parameters<double>& latest = versions.Latest()->parameters;
  EXPECT_EQ(latest, versions.Get(best).value()->parameters);
  ASSERT_NE(best, 6);
  EXPECT_EQ(versions.Latest()->model_version, 7);
  EXPECT_EQ(TrainingRun::FinalModelVersion(request, status), 7);
  request.options.early_stopping->restore_best = false;
  EXPECT_EQ(TrainingRun::FinalModelVersion(request, status), 6);
  EXPECT_EQ(TrainingRun::FinalModelVersion(request, {}), 0);
}

TEST_F(SessionTrainingTest, TheNewest64RunsAreKept) {
  for (int i = 0; i < 65; ++i) RunToEnd(Epochs(1));
  EXPECT_EQ(session_->ListTrainingRuns().size(), 64u);
  EXPECT_EQ(session_->ListTrainingRuns().front()->id(), "run-65");
  EXPECT_TRUE(session_->GetTrainingRun("run-2").ok());
  EXPECT_EQ(ReasonOf(session_->GetTrainingRun("run-1").status()), "TRAINING_RUN_NOT_FOUND");
}

}  // namespace
}  // namespace backprop::server
