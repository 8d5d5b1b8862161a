// Training runs over the wire: watching, re-attaching, cancelling.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/server/services/training_run_service.h"

namespace backprop::server {
namespace {

TEST_F(TrainingRunServiceTest, ARunOutlivesItsCall) {
  v1::EpochReport report;
  {
    grpc::ClientContext context;
    const auto reader = Start(&context, kManyEpochs);
    ASSERT_TRUE(reader->Read(&report));
    context.TryCancel();
    EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  // The run goes on: another caller sees epochs beyond those that the first one read.
  grpc::ClientContext context;
  context.set_deadline(Deadline());
  v1::WatchTrainingRunRequest request;
  request.set_name(report.training_run());
  request.set_after_epoch(report.epoch() + 100);
  const auto watcher = server_.training->WatchTrainingRun(&context, request);
  v1::EpochReport later;
  ASSERT_TRUE(watcher->Read(&later));
  EXPECT_EQ(later.epoch(), report.epoch() + 101);
  Cancel("run-1");
}

TEST_F(TrainingRunServiceTest, ReattachingAfterAnEpochHasNoGapAndNoRepeat) {
  std::vector<int64_t> epochs;
  for (int part = 0; part < 10; ++part) {
    grpc::ClientContext context;
    context.set_deadline(Deadline());
    v1::WatchTrainingRunRequest request;
    request.set_name("sessions/a/trainingRuns/run-1");
    request.set_after_epoch(static_cast<int64_t>(epochs.size()));
    const auto reader =
        part == 0 ? Start(&context, kManyEpochs) : server_.training->WatchTrainingRun(&context, request);
    for (int i = 0; i < 7; ++i) {
      v1::EpochReport report;
      ASSERT_TRUE(reader->Read(&report));
      epochs.push_back(report.epoch());
    }
    context.TryCancel();
    reader->Finish();
  }
  Cancel("run-1");
  for (size_t i = 0; i < epochs.size(); ++i) EXPECT_EQ(epochs[i], static_cast<int64_t>(i) + 1);
}

TEST_F(TrainingRunServiceTest, WatchingAnEndedRunAnswersItsPastAndItsEnd) {
  Run("epoch_count: 4");
  const auto watched = Collect(server_.training, &TrainingStub::WatchTrainingRun,
                               "name: 'sessions/a/trainingRuns/run-1' after_epoch: 2");
  EXPECT_TRUE(watched.status.ok());
  ASSERT_EQ(watched.responses.size(), 2u);
  EXPECT_EQ(watched.responses[0].epoch(), 3);
}

TEST_F(TrainingRunServiceTest, WatchingAfterTheLastEpochJustEnds) {
  Run("epoch_count: 1");
  const auto watched = Collect(server_.training, &TrainingStub::WatchTrainingRun,
                               "name: 'sessions/a/trainingRuns/run-1' after_epoch: 9223372036854775807");
  EXPECT_TRUE(watched.status.ok());
  EXPECT_TRUE(watched.responses.empty());
}

TEST_F(TrainingRunServiceTest, CancelAnswersTheRunThatHasStopped) {
  grpc::ClientContext context;
  const auto reader = Start(&context, kManyEpochs);
  v1::EpochReport report;
  ASSERT_TRUE(reader->Read(&report));
  const v1::TrainingRun run = Cancel("run-1");
  EXPECT_EQ(run.state(), v1::TrainingRun::STATE_CANCELLED);
  EXPECT_EQ(ErrorOf(run.error()).reason, "TRAINING_RUN_CANCELLED");
  while (reader->Read(&report)) continue;
  const RpcError error = ErrorOf(reader->Finish());
  EXPECT_EQ(error.code, grpc::StatusCode::CANCELLED);
  EXPECT_EQ(error.reason, "TRAINING_RUN_CANCELLED");
  EXPECT_EQ(run.completed_epoch_count(), report.epoch());
  EXPECT_EQ(Must(server_.sessions, &SessionStub::GetSession, "name: 'sessions/a'").model_version(), report.epoch());
}

TEST_F(TrainingRunServiceTest, CancellingAnEndedRunAnswersItAsItIs) {
  Run("epoch_count: 1");
  EXPECT_EQ(Cancel("run-1").state(), v1::TrainingRun::STATE_SUCCEEDED);
}

}  // namespace
}  // namespace backprop::server
