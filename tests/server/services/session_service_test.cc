// SessionService over the wire: what good requests do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/server/services/test_server.h"

namespace backprop::server {
namespace {

using testing::ElementsAre;

constexpr char kTwoThreeOne[] = "input_unit_count: 2 hidden_layers { unit_count: 3 } output_unit_count: 1 task: 1";

// Ids of the sessions on a page.
std::vector<std::string> NamesOf(const v1::ListSessionsResponse& page) {
  std::vector<std::string> names;
  for (const v1::Session& session : page.sessions()) names.push_back(session.name());
  return names;
}

TEST(SessionServiceTest, CreateAnswersTheSessionWithItsDefaults) {
  TestServer server;
  const v1::Session session = Must(
      server.sessions, &SessionStub::CreateSession,
      absl::StrCat("session_id: 'a' session { network { ", kTwoThreeOne, " } labels { key: 'team' value: 'blue' } }"));
  EXPECT_EQ(session.name(), "sessions/a");
  EXPECT_EQ(session.parameter_count(), 2 * 3 + 3 + 3 + 1);
  EXPECT_EQ(session.model_version(), 0);
  EXPECT_EQ(session.network().precision(), v1::PRECISION_FLOAT32);
  EXPECT_EQ(session.network().hidden_layers(0).activation(), v1::ACTIVATION_LOGISTIC);
  EXPECT_EQ(session.network().initial_weights().distribution(), v1::InitialWeights::DISTRIBUTION_GLOROT_UNIFORM);
  EXPECT_EQ(session.labels().at("team"), "blue");
  EXPECT_EQ(session.active_training_run(), "");
  EXPECT_GT(session.create_time().seconds(), 0);
}

TEST(SessionServiceTest, GetAnswersWhatCreateAnswered) {
  TestServer server;
  const v1::Session created = Create(server, "a", kTwoThreeOne);
  const v1::Session got = Must(server.sessions, &SessionStub::GetSession, "name: 'sessions/a'");
  EXPECT_EQ(got.DebugString(), created.DebugString());
}

TEST(SessionServiceTest, ListGoesInOrderOfNamePageByPage) {
  TestServer server;
  for (const char* id : {"c", "a", "d", "b", "e"}) Create(server, id, kTwoThreeOne);
  const auto first = Must(server.sessions, &SessionStub::ListSessions, "page_size: 2");
  EXPECT_THAT(NamesOf(first), ElementsAre("sessions/a", "sessions/b"));
  const auto second = Must(server.sessions, &SessionStub::ListSessions,
                           absl::StrCat("page_size: 2 page_token: '", first.next_page_token(), "'"));
  EXPECT_THAT(NamesOf(second), ElementsAre("sessions/c", "sessions/d"));
  const auto last = Must(server.sessions, &SessionStub::ListSessions,
                         absl::StrCat("page_size: 2 page_token: '", second.next_page_token(), "'"));
  EXPECT_THAT(NamesOf(last), ElementsAre("sessions/e"));
  EXPECT_EQ(last.next_page_token(), "");
}

TEST(SessionServiceTest, AFullLastPageHasNoNextToken) {
  TestServer server;
  for (const char* id : {"a", "b"}) Create(server, id, kTwoThreeOne);
  EXPECT_EQ(Must(server.sessions, &SessionStub::ListSessions, "page_size: 2").next_page_token(), "");
}

TEST(SessionServiceTest, APageOfSessionsWithLongNamesEndsEarly) {
  TestServer server;
  // About 8 MiB of names each, in pages of 16 MiB.
  v1::CreateSessionRequest request =
      Parse<v1::CreateSessionRequest>("session { network { input_unit_count: 1 output_unit_count: 32768 task: 3 } }");
  for (int i = 0; i < 32768; ++i) {
    request.mutable_session()->mutable_network()->add_output_names(absl::StrCat(i, std::string(245, 'n')));
  }
  for (const char* id : {"a", "b", "c"}) {
    request.set_session_id(id);
    Must(server.sessions, &SessionStub::CreateSession, request);
  }
  const auto first = Must(server.sessions, &SessionStub::ListSessions, "");
  EXPECT_THAT(NamesOf(first), ElementsAre("sessions/a", "sessions/b"));
  const auto last =
      Must(server.sessions, &SessionStub::ListSessions, absl::StrCat("page_token: '", first.next_page_token(), "'"));
  EXPECT_THAT(NamesOf(last), ElementsAre("sessions/c"));
}

TEST(SessionServiceTest, ListFiltersByLabels) {
  TestServer server;
  const auto create = [&](const char* id, const char* labels) {
    Must(server.sessions, &SessionStub::CreateSession,
         absl::StrCat("session_id: '", id, "' session { network { ", kTwoThreeOne, " } ", labels, " }"));
  };
  create("a", "labels { key: 'team' value: 'blue' } labels { key: 'stage' value: 'x=y' }");
  create("b", "labels { key: 'team' value: 'blue' }");
  create("c", "labels { key: 'team' value: 'red' }");
  EXPECT_THAT(NamesOf(Must(server.sessions, &SessionStub::ListSessions, "filter: 'labels.team=blue'")),
              ElementsAre("sessions/a", "sessions/b"));
  EXPECT_THAT(
      NamesOf(Must(server.sessions, &SessionStub::ListSessions, "filter: 'labels.team=blue AND labels.stage=x=y'")),
      ElementsAre("sessions/a"));
}

TEST(SessionServiceTest, UpdateChangesWhatTheMaskNamesAndNothingElse) {
  TestServer server;
  Must(server.sessions, &SessionStub::CreateSession,
       absl::StrCat("session_id: 'a' session { network { ", kTwoThreeOne, " } labels { key: 'k' value: 'v' } }"));
  const v1::Session session = Must(server.sessions, &SessionStub::UpdateSession, R"pb(
    session {
      name: 'sessions/a'
      labels { key: 'k' value: 'other' }
      input_scaling {
        offset: [ 1, 2 ]
        scale: [ 0.5, 4 ]
      }
      target_scaling { offset: 3 scale: 2 }
      network { input_unit_count: 77 output_names: 'height' }
    }
    update_mask { paths: [ 'input_scaling', 'network.output_names' ] })pb");
  EXPECT_EQ(session.labels().at("k"), "v");
  EXPECT_THAT(session.input_scaling().scale(), ElementsAre(0.5, 4));
  EXPECT_FALSE(session.has_target_scaling());
  EXPECT_EQ(session.network().input_unit_count(), 2);
  EXPECT_THAT(session.network().output_names(), ElementsAre("height"));
}

TEST(SessionServiceTest, UpdateWithAnEmptyFieldRemovesIt) {
  TestServer server;
  Must(server.sessions, &SessionStub::CreateSession,
       absl::StrCat("session_id: 'a' session { network { ", kTwoThreeOne, " } labels { key: 'k' value: 'v' } ",
                    "input_scaling { offset: [1, 2] scale: [1, 1] } }"));
  const v1::Session session = Must(server.sessions, &SessionStub::UpdateSession,
                                   "session { name: 'sessions/a' } update_mask { paths: ['labels', 'input_scaling'] }");
  EXPECT_EQ(session.labels_size(), 0);
  EXPECT_FALSE(session.has_input_scaling());
}

TEST(SessionServiceTest, SetParametersPublishesTheBitsGiven) {
  TestServer server;
  Create(server, "a", "input_unit_count: 2 output_unit_count: 1 task: 1");
  const auto set = Must(server.sessions, &SessionStub::SetParameters, R"pb(
    name: 'sessions/a'
    parameters {
      layers {
        weights {
          row_count: 1
          column_count: 2
          values: [ 0.1, -2.5 ]
        }
        biases { row_count: 1 column_count: 1 values: 1e-30 }
      }
    })pb");
  EXPECT_EQ(set.model_version(), 1);
  const auto got = Must(server.sessions, &SessionStub::GetParameters, "name: 'sessions/a'");
  EXPECT_EQ(got.DebugString(), set.DebugString());
  EXPECT_THAT(got.layers(0).weights().values(), ElementsAre(0.1f, -2.5f));
  EXPECT_THAT(got.layers(0).biases().values(), ElementsAre(1e-30f));
}

TEST(SessionServiceTest, CopyHasTheSourcesContentAtVersion0) {
  TestServer server;
  Create(server, "a", kTwoThreeOne);
  Append(server,
         "session: 'sessions/a' pattern_set: 's' patterns { inputs { row_count: 1 column_count: 2 values: [1, "
         "2] } targets { row_count: 1 column_count: 1 values: 3 } }");
  Must(server.sessions, &SessionStub::FitScaling, "session: 'sessions/a' pattern_set: 's'");
  Collect(server.training, &TrainingStub::RunEpochs, "session: 'sessions/a' pattern_set: 's' epoch_count: 3");
  const v1::Session copy = Must(server.sessions, &SessionStub::CopySession, "name: 'sessions/a' session_id: 'b'");
  EXPECT_EQ(copy.name(), "sessions/b");
  EXPECT_EQ(copy.model_version(), 0);
  EXPECT_THAT(copy.input_scaling().offset(), ElementsAre(1, 2));
  auto source = Must(server.sessions, &SessionStub::GetParameters, "name: 'sessions/a'");
  source.set_model_version(0);
  EXPECT_EQ(Must(server.sessions, &SessionStub::GetParameters, "name: 'sessions/b'").DebugString(),
            source.DebugString());
  EXPECT_EQ(Must(server.patterns, &PatternStub::GetPatternSet, "name: 'sessions/b/patternSets/s'").pattern_count(), 1);
  EXPECT_EQ(Must(server.training, &TrainingStub::ListTrainingRuns, "session: 'sessions/b'").training_runs_size(), 0);
}

TEST(SessionServiceTest, FitScalingMinMaxMapsTheRangeToZeroToOne) {
  TestServer server;
  Create(server, "a", kTwoThreeOne);
  Append(server,
         "session: 'sessions/a' pattern_set: 's' patterns { inputs { row_count: 2 column_count: 2 values: [1, 7, "
         "5, 7] } targets { row_count: 2 column_count: 1 values: [-2, 8] } }");
  const v1::Session session =
      Must(server.sessions, &SessionStub::FitScaling, "session: 'sessions/a' pattern_set: 's' method: METHOD_MIN_MAX");
  EXPECT_THAT(session.input_scaling().offset(), ElementsAre(1, 7));
  EXPECT_THAT(session.input_scaling().scale(), ElementsAre(0.25, 1));
  EXPECT_THAT(session.target_scaling().offset(), ElementsAre(-2));
  EXPECT_THAT(session.target_scaling().scale(), ElementsAre(0.1));
  EXPECT_EQ(session.model_version(), 0);
}

TEST(SessionServiceTest, ADeletedSessionIsGoneAndItsIdFree) {
  TestServer server;
  Create(server, "a", kTwoThreeOne);
  Must(server.sessions, &SessionStub::DeleteSession, "name: 'sessions/a'");
  EXPECT_EQ(MustFail(server.sessions, &SessionStub::GetSession, "name: 'sessions/a'").reason, "SESSION_NOT_FOUND");
  EXPECT_EQ(Create(server, "a", kTwoThreeOne).model_version(), 0);
}

}  // namespace
}  // namespace backprop::server
