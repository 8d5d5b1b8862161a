#include "tests/server/services/bad_request.h"

#include <google/protobuf/dynamic_message.h>

#include <algorithm>

#include "tests/server/services/raw_call.h"

namespace backprop::server {
namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::MethodDescriptor;

// The two messages that a bad message in a stream is followed by: a retry of what is stored, which changes nothing.
constexpr char kRetry[] =
    "session: 'sessions/r' pattern_set: 'training' offset: 0 "
    "patterns { inputs { row_count: 2 column_count: 2 double_values: [1, 2, 3, 4] } "
    "targets { row_count: 2 column_count: 3 double_values: [1, 0, 0, 0, 1, 0] } }";

std::string Serialized(const google::protobuf::Descriptor* type, const std::string& text) {
  auto* const factory = google::protobuf::MessageFactory::generated_factory();
  const std::unique_ptr<google::protobuf::Message> message(factory->GetPrototype(type)->New());
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, message.get())) << text;
  return message->SerializeAsString();
}

// All that can be read of the server, in text.
std::string StateOf(TestServer& server) {
  v1::ListSessionsResponse list = Must(server.sessions, &SessionStub::ListSessions, "");
  std::string state = list.DebugString();
  for (const v1::Session& session : list.sessions()) {
    const std::string in = "session: '" + session.name() + "'";
    state += Must(server.patterns, &PatternStub::ListPatternSets, in).DebugString();
    state += Must(server.training, &TrainingStub::ListTrainingRuns, in).DebugString();
    state += Must(server.sessions, &SessionStub::GetParameters, "name: '" + session.name() + "'").DebugString();
  }
  return state;
}

void Populate(TestServer& server, const std::string& id, const std::string& network, const std::string& targets) {
  Create(server, id, "input_unit_count: 2 hidden_layers { unit_count: 2 } " + network);
  Append(server, "session: 'sessions/" + id +
                     "' pattern_set: 'training' patterns { inputs { row_count: 2 column_count: 2 "
                     "double_values: [1, 2, 3, 4] } " +
                     targets + " }");
  const auto run = Collect(server.training, &TrainingStub::RunEpochs,
                           "session: 'sessions/" + id + "' pattern_set: 'training' epoch_count: 1");
  EXPECT_TRUE(run.status.ok()) << run.status.error_message();
}

}  // namespace

std::unique_ptr<TestServer> BadRequestTest::server_;

void BadRequestTest::SetUpTestSuite() {
  server_ = std::make_unique<TestServer>();
  Populate(*server_, "r", "output_unit_count: 3 task: TASK_REGRESSION precision: PRECISION_FLOAT64",
           "targets { row_count: 2 column_count: 3 double_values: [1, 0, 0, 0, 1, 0] }");
  Populate(*server_, "b", "output_unit_count: 1 task: TASK_BINARY_CLASSIFICATION",
           "targets { row_count: 2 column_count: 1 values: [0, 1] }");
  Populate(*server_, "m", "output_unit_count: 3 task: TASK_MULTIWAY_CLASSIFICATION", "target_classes: [0, 1]");
  Must(server_->sessions, &SessionStub::UpdateSession,
       "session { name: 'sessions/r' } update_mask { paths: 'labels' } request_id: 'used'");
}

void BadRequestTest::TearDownTestSuite() { server_.reset(); }

void BadRequestTest::RefuseAndChangeNothing(const std::string& service, const BadRequest& bad) {
  const MethodDescriptor* const method =
      DescriptorPool::generated_pool()->FindMethodByName("backprop.v1." + service + "." + bad.method);
  ASSERT_NE(method, nullptr) << bad.method;
  const bool status_in_answers =
      method->client_streaming() && method->server_streaming() && bad.method != "PredictStream";
  std::vector<std::string> requests;
  for (const std::string& text : bad.requests) requests.push_back(Serialized(method->input_type(), text));
  if (status_in_answers) requests.push_back(Serialized(method->input_type(), kRetry));
  const std::string before = StateOf(*server_);

  const std::string path = "/backprop.v1." + service + "/" + bad.method;
  // Field 1000, a varint, is of a newer client: it changes nothing, and the request is refused as it is without.
  std::vector<std::string> newer = requests;
  for (std::string& request : newer) request += "\xc0\x3e\x07";
  const RawAnswer newer_answer = RawCall(server_->channel(), path, newer);
  const RawAnswer answer = RawCall(server_->channel(), path, requests);
  EXPECT_EQ(newer_answer.status.error_message(), answer.status.error_message());
  EXPECT_EQ(newer_answer.responses, answer.responses);

  RpcError error = ErrorOf(answer.status);
  if (status_in_answers && answer.status.ok()) {
    // AppendPatternsResponse and TrainOnlineResponse differ in the number of the field.
    std::vector<RpcError> errors;
    for (const std::string& bytes : answer.responses) {
      v1::AppendPatternsResponse append;
      v1::TrainOnlineResponse online;
      const bool is_append = bad.method == "AppendPatterns";
      ASSERT_TRUE(is_append ? append.ParseFromString(bytes) : online.ParseFromString(bytes));
      errors.push_back(ErrorOf(is_append ? append.status() : online.status()));
    }
    ASSERT_EQ(errors.size(), requests.size());
    EXPECT_EQ(errors.back().code, kExists) << "the stream must go on: " << errors.back().message;
    error = errors.front();
  }
  std::vector<std::string> fields = bad.fields;
  std::sort(fields.begin(), fields.end());
  EXPECT_EQ(error.code, bad.code) << error.message;
  EXPECT_EQ(error.reason, bad.reason) << error.message;
  EXPECT_EQ(error.domain, "backprop");
  EXPECT_EQ(error.fields, fields) << error.message;
  EXPECT_EQ(StateOf(*server_), before);
}

std::string NameOfRow(const testing::TestParamInfo<BadRequest>& row) { return row.param.method + row.param.name; }

std::vector<std::string> MethodsWithoutRow(const std::string& service, const std::vector<BadRequest>& rows) {
  std::vector<std::string> missing;
  const auto* const descriptor = DescriptorPool::generated_pool()->FindServiceByName("backprop.v1." + service);
  for (int i = 0; i < descriptor->method_count(); ++i) {
    const std::string& name = descriptor->method(i)->name();
    if (std::none_of(rows.begin(), rows.end(), [&](const BadRequest& row) { return row.method == name; })) {
      missing.push_back(name);
    }
  }
  return missing;
}

}  // namespace backprop::server
