// Limits that need sizes or servers of their own: each at the limit, and one past it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/server/services/messages.h"
#include "tests/server/services/test_server.h"

namespace backprop::server {
namespace {

using testing::ElementsAre;

constexpr char kTiny[] = "input_unit_count: 1 output_unit_count: 1 task: 1";

RpcError AppendOf(TestServer& server, const std::string& session, int row_count, int inputs, int targets) {
  v1::AppendPatternsRequest request;
  request.set_session("sessions/" + session);
  request.set_pattern_set("s");
  Fill(request.mutable_patterns()->mutable_inputs(), row_count, inputs);
  Fill(request.mutable_patterns()->mutable_targets(), row_count, targets);
  const auto streamed = Exchange(server.patterns, &PatternStub::AppendPatterns, {request});
  EXPECT_EQ(streamed.responses.size(), 1u);
  return ErrorOf(streamed.responses.at(0).status());
}

TEST(LimitsTest, ABatchHasAtMost65536Patterns) {
  TestServer server;
  Create(server, "a", kTiny);
  EXPECT_EQ(AppendOf(server, "a", 65'536, 1, 1).code, grpc::OK);
  EXPECT_THAT(AppendOf(server, "a", 65'537, 1, 1).fields, ElementsAre("patterns.inputs.row_count"));
  v1::PredictRequest predict;
  predict.set_session("sessions/a");
  Fill(predict.mutable_inputs(), 65'536, 1);
  EXPECT_EQ(Must(server.predictions, &PredictionStub::Predict, predict).outputs().row_count(), 65'536);
  Fill(predict.mutable_inputs(), 65'537, 1);
  EXPECT_THAT(MustFail(server.predictions, &PredictionStub::Predict, predict).fields, ElementsAre("inputs.row_count"));
}

TEST(LimitsTest, ALayerHasAtMost262144Units) {
  TestServer server;
  const v1::Session session = Create(server, "a", "input_unit_count: 262144 output_unit_count: 1 task: 1");
  EXPECT_EQ(session.parameter_count(), 262'145);
}

TEST(LimitsTest, ANetworkHasAtMost64HiddenLayers) {
  TestServer server;
  std::string layers;
  for (int i = 0; i < 64; ++i) layers += "hidden_layers { unit_count: 1 } ";
  EXPECT_EQ(Create(server, "a", kTiny + (" " + layers)).network().hidden_layers_size(), 64);
}

TEST(LimitsTest, ANetworkHasAtMost16777216Parameters) {
  TestServer server;
  const v1::Session session =
      Create(server, "a", "input_unit_count: 4095 output_unit_count: 4096 task: 1 initial_weights { distribution: 4 }");
  EXPECT_EQ(session.parameter_count(), 16'777'216);
}

TEST(LimitsTest, SixtyFourPatternSetsAreTheLimit) {
  TestServer server;
  Create(server, "a", kTiny);
  const auto append = [&](int i) {
    const std::string text = absl::StrCat("session: 'sessions/a' pattern_set: 's", i,
                                          "' patterns { inputs { row_count: 1 column_count: 1 values: 1 } targets { "
                                          "row_count: 1 column_count: 1 values: 1 } }");
    return ErrorOf(Exchange(server.patterns, &PatternStub::AppendPatterns, {Parse<v1::AppendPatternsRequest>(text)})
                       .responses.at(0)
                       .status());
  };
  for (int i = 0; i < 64; ++i) ASSERT_EQ(append(i).code, grpc::OK);
  const RpcError error = append(64);
  EXPECT_EQ(error.code, grpc::RESOURCE_EXHAUSTED);
  EXPECT_EQ(error.reason, "PATTERN_SET_LIMIT");
  EXPECT_EQ(error.metadata.at("limit"), "64");
}

TEST(LimitsTest, FewBytesThatDecodeToManyAreRefusedBeforeTheyDo) {
  TestServer server;
  // 65,536 patterns of 1 input and 4,096 classes would be 1 GiB of targets, named in 256 KiB.
  Create(server, "a", "input_unit_count: 1 output_unit_count: 4096 task: 3");
  v1::AppendPatternsRequest request;
  request.set_session("sessions/a");
  request.set_pattern_set("s");
  const auto append = [&](int row_count) {
    Fill(request.mutable_patterns()->mutable_inputs(), row_count, 1);
    request.mutable_patterns()->mutable_target_classes()->Resize(row_count, 7);
    return ErrorOf(Exchange(server.patterns, &PatternStub::AppendPatterns, {request}).responses.at(0).status());
  };
  const int most = (512 << 20) / (4097 * 4);
  EXPECT_THAT(append(most + 1).fields, ElementsAre("patterns.inputs"));
  EXPECT_THAT(append(65'536).fields, ElementsAre("patterns.inputs"));
  EXPECT_EQ(append(most).code, grpc::OK);
}

TEST(LimitsTest, FewBytesThatDecodeToMoreThanTheMemoryLimitAreRefusedBeforeTheyDo) {
  TestServer server({.memory_bytes = 64 << 20});
  Create(server, "a", "input_unit_count: 1 output_unit_count: 4096 task: 3");
  v1::EvaluateRequest evaluate;
  evaluate.set_session("sessions/a");
  const auto with = [&](int row_count) {
    Fill(evaluate.mutable_patterns()->mutable_inputs(), row_count, 1);
    evaluate.mutable_patterns()->mutable_target_classes()->Resize(row_count, 7);
    return evaluate;
  };
  const RpcError error = MustFail(server.evaluations, &EvaluationStub::Evaluate, with(5000));  // 78 MiB of targets.
  EXPECT_EQ(error.code, grpc::RESOURCE_EXHAUSTED);
  EXPECT_EQ(error.reason, "MEMORY_LIMIT");
  EXPECT_EQ(error.metadata.at("limit"), std::to_string(64 << 20));
  v1::PredictRequest predict;
  predict.set_session("sessions/a");
  Fill(predict.mutable_inputs(), 5000, 1);
  EXPECT_EQ(MustFail(server.predictions, &PredictionStub::Predict, predict).reason, "MEMORY_LIMIT");
  const int64_t used = server.budget().used_bytes();
  EXPECT_EQ(Must(server.evaluations, &EvaluationStub::Evaluate, with(1000)).pattern_count(), 1000);
  EXPECT_EQ(server.budget().used_bytes(), used);
}

TEST(LimitsTest, AMessageHasAtMost256MiB) {
  TestServer server;
  Create(server, "a", kTiny);
  v1::PredictRequest predict;
  predict.set_session("sessions/a");
  predict.mutable_inputs()->set_row_count(1);
  predict.mutable_inputs()->set_column_count(1);
  std::string* const bytes = predict.mutable_inputs()->mutable_raw_values();
  constexpr size_t kLimit = size_t{256} << 20;
  bytes->resize(kLimit - 100);
  bytes->resize(bytes->size() + kLimit - predict.ByteSizeLong());
  ASSERT_EQ(predict.ByteSizeLong(), kLimit);
  // It arrives, and is found to be malformed.
  EXPECT_EQ(MustFail(server.predictions, &PredictionStub::Predict, predict).code, grpc::INVALID_ARGUMENT);
  bytes->push_back('\0');
  EXPECT_EQ(MustFail(server.predictions, &PredictionStub::Predict, predict).code, grpc::RESOURCE_EXHAUSTED);
}

TEST(LimitsTest, AnAnswerOfPredictionsThatFitsNoMessageIsRefused) {
  TestServer server;
  Create(server, "a", "input_unit_count: 1 output_unit_count: 2000 task: 2");  // 5 bytes a unit, with its class.
  v1::PredictRequest request;
  request.set_session("sessions/a");
  Fill(request.mutable_inputs(), 27'000, 1);
  const RpcError error = MustFail(server.predictions, &PredictionStub::Predict, request);
  EXPECT_EQ(error.code, grpc::RESOURCE_EXHAUSTED);
  EXPECT_EQ(error.reason, "ANSWER_TOO_LARGE");
  EXPECT_EQ(error.metadata.at("limit"), std::to_string(255 << 20));
  const int most = ((255 << 20)) / (2000 * 5);
  Fill(request.mutable_inputs(), most, 1);
  EXPECT_EQ(Must(server.predictions, &PredictionStub::Predict, request).outputs().row_count(), most);
}

TEST(LimitsTest, GradientsOfManyPatternsThatFitNoMessageAreRefused) {
  TestServer server;
  Create(server, "a", kTiny);
  for (int i = 0; i < 16; ++i) ASSERT_EQ(AppendOf(server, "a", 65'536, 1, 1).code, grpc::OK);
  const std::string request = "session: 'sessions/a' pattern_set: 's' ";
  const RpcError error = MustFail(server.derivatives, &DerivativeStub::ComputeGradient, request + "per_pattern: true");
  EXPECT_EQ(error.reason, "ANSWER_TOO_LARGE");
  EXPECT_EQ(error.metadata.at("limit"), std::to_string(255 << 20));
  EXPECT_EQ(Must(server.derivatives, &DerivativeStub::ComputeGradient, request).pattern_count(), 16 * 65'536);
}

TEST(LimitsTest, SessionsAreMadeToTheLimit) {
  TestServer server({.max_sessions = 2});
  Create(server, "a", kTiny);
  Create(server, "b", kTiny);
  const RpcError error = MustFail(server.sessions, &SessionStub::CopySession, "name: 'sessions/a' session_id: 'c'");
  EXPECT_EQ(error.code, grpc::RESOURCE_EXHAUSTED);
  EXPECT_EQ(error.reason, "SESSION_LIMIT");
  EXPECT_EQ(error.metadata.at("limit"), "2");
  Must(server.sessions, &SessionStub::DeleteSession, "name: 'sessions/b'");
  Create(server, "c", kTiny);
}

TEST(LimitsTest, MemoryIsTakenToTheLimitAndGivenBack) {
  const std::string network = "input_unit_count: 999 output_unit_count: 1 task: 1 precision: 2";
  TestServer server({.memory_bytes = 3 * 1000 * 8 * (8 + 2)});  // Three sessions' versions and optimizers.
  for (const char* id : {"a", "b", "c"}) Create(server, id, network);
  const RpcError error =
      MustFail(server.sessions, &SessionStub::CreateSession, "session_id: 'd' session { network { " + network + " } }");
  EXPECT_EQ(error.code, grpc::RESOURCE_EXHAUSTED);
  EXPECT_EQ(error.reason, "MEMORY_LIMIT");
  EXPECT_EQ(AppendOf(server, "a", 1, 999, 1).reason, "MEMORY_LIMIT");
  Must(server.sessions, &SessionStub::DeleteSession, "name: 'sessions/b'");
  EXPECT_EQ(AppendOf(server, "a", 1, 999, 1).code, grpc::OK);
}

TEST(LimitsTest, StreamsAreOpenToTheLimitAndOthersGoOn) {
  TestServer server({.max_streams = 2});
  Create(server, "a", kTiny);
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<grpc::ClientReaderWriter<v1::PredictStreamRequest, v1::PredictResponse>>> streams;
  const auto request =
      Parse<v1::PredictStreamRequest>("session: 'sessions/a' inputs { row_count: 1 column_count: 1 values: 1 }");
  v1::PredictResponse response;
  for (int i = 0; i < 2; ++i) {
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    streams.push_back(server.predictions->PredictStream(contexts.back().get()));
    ASSERT_TRUE(streams.back()->Write(request));
    ASSERT_TRUE(streams.back()->Read(&response));
  }
  const auto third = Exchange(server.predictions, &PredictionStub::PredictStream, {request});
  const RpcError error = ErrorOf(third.status);
  EXPECT_EQ(error.code, grpc::RESOURCE_EXHAUSTED);
  EXPECT_EQ(error.reason, "STREAM_LIMIT");
  EXPECT_EQ(error.metadata.at("limit"), "2");
  EXPECT_TRUE(error.has_retry_delay);
  Must(server.sessions, &SessionStub::GetSession, "name: 'sessions/a'");
  ASSERT_TRUE(streams[0]->Write(request));
  ASSERT_TRUE(streams[0]->Read(&response));
  for (const auto& stream : streams) {
    stream->WritesDone();
    EXPECT_TRUE(stream->Finish().ok());
  }
  EXPECT_TRUE(Exchange(server.predictions, &PredictionStub::PredictStream, {request}).status.ok());
}

TEST(LimitsTest, RunsAreQueuedToTheLimit) {
  TestServer server({.worker_count = 1, .queue_limit = 2});
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<grpc::ClientReader<v1::EpochReport>>> runs;
  const auto start = [&](const std::string& id) {
    Create(server, id, kTiny);
    EXPECT_EQ(AppendOf(server, id, 1, 1, 1).code, grpc::OK);
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    runs.push_back(server.training->RunEpochs(
        contexts.back().get(),
        Parse<v1::RunEpochsRequest>("session: 'sessions/" + id +
                                    "' pattern_set: 's' epoch_count: 1000000 options { step_size: "
                                    "1e-9 }")));
    runs.back()->WaitForInitialMetadata();
  };
  start("a");
  start("b");
  start("c");
  const RpcError error = ErrorOf(runs.back()->Finish());
  EXPECT_EQ(error.code, grpc::RESOURCE_EXHAUSTED);
  EXPECT_EQ(error.reason, "TRAINING_QUEUE_FULL");
  EXPECT_EQ(error.metadata.at("limit"), "2");
  EXPECT_TRUE(error.has_retry_delay);
  EXPECT_EQ(Must(server.training, &TrainingStub::ListTrainingRuns, "session: 'sessions/c'").training_runs_size(), 0);
  Must(server.training, &TrainingStub::CancelTrainingRun, "name: 'sessions/a/trainingRuns/run-1'");
  start("d");
  v1::EpochReport report;
  EXPECT_TRUE(runs.back()->Read(&report));
}

}  // namespace
}  // namespace backprop::server
