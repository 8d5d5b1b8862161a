// What holds for calls of every service: retries by request id, unknown fields, errors that arrive whole, health,
// reflection.
#include <gmock/gmock.h>
#include <google/protobuf/unknown_field_set.h>
#include <grpc/grpc.h>
#include <gtest/gtest.h>

#include <new>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/server/services/raw_call.h"
#include "tests/server/services/test_server.h"

namespace backprop::server {
namespace {

constexpr char kLinearUnit[] = "network { input_unit_count: 1 output_unit_count: 1 task: 1 precision: 2 }";

class RequestsTest : public testing::Test {
 protected:
  RequestsTest() {
    for (const char* id : {"a", "b"}) {
      Must(server_.sessions, &SessionStub::CreateSession,
           absl::StrCat("session_id: '", id, "' session { ", kLinearUnit, "}"));
      Append(server_,
             absl::StrCat("session: 'sessions/", id,
                          "' pattern_set: 's' patterns { inputs { row_count: 2 column_count: 1 values: [1, 2] } "
                          "targets { row_count: 2 column_count: 1 values: [3, 5] } }"));
    }
  }

  // Calls a method twice with the same text and request id; the answers must be the same, and the second must not fail
  // where a second request of its own would.
  template <typename Stub, typename Request, typename Response>
  void RetryIsTheFirstAnswer(const std::unique_ptr<Stub>& stub,
                             grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                             const std::string& text) {
    const std::string with_id = absl::StrCat(text, " request_id: 'id-", ++ids_, "'");
    const Response first = Must(stub, method, with_id), second = Must(stub, method, with_id);
    EXPECT_EQ(first.DebugString(), second.DebugString()) << text;
  }

  TestServer server_;
  int ids_ = 0;
};

TEST_F(RequestsTest, EveryMutatingCallAnswersARetryAsTheFirstTime) {
  const std::string layers =
      "{ layers { weights { row_count: 1 column_count: 1 values: 2 } biases { row_count: 1 column_count: 1 values: 1 } "
      "} }";
  RetryIsTheFirstAnswer(server_.sessions, &SessionStub::CreateSession,
                        absl::StrCat("session_id: 'c' session { ", kLinearUnit, "}"));
  RetryIsTheFirstAnswer(
      server_.sessions, &SessionStub::UpdateSession,
      "session { name: 'sessions/a' labels { key: 'k' value: 'v' } } update_mask { paths: 'labels' }");
  RetryIsTheFirstAnswer(server_.sessions, &SessionStub::CopySession, "name: 'sessions/a' session_id: 'd'");
  RetryIsTheFirstAnswer(server_.sessions, &SessionStub::SetParameters, "name: 'sessions/a' parameters " + layers);
  RetryIsTheFirstAnswer(server_.sessions, &SessionStub::FitScaling, "session: 'sessions/a' pattern_set: 's'");
  RetryIsTheFirstAnswer(server_.training, &TrainingStub::ApplyGradient, "session: 'sessions/a' gradient " + layers);
  EXPECT_EQ(Must(server_.sessions, &SessionStub::GetSession, "name: 'sessions/a'").model_version(), 2);
  Collect(server_.training, &TrainingStub::RunEpochs, "session: 'sessions/b' pattern_set: 's' epoch_count: 1");
  RetryIsTheFirstAnswer(server_.training, &TrainingStub::CancelTrainingRun, "name: 'sessions/b/trainingRuns/run-1'");
  RetryIsTheFirstAnswer(server_.patterns, &PatternStub::DeletePatternSet, "name: 'sessions/a/patternSets/s'");
  RetryIsTheFirstAnswer(server_.sessions, &SessionStub::DeleteSession, "name: 'sessions/a'");
}

TEST_F(RequestsTest, ARetryIsKnownThoughItsLabelsComeInAnotherOrder) {
  // Protobuf does not promise the order of a map's entries on the wire.
  std::vector<std::string> labels;
  for (int i = 0; i < 40; ++i) labels.push_back(absl::StrCat("labels { key: 'k", i, "' value: 'v' } "));
  for (int attempt = 0; attempt < 20; ++attempt) {
    std::string text = absl::StrCat("session_id: 'many' request_id: 'one' session { ", kLinearUnit);
    for (size_t i = 0; i < labels.size(); ++i) text += labels[(i * 7 + attempt) % labels.size()];
    EXPECT_EQ(Must(server_.sessions, &SessionStub::CreateSession, text + "}").name(), "sessions/many");
  }
}

TEST_F(RequestsTest, ARepeatedRunEpochsAttachesToTheFirstRun) {
  const std::string request = "session: 'sessions/a' pattern_set: 's' epoch_count: 3 request_id: 'run'";
  const auto first = Collect(server_.training, &TrainingStub::RunEpochs, request);
  const auto second = Collect(server_.training, &TrainingStub::RunEpochs, request);
  EXPECT_TRUE(second.status.ok());
  ASSERT_EQ(second.responses.size(), 3u);
  EXPECT_EQ(second.responses[2].DebugString(), first.responses[2].DebugString());
  EXPECT_EQ(Must(server_.sessions, &SessionStub::GetSession, "name: 'sessions/a'").model_version(), 3);
}

TEST_F(RequestsTest, AFailedRequestMayBeCorrectedUnderItsId) {
  EXPECT_EQ(MustFail(server_.sessions, &SessionStub::CopySession, "name: 'sessions/x' session_id: 'd' request_id: 'i'")
                .reason,
            "SESSION_NOT_FOUND");
  Must(server_.sessions, &SessionStub::CopySession, "name: 'sessions/a' session_id: 'd' request_id: 'i'");
}

TEST_F(RequestsTest, FieldsOfANewerClientAreIgnored) {
  v1::GetSessionRequest request;
  request.set_name("sessions/a");
  auto* const unknown = request.GetReflection()->MutableUnknownFields(&request);
  unknown->AddVarint(1000, 7);
  unknown->AddLengthDelimited(1001, "from the future");
  EXPECT_EQ(Must(server_.sessions, &SessionStub::GetSession, request).name(), "sessions/a");
}

TEST_F(RequestsTest, ErrorsOfManyAndLongViolationsArriveWhole) {
  // A message's trailers hold 8 KiB; the caller's words in them are of any length, and of any alphabet.
  v1::UpdateSessionRequest request;
  request.mutable_session()->set_name("sessions/" + std::string(10'000, 'A'));
  for (int i = 0; i < 50; ++i) {
    std::string path;
    for (int k = 0; k < 200; ++k) path += i % 2 == 0 ? "\xc3\xa9" : "\xe2\x82\xac";
    request.mutable_update_mask()->add_paths(path.substr(0, path.size()));
  }
  const RpcError error = MustFail(server_.sessions, &SessionStub::UpdateSession, request);
  EXPECT_EQ(error.code, grpc::INVALID_ARGUMENT);
  EXPECT_EQ(error.reason, "INVALID_FIELDS");
  EXPECT_GE(error.fields.size(), 5u);
}

TEST_F(RequestsTest, AnErrorThatQuotesACutCharacterIsValidUtf8) {
  v1::AppendPatternsRequest request;
  std::string name = "x";  // Cut after 200 bytes, in the middle of a character.
  for (int k = 0; k < 200; ++k) name += "\xc3\xa9";
  request.set_session(name);
  request.set_pattern_set(name);
  const auto streamed = Exchange(server_.patterns, &PatternStub::AppendPatterns, {request});
  ASSERT_EQ(streamed.responses.size(), 1u);  // Else the answer could not be parsed.
  EXPECT_THAT(ErrorOf(streamed.responses[0].status()).fields,
              testing::ElementsAre("pattern_set", "patterns", "session"));
}

TEST_F(RequestsTest, AServerThatDrainsRefusesReadsToo) {
  server_.Drain();
  const std::string set = "session: 'sessions/a' pattern_set: 's'";
  const RpcError errors[] = {
      MustFail(server_.sessions, &SessionStub::GetSession, "name: 'sessions/a'"),
      MustFail(server_.sessions, &SessionStub::ListSessions, ""),
      MustFail(server_.sessions, &SessionStub::DeleteSession, "name: 'sessions/a'"),
      MustFail(server_.patterns, &PatternStub::GetPatternSet, "name: 'sessions/a/patternSets/s'"),
      MustFail(server_.training, &TrainingStub::ListTrainingRuns, "session: 'sessions/a'"),
      MustFail(server_.derivatives, &DerivativeStub::ComputeGradient, set),
      MustFail(server_.evaluations, &EvaluationStub::Evaluate, set),
      MustFail(server_.predictions, &PredictionStub::Predict,
               "session: 'sessions/a' inputs { row_count: 1 column_count: 1 values: 1 }"),
      ErrorOf(Collect(server_.training, &TrainingStub::RunEpochs, set + " epoch_count: 1").status)};
  for (const RpcError& error : errors) {
    EXPECT_EQ(error.code, grpc::UNAVAILABLE);
    EXPECT_EQ(error.reason, "SHUTTING_DOWN");
  }
}

TEST_F(RequestsTest, HealthSaysServing) {
  const RawAnswer answer = RawCall(server_.channel(), "/grpc.health.v1.Health/Check", {""});
  EXPECT_TRUE(answer.status.ok());
  EXPECT_THAT(answer.responses, testing::ElementsAre(std::string("\x08\x01")));  // status: SERVING
}

TEST_F(RequestsTest, HealthOfEachServiceSaysServing) {
  for (const char* name : {"SessionService", "PatternService", "TrainingService", "DerivativeService",
                           "PredictionService", "EvaluationService"}) {
    // HealthCheckRequest { service: ... }
    const std::string service = absl::StrCat("backprop.v1.", name);
    const RawAnswer answer =
        RawCall(server_.channel(), "/grpc.health.v1.Health/Check",
                {absl::StrCat("\x0a", std::string(1, static_cast<char>(service.size())), service)});
    EXPECT_THAT(answer.responses, testing::ElementsAre(std::string("\x08\x01"))) << service;
  }
}

TEST_F(RequestsTest, ReflectionListsTheServices) {
  // ServerReflectionRequest { list_services: "" }
  const RawAnswer answer = RawCall(server_.channel(), "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
                                   {std::string("\x3a\x00", 2)});
  ASSERT_EQ(answer.responses.size(), 1u);
  for (const char* service : {"SessionService", "PatternService", "TrainingService", "DerivativeService",
                              "PredictionService", "EvaluationService"}) {
    EXPECT_THAT(answer.responses[0], testing::HasSubstr(absl::StrCat("backprop.v1.", service)));
  }
}

TEST_F(RequestsTest, AMethodThatIsNotThereIsUnimplemented) {
  EXPECT_EQ(RawCall(server_.channel(), "/backprop.v1.SessionService/Nothing", {""}).status.error_code(),
            grpc::StatusCode::UNIMPLEMENTED);
}

TEST(GuardedTest, MemoryThatRunsOutIsAnError) {
  const absl::Status status = Guarded([]() -> absl::Status { throw std::bad_alloc(); });
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReasonOf(status), "MEMORY_LIMIT");
}

}  // namespace
}  // namespace backprop::server
