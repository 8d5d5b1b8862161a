#include <gtest/gtest.h>

#include "client/cli/names.h"
#include "tests/client/fake_pattern_server.h"

namespace backprop::client {
namespace {

TEST(CliNamesTest, IdsAndFullNamesMeanTheSameSession) {
  EXPECT_EQ(SessionName("x"), "sessions/x");
  EXPECT_EQ(SessionName("sessions/x"), "sessions/x");
  EXPECT_EQ(SessionId("x"), "x");
  EXPECT_EQ(SessionId("sessions/x"), "x");
  EXPECT_EQ(PatternSetName("x", "training"), "sessions/x/patternSets/training");
}

class FakeActiveRuns final : public v1::SessionService::Service {
 public:
  std::string active_training_run;

  grpc::Status GetSession(grpc::ServerContext*, const v1::GetSessionRequest* request, v1::Session* session) override {
    session->set_name(request->name());
    session->set_active_training_run(active_training_run);
    return grpc::Status::OK;
  }
};

class FakeRuns final : public v1::TrainingService::Service {
 public:
  bool any = true;

  grpc::Status ListTrainingRuns(grpc::ServerContext*, const v1::ListTrainingRunsRequest* request,
                                v1::ListTrainingRunsResponse* response) override {
    if (any) response->add_training_runs()->set_name(request->session() + "/trainingRuns/newest");
    return grpc::Status::OK;
  }
};

class FindTrainingRunTest : public testing::Test {
 protected:
  FakeActiveRuns sessions_;
  FakeRuns runs_;
  FakePatternStore store_;
  FakeServer server_{store_, 0, {&sessions_, &runs_}};
  Client client_{server_.address()};
};

TEST_F(FindTrainingRunTest, FullNameIsTheRun) {
  EXPECT_EQ(FindTrainingRun(client_, "sessions/x/trainingRuns/r").value_or(""), "sessions/x/trainingRuns/r");
}

TEST_F(FindTrainingRunTest, SessionMeansItsActiveRun) {
  sessions_.active_training_run = "sessions/x/trainingRuns/active";
  EXPECT_EQ(FindTrainingRun(client_, "x").value_or(""), "sessions/x/trainingRuns/active");
}

TEST_F(FindTrainingRunTest, SessionAtRestMeansItsNewestRun) {
  EXPECT_EQ(FindTrainingRun(client_, "x").value_or(""), "sessions/x/trainingRuns/newest");
}

TEST_F(FindTrainingRunTest, SessionWithoutRunsIsNotFound) {
  runs_.any = false;
  EXPECT_EQ(FindTrainingRun(client_, "x").status(), absl::NotFoundError("sessions/x has no training run"));
}

}  // namespace
}  // namespace backprop::client
