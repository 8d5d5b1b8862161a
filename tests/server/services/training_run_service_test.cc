// Training runs over the wire: what is reported, refused and listed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/server/services/training_run_service.h"

namespace backprop::server {
namespace {

TEST_F(TrainingRunServiceTest, ReportsComeInOrderAndNameVersions) {
  const auto run = Run("epoch_count: 5 options { batch_size: 2 }");
  EXPECT_TRUE(run.status.ok()) << run.status.error_message();
  ASSERT_EQ(run.responses.size(), 5u);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(run.responses[i].training_run(), "sessions/a/trainingRuns/run-1");
    EXPECT_EQ(run.responses[i].epoch(), i + 1);
    EXPECT_EQ(run.responses[i].model_version(), i + 1);
    EXPECT_EQ(run.responses[i].pattern_count(), 4);
    EXPECT_TRUE(run.responses[i].has_accuracy());
    EXPECT_FALSE(run.responses[i].has_mean_squared_error());
    EXPECT_FALSE(run.responses[i].has_validation_log_likelihood());
  }
}

TEST_F(TrainingRunServiceTest, ASessionWithoutPatternsHasNoneToTrainOn) {
  Create(server_, "empty", "input_unit_count: 1 output_unit_count: 1 task: 1");
  const std::string request = "session: 'sessions/empty' pattern_set: 's' epoch_count: 1";
  const RpcError error = ErrorOf(Collect(server_.training, &TrainingStub::RunEpochs, request).status);
  EXPECT_EQ(error.code, grpc::FAILED_PRECONDITION);
  EXPECT_EQ(error.reason, "NO_PATTERNS");
  const std::string pattern =
      "patterns { inputs { row_count: 1 column_count: 1 values: 1 } targets { row_count: 1 column_count: 1 values: 1 } "
      "}";
  Append(server_, "session: 'sessions/empty' pattern_set: 's' " + pattern);
  EXPECT_TRUE(Collect(server_.training, &TrainingStub::RunEpochs, request).status.ok());
}

TEST_F(TrainingRunServiceTest, ARunIsDescribedWithDefaultsFilledIn) {
  Run("epoch_count: 2 options { adam {} }");
  const v1::TrainingRun run = Get("run-1");
  EXPECT_EQ(run.state(), v1::TrainingRun::STATE_SUCCEEDED);
  EXPECT_EQ(run.completed_epoch_count(), 2);
  EXPECT_EQ(run.last_report().epoch(), 2);
  EXPECT_EQ(run.options().step_size(), 0.001);
  EXPECT_EQ(run.options().reduction(), v1::REDUCTION_MEAN);
  EXPECT_EQ(run.options().adam().beta2(), 0.999);
  EXPECT_TRUE(run.has_end_time());
  EXPECT_FALSE(run.has_error());
}

TEST_F(TrainingRunServiceTest, ARunOnWholeSetsIsDescribedWithDefaultsFilledIn) {
  Run("epoch_count: 3 options { lbfgs {} }");
  Run("epoch_count: 3 options { newton_cg { gauss_newton: true } }");
  const v1::TrainingRun lbfgs = Get("run-1"), newton_cg = Get("run-2");
  for (const v1::TrainingRun& run : {lbfgs, newton_cg}) {
    EXPECT_EQ(run.state(), v1::TrainingRun::STATE_SUCCEEDED);
    EXPECT_EQ(run.options().step_size(), 1);
    EXPECT_EQ(run.options().batch_size(), 0);
    EXPECT_GT(run.last_report().step_size(), 0);
  }
  EXPECT_EQ(lbfgs.options().lbfgs().history_size(), 10);
  EXPECT_EQ(newton_cg.options().newton_cg().max_product_count(), 100);
  EXPECT_EQ(newton_cg.options().newton_cg().tolerance(), 0.1);
  EXPECT_TRUE(newton_cg.options().newton_cg().gauss_newton());
}

TEST_F(TrainingRunServiceTest, TheNameOfTheRunComesBeforeItsFirstReport) {
  grpc::ClientContext context;
  const auto reader = Start(&context, kManyEpochs);
  reader->WaitForInitialMetadata();
  const auto& metadata = context.GetServerInitialMetadata();
  const auto found = metadata.find("backprop-training-run");
  ASSERT_NE(found, metadata.end());
  EXPECT_EQ(std::string(found->second.data(), found->second.size()), "sessions/a/trainingRuns/run-1");
  EXPECT_EQ(Must(server_.sessions, &SessionStub::GetSession, "name: 'sessions/a'").active_training_run(),
            "sessions/a/trainingRuns/run-1");
  Cancel("run-1");
}

TEST_F(TrainingRunServiceTest, ASecondRunIsRefusedNamingTheFirst) {
  grpc::ClientContext context;
  const auto reader = Start(&context, kManyEpochs);
  reader->WaitForInitialMetadata();
  const auto second = Run("epoch_count: 1");
  const RpcError error = ErrorOf(second.status);
  EXPECT_EQ(error.code, grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(error.reason, "ACTIVE_TRAINING_RUN");
  EXPECT_EQ(error.metadata.at("training_run"), "sessions/a/trainingRuns/run-1");
  EXPECT_THAT(error.message, testing::HasSubstr("sessions/a/trainingRuns/run-1"));
  Cancel("run-1");
  EXPECT_TRUE(Run("epoch_count: 1").status.ok());
}

TEST_F(TrainingRunServiceTest, WhatTrainingForbidsIsRefusedDuringARunAndWorksAfterIt) {
  grpc::ClientContext context;
  const auto reader = Start(&context, kManyEpochs);
  reader->WaitForInitialMetadata();
  const auto parameters = Must(server_.sessions, &SessionStub::GetParameters, "name: 'sessions/a'");
  v1::SetParametersRequest set;
  set.set_name("sessions/a");
  *set.mutable_parameters() = parameters;
  const std::string fit = "session: 'sessions/a' pattern_set: 's'";
  EXPECT_EQ(MustFail(server_.sessions, &SessionStub::SetParameters, set).reason, "ACTIVE_TRAINING_RUN");
  EXPECT_EQ(MustFail(server_.sessions, &SessionStub::FitScaling, fit).reason, "ACTIVE_TRAINING_RUN");
  v1::ApplyGradientRequest apply;
  apply.set_session("sessions/a");
  *apply.mutable_gradient() = parameters;
  EXPECT_EQ(MustFail(server_.training, &TrainingStub::ApplyGradient, apply).reason, "ACTIVE_TRAINING_RUN");
  const auto online = Exchange(server_.training, &TrainingStub::TrainOnline, {Parse<v1::TrainOnlineRequest>(R"pb(
                                 session: 'sessions/a'
                                 pattern_set: 's'
                                 patterns {
                                   inputs {
                                     row_count: 1
                                     column_count: 2
                                     values: [ 0, 0 ]
                                   }
                                   targets { row_count: 1 column_count: 1 values: 0 }
                                 })pb")});
  EXPECT_EQ(ErrorOf(online.responses.at(0).status()).reason, "ACTIVE_TRAINING_RUN");
  EXPECT_EQ(online.responses.at(0).next_offset(), 4);
  // Labels may change all the same.
  Must(server_.sessions, &SessionStub::UpdateSession,
       "session { name: 'sessions/a' labels { key: 'k' value: 'v' } } update_mask { paths: 'labels' }");
  Cancel("run-1");
  Must(server_.sessions, &SessionStub::SetParameters, set);
  Must(server_.sessions, &SessionStub::FitScaling, fit);
  Must(server_.training, &TrainingStub::ApplyGradient, apply);
}

TEST_F(TrainingRunServiceTest, DeletingTheSessionEndsItsRunForWatchers) {
  grpc::ClientContext context;
  const auto reader = Start(&context, kManyEpochs);
  v1::EpochReport report;
  ASSERT_TRUE(reader->Read(&report));
  Must(server_.sessions, &SessionStub::DeleteSession, "name: 'sessions/a'");
  while (reader->Read(&report)) continue;
  const RpcError error = ErrorOf(reader->Finish());
  EXPECT_EQ(error.code, grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(error.reason, "SESSION_NOT_FOUND");
}

TEST_F(TrainingRunServiceTest, ADivergingRunFailsNamingTheEpochAndLeavesFiniteParameters) {
  Create(server_, "r", "input_unit_count: 1 output_unit_count: 1 task: 1");
  Append(server_,
         "session: 'sessions/r' pattern_set: 's' patterns { inputs { row_count: 1 column_count: 1 values: 100 "
         "} targets { row_count: 1 column_count: 1 values: 1 } }");
  const auto run = Collect(server_.training, &TrainingStub::RunEpochs,
                           "session: 'sessions/r' pattern_set: 's' epoch_count: 1000 options { step_size: 100 }");
  const RpcError error = ErrorOf(run.status);
  EXPECT_EQ(error.code, grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(error.reason, "DIVERGED");
  EXPECT_THAT(error.message, testing::HasSubstr(absl::StrCat("in epoch ", run.responses.size() + 1)));
  const auto failed = Must(server_.training, &TrainingStub::GetTrainingRun, "name: 'sessions/r/trainingRuns/run-1'");
  EXPECT_EQ(failed.state(), v1::TrainingRun::STATE_FAILED);
  const auto parameters = Must(server_.sessions, &SessionStub::GetParameters, "name: 'sessions/r'");
  EXPECT_EQ(parameters.model_version(), static_cast<int64_t>(run.responses.size()));
  EXPECT_TRUE(std::isfinite(parameters.layers(0).weights().values(0)));
}

TEST_F(TrainingRunServiceTest, RunsAreListedNewestFirstPageByPage) {
  for (int i = 0; i < 3; ++i) Run("epoch_count: 1");
  const auto first = Must(server_.training, &TrainingStub::ListTrainingRuns, "session: 'sessions/a' page_size: 2");
  ASSERT_EQ(first.training_runs_size(), 2);
  EXPECT_EQ(first.training_runs(0).name(), "sessions/a/trainingRuns/run-3");
  const auto last = Must(server_.training, &TrainingStub::ListTrainingRuns,
                         absl::StrCat("session: 'sessions/a' page_token: '", first.next_page_token(), "'"));
  ASSERT_EQ(last.training_runs_size(), 1);
  EXPECT_EQ(last.training_runs(0).name(), "sessions/a/trainingRuns/run-1");
}

TEST_F(TrainingRunServiceTest, ValidationIsReportedAndEarlyStoppingEndsTheRun) {
  const auto run = Run(
      "validation_pattern_set: 's' epoch_count: 1000 options { early_stopping { patience: 2 min_improvement: 1e9 } }");
  EXPECT_TRUE(run.status.ok()) << run.status.error_message();
  // The first epoch improves on nothing at all, the next two not by a thousand million.
  ASSERT_EQ(run.responses.size(), 3u);
  EXPECT_EQ(run.responses[0].validation_pattern_count(), 4);
  EXPECT_TRUE(run.responses[0].has_validation_mean_log_likelihood());
  EXPECT_TRUE(run.responses[0].has_validation_accuracy());
}

// As a server in a later life: answers are known to their sessions only.
class ForgetfulServerTest : public TrainingRunServiceTest {
 protected:
  ForgetfulServerTest() : TrainingRunServiceTest({.request_log_bytes = 0}) {}
};

TEST_F(ForgetfulServerTest, AnIdOfAnotherRequestCancelsNothing) {
  Must(server_.sessions, &SessionStub::UpdateSession,
       "session { name: 'sessions/a' labels { key: 'k' value: 'v' } } update_mask { paths: 'labels' } request_id: 'x'");
  grpc::ClientContext context;
  const auto reports = Start(&context, kManyEpochs);
  v1::EpochReport report;
  ASSERT_TRUE(reports->Read(&report));
  const RpcError error = MustFail(server_.training, &TrainingStub::CancelTrainingRun,
                                  "name: 'sessions/a/trainingRuns/run-1' request_id: 'x'");
  EXPECT_EQ(error.code, grpc::INVALID_ARGUMENT);
  EXPECT_EQ(Get("run-1").state(), v1::TrainingRun::STATE_RUNNING);
  const std::string cancel = "name: 'sessions/a/trainingRuns/run-1' request_id: 'y'";
  const auto first = Must(server_.training, &TrainingStub::CancelTrainingRun, cancel);
  EXPECT_EQ(first.state(), v1::TrainingRun::STATE_CANCELLED);
  EXPECT_EQ(Must(server_.training, &TrainingStub::CancelTrainingRun, cancel).DebugString(), first.DebugString());
}

}  // namespace
}  // namespace backprop::server
