// Limits of what is listed, kept and named: each at the limit, and one past it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "tests/server/services/test_server.h"

namespace backprop::server {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr char kTinyNetwork[] = "input_unit_count: 1 output_unit_count: 1 task: 1 ";
constexpr char kPattern[] =
    "patterns { inputs { row_count: 1 column_count: 1 values: 1 } targets { row_count: 1 column_count: 1 values: 1 } }";

TEST(ListingLimitsTest, APageHasAtMost1000SessionsHoweverManyAreAskedFor) {
  TestServer server({.max_sessions = 1002});
  for (int i = 0; i <= 1000; ++i) Create(server, absl::StrCat("s", i), kTinyNetwork);
  for (const int page_size : {1000, 1001, 2'147'483'647}) {
    const std::string request = absl::StrCat("page_size: ", page_size);
    const auto page = Must(server.sessions, &SessionStub::ListSessions, request);
    EXPECT_EQ(page.sessions_size(), 1000);
    const auto rest = Must(server.sessions, &SessionStub::ListSessions,
                           absl::StrCat(request, " page_token: '", page.next_page_token(), "'"));
    EXPECT_EQ(rest.sessions_size(), 1);
    EXPECT_THAT(rest.next_page_token(), IsEmpty());
  }
  EXPECT_EQ(Must(server.sessions, &SessionStub::ListSessions, "").sessions_size(), 100);
}

TEST(ListingLimitsTest, TheNewest64TrainingRunsAreKept) {
  TestServer server;
  Create(server, "a", kTinyNetwork);
  Append(server, absl::StrCat("session: 'sessions/a' pattern_set: 's' ", kPattern));
  const auto train = [&] {
    const auto run =
        Collect(server.training, &TrainingStub::RunEpochs, "session: 'sessions/a' pattern_set: 's' epoch_count: 1");
    ASSERT_TRUE(run.status.ok()) << run.status.error_message();
  };
  const auto kept = [&] {
    return Must(server.training, &TrainingStub::ListTrainingRuns, "session: 'sessions/a'").training_runs_size();
  };
  for (int i = 0; i < 64; ++i) train();
  EXPECT_EQ(kept(), 64);
  Must(server.training, &TrainingStub::GetTrainingRun, "name: 'sessions/a/trainingRuns/run-1'");
  train();
  EXPECT_EQ(kept(), 64);
  EXPECT_EQ(MustFail(server.training, &TrainingStub::GetTrainingRun, "name: 'sessions/a/trainingRuns/run-1'").reason,
            "TRAINING_RUN_NOT_FOUND");
}

TEST(ListingLimitsTest, AtMost32ModelVersionsArePinned) {
  TestServer server;
  Create(server, "a", kTinyNetwork);
  const std::string set =
      "name: 'sessions/a' parameters { layers { weights { row_count: 1 column_count: 1 values: 1 } biases { "
      "row_count: 1 column_count: 1 values: 1 } } }";
  std::string pinned;
  const auto pin = [&](int version) {
    absl::StrAppend(&pinned, " pinned_model_versions: ", version);
    return "session { name: 'sessions/a'" + pinned + " } update_mask { paths: 'pinned_model_versions' }";
  };
  for (int version = 0; version < 32; ++version) {
    const auto session = Must(server.sessions, &SessionStub::UpdateSession, pin(version));
    EXPECT_EQ(session.pinned_model_versions_size(), version + 1);
    Must(server.sessions, &SessionStub::SetParameters, set);
  }
  EXPECT_THAT(MustFail(server.sessions, &SessionStub::UpdateSession, pin(32)).fields,
              ElementsAre("session.pinned_model_versions"));
  Must(server.sessions, &SessionStub::GetParameters, "name: 'sessions/a' model_version: 0");
}

TEST(ListingLimitsTest, ASessionHasAtMost64LabelsAndOutputNamesAtMost255Bytes) {
  TestServer server;
  std::string labels;
  for (int i = 0; i < 64; ++i) absl::StrAppend(&labels, "labels { key: 'k", i, "' value: 'v' } ");
  const std::string name(255, 'n');
  const std::string request =
      absl::StrCat("session_id: 'a' session { ", labels, "network { ", kTinyNetwork, "output_names: '", name, "' } }");
  const auto session = Must(server.sessions, &SessionStub::CreateSession, request);
  EXPECT_EQ(session.labels_size(), 64);
  EXPECT_THAT(session.network().output_names(), ElementsAre(name));
  // One past is in the table of bad requests.
}

TEST(ListingLimitsTest, AConfusionMatrixHasAtMost1024Classes) {
  TestServer server;
  for (const int classes : {1024, 1025}) {
    const std::string id = absl::StrCat("c", classes);
    Create(server, id, absl::StrCat("input_unit_count: 1 output_unit_count: ", classes, " task: 3"));
    const auto measures = Must(server.evaluations, &EvaluationStub::Evaluate,
                               absl::StrCat("session: 'sessions/", id,
                                            "' patterns { inputs { row_count: 1 "
                                            "column_count: 1 values: 1 } target_classes: ",
                                            classes - 1, " }"));
    EXPECT_TRUE(measures.has_accuracy());
    EXPECT_EQ(measures.confusion_matrix().row_count(), classes == 1024 ? 1024 : 0);
  }
}

}  // namespace
}  // namespace backprop::server
