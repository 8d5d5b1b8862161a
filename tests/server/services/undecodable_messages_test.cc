// Streams with a message that is none: the caller is told, and nothing is lost in silence.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/server/services/raw_call.h"
#include "tests/server/services/test_server.h"

namespace backprop::server {
namespace {

constexpr char kPatterns[] =
    "patterns { inputs { row_count: 1 column_count: 1 values: 1 } targets { row_count: 1 column_count: 1 values: 2 } }";
constexpr char kUndecodable[] = "\xff";

class UndecodableMessagesTest : public testing::Test {
 protected:
  UndecodableMessagesTest() { Create(server_, "a", "input_unit_count: 1 output_unit_count: 1 task: 1"); }

  template <typename Request>
  static std::string Bytes(const std::string& text) {
    return Parse<Request>(text).SerializeAsString();
  }
  // Calls `method` of the service with `messages`.
  RawAnswer Call(const std::string& method, const std::vector<std::string>& messages) {
    return RawCall(server_.channel(), "/backprop.v1." + method, messages);
  }
  static void ExpectUndecodable(const RpcError& error, const std::string& message) {
    EXPECT_EQ(error.code, grpc::INVALID_ARGUMENT);
    EXPECT_THAT(error.fields, testing::ElementsAre("backprop.v1." + message));
    EXPECT_THAT(error.message, testing::HasSubstr("cannot be decoded"));
  }
  template <typename Response>
  static Response ParseBytes(const std::string& bytes) {
    Response response;
    EXPECT_TRUE(response.ParseFromString(bytes));
    return response;
  }
  int64_t Count() {
    return Must(server_.patterns, &PatternStub::GetPatternSet, "name: 'sessions/a/patternSets/s'").pattern_count();
  }

  TestServer server_;
  const std::string place_ = "session: 'sessions/a' pattern_set: 's' ";
};

TEST_F(UndecodableMessagesTest, AppendPatternsAnswersThemAndGoesOn) {
  const std::string good = Bytes<v1::AppendPatternsRequest>(place_ + kPatterns);
  const RawAnswer answer = Call("PatternService/AppendPatterns", {kUndecodable, good, kUndecodable, good});
  EXPECT_TRUE(answer.status.ok());
  ASSERT_EQ(answer.responses.size(), 4u);
  for (const size_t i : {0, 2}) {
    const auto response = ParseBytes<v1::AppendPatternsResponse>(answer.responses[i]);
    ExpectUndecodable(ErrorOf(response.status()), "AppendPatternsRequest");
    EXPECT_EQ(response.next_offset(), i / 2);
  }
  EXPECT_EQ(ParseBytes<v1::AppendPatternsResponse>(answer.responses[3]).next_offset(), 2);
  EXPECT_EQ(Count(), 2);
}

TEST_F(UndecodableMessagesTest, TrainOnlineAnswersThemButForTheFirstWhichMayHaveOptions) {
  const std::string good = Bytes<v1::TrainOnlineRequest>(place_ + kPatterns);
  ExpectUndecodable(ErrorOf(Call("TrainingService/TrainOnline", {kUndecodable, good}).status), "TrainOnlineRequest");
  const RawAnswer answer = Call("TrainingService/TrainOnline", {good, kUndecodable, good});
  EXPECT_TRUE(answer.status.ok());
  ASSERT_EQ(answer.responses.size(), 3u);
  const auto response = ParseBytes<v1::TrainOnlineResponse>(answer.responses[1]);
  ExpectUndecodable(ErrorOf(response.status()), "TrainOnlineRequest");
  EXPECT_EQ(response.next_offset(), 1);
  EXPECT_EQ(response.model_version(), 1);
  EXPECT_EQ(Count(), 2);
}

TEST_F(UndecodableMessagesTest, EveryAnswerOfTrainOnlineSaysWhereTheSetAndTheModelStand) {
  const std::string good = Bytes<v1::TrainOnlineRequest>(place_ + kPatterns);
  const RawAnswer answer =
      Call("TrainingService/TrainOnline",
           {good, Bytes<v1::TrainOnlineRequest>(std::string("offset: -1 options { step_size: 1 } ") + kPatterns)});
  ASSERT_EQ(answer.responses.size(), 2u);
  const auto response = ParseBytes<v1::TrainOnlineResponse>(answer.responses[1]);
  EXPECT_THAT(ErrorOf(response.status()).fields, testing::ElementsAre("offset", "options"));
  EXPECT_EQ(response.next_offset(), 1);
  EXPECT_EQ(response.model_version(), 1);
}

TEST_F(UndecodableMessagesTest, PredictStreamEndsWithThem) {
  const std::string good =
      Bytes<v1::PredictStreamRequest>("session: 'sessions/a' inputs { row_count: 1 column_count: 1 values: 1 }");
  const RawAnswer answer = Call("PredictionService/PredictStream", {good, kUndecodable, good});
  EXPECT_EQ(answer.responses.size(), 1u);
  ExpectUndecodable(ErrorOf(answer.status), "PredictStreamRequest");
}

TEST_F(UndecodableMessagesTest, ImportSessionMakesNoSessionOfThem) {
  ExpectUndecodable(ErrorOf(Call("SessionService/ImportSession", {kUndecodable}).status), "ImportSessionRequest");
  EXPECT_EQ(MustFail(server_.sessions, &SessionStub::GetSession, "name: 'sessions/b'").code, grpc::NOT_FOUND);
}

}  // namespace
}  // namespace backprop::server
