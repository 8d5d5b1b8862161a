// A thousand calls with requests drawn at random: valid and invalid mixed, and plain bytes. Whatever they are, each
// gets a legal answer and the server goes on.
#include <google/protobuf/dynamic_message.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "core/random.h"
#include "tests/server/services/raw_call.h"
#include "tests/server/services/test_server.h"

namespace backprop::server {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::MethodDescriptor;
using google::protobuf::Reflection;

constexpr int64_t kSeed = 20080808;
constexpr int kCases = 1440;  // About 40 a method.

// Draws messages field by field. Values are often those that mean something to the server.
class RandomMessages {
 public:
  explicit RandomMessages(int64_t seed) : random_(seed) {}

  int Below(int bound) { return static_cast<int>(random_.Below(static_cast<uint64_t>(bound))); }

  std::string Bytes() {
    std::string bytes(static_cast<size_t>(Below(40)), '\0');
    for (char& c : bytes) c = static_cast<char>(Below(256));
    return bytes;
  }

  void Fill(Message* message, int depth = 0) {
    const Descriptor* const type = message->GetDescriptor();
    for (int i = 0; i < type->field_count(); ++i) {
      const FieldDescriptor* const field = type->field(i);
      // Names mostly, other fields half the time: else nothing would get beyond the first check.
      if (Below(10) >= (depth == 0 || field->name() == "row_count" ? 8 : 6)) continue;
      if (field->is_map()) continue;
      // Of alternatives mostly the first that was drawn: else the last of them, a message, would take the place of all.
      const auto* const oneof = field->containing_oneof();
      if (oneof != nullptr && message->GetReflection()->HasOneof(*message, oneof) && Below(4) != 0) continue;
      const int count = field->is_repeated() ? CountOf(*field) : 1;
      for (int k = 0; k < count; ++k) Put(message, field, depth);
    }
  }

 private:
  int CountOf(const FieldDescriptor& field) {
    if (field.name() == "layers" || field.name() == "hidden_layers") return 1 + Below(2);
    const int counts[] = {0, 1, 2, 2, 2, 4, 4, 4, 6, 6};
    return counts[Below(10)];
  }

  std::string String(const FieldDescriptor& field) {
    static const std::vector<std::string> sessions = {"sessions/r", "sessions/r",    "sessions/m",
                                                      "sessions/b", "sessions/none", "r"};
    static const std::vector<std::string> names = {"sessions/r/patternSets/s", "sessions/m/patternSets/s",
                                                   "sessions/r/trainingRuns/run-1", "sessions/b"};
    static const std::vector<std::string> ids = {"s", "s", "s", "t", "x-1", "", "X", "\xc3\xa9"};
    const auto one_of = [&](const std::vector<std::string>& list) {
      return list[Below(static_cast<int>(list.size()))];
    };
    if (field.name() == "session") return one_of(sessions);
    if (field.name() == "name") return one_of(Below(2) == 0 ? sessions : names);
    if (field.name() == "paths") return one_of({"labels", "input_scaling", "pinned_model_versions", "name", ""});
    if (field.name() == "request_id") return Below(10) == 0 ? one_of(ids) : "";
    return one_of(ids);
  }

  int64_t Integer(const FieldDescriptor& field) {
    if (field.name() == "epoch_count") return Below(5);
    if (field.name() == "order") return Below(18);
    if (field.name() == "model_version" && Below(3) != 0) return 0;
    if (field.name() == "work_limit") return Below(8) == 0 ? 1 : 0;
    const int64_t values[] = {0,
                              1,
                              2,
                              2,
                              2,
                              2,
                              3,
                              1,
                              -1,
                              64,
                              65'537,
                              std::numeric_limits<int32_t>::max(),
                              std::numeric_limits<int32_t>::min()};
    return values[Below(Below(2) == 0 ? 8 : 13)];
  }

  double Real() {
    const double values[] = {
        0,    1,     0.5,  -1, 0.1,         2, 1e-300, 1e300, std::numeric_limits<double>::infinity(),
        -0.0, 1e-40, 1e39, 7,  std::nan("")};
    return values[Below(Below(3) == 0 ? 14 : 6)];
  }

  void Put(Message* message, const FieldDescriptor* field, int depth) {
    const Reflection* const to = message->GetReflection();
    const bool many = field->is_repeated();
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_MESSAGE:
        if (depth < 5) Fill(many ? to->AddMessage(message, field) : to->MutableMessage(message, field), depth + 1);
        break;
      case FieldDescriptor::CPPTYPE_STRING: {
        const std::string value = field->type() == FieldDescriptor::TYPE_BYTES ? Bytes() : String(*field);
        many ? to->AddString(message, field, value) : to->SetString(message, field, value);
        break;
      }
      case FieldDescriptor::CPPTYPE_INT32: {
        const auto value = static_cast<int32_t>(Integer(*field));
        many ? to->AddInt32(message, field, value) : to->SetInt32(message, field, value);
        break;
      }
      case FieldDescriptor::CPPTYPE_INT64: {
        const int64_t value = Below(20) == 0 ? std::numeric_limits<int64_t>::max() : Integer(*field);
        many ? to->AddInt64(message, field, value) : to->SetInt64(message, field, value);
        break;
      }
      case FieldDescriptor::CPPTYPE_DOUBLE:
        many ? to->AddDouble(message, field, Real()) : to->SetDouble(message, field, Real());
        break;
      case FieldDescriptor::CPPTYPE_FLOAT: {
        const auto value = static_cast<float>(Real());
        many ? to->AddFloat(message, field, value) : to->SetFloat(message, field, value);
        break;
      }
      case FieldDescriptor::CPPTYPE_ENUM: {
        const int value = Below(8) == 0 ? 99 : Below(4);
        many ? to->AddEnumValue(message, field, value) : to->SetEnumValue(message, field, value);
        break;
      }
      default:
        if (field->cpp_type() == FieldDescriptor::CPPTYPE_BOOL && !many) to->SetBool(message, field, Below(2) == 0);
    }
  }

  Random random_;
};

std::vector<const MethodDescriptor*> AllMethods() {
  std::vector<const MethodDescriptor*> methods;
  for (const char* name : {"SessionService", "PatternService", "TrainingService", "DerivativeService",
                           "PredictionService", "EvaluationService"}) {
    const auto* const service = DescriptorPool::generated_pool()->FindServiceByName(std::string("backprop.v1.") + name);
    for (int i = 0; i < service->method_count(); ++i) methods.push_back(service->method(i));
  }
  return methods;
}

std::unique_ptr<Message> NewMessage(const Descriptor* type) {
  return std::unique_ptr<Message>(google::protobuf::MessageFactory::generated_factory()->GetPrototype(type)->New());
}

// (Re)makes what random deletions may have taken away.
void Populate(TestServer& server) {
  const struct {
    const char *id, *network, *targets;
  } kinds[] = {{"r", "output_unit_count: 2 task: 1 precision: 2",
                "targets { row_count: 2 column_count: 2 values: [1, 2, 3, 4] }"},
               {"b", "output_unit_count: 2 task: 2", "targets { row_count: 2 column_count: 2 values: [0, 1, 1, 0] }"},
               {"m", "output_unit_count: 2 task: 3", "target_classes: [0, 1]"}};
  for (const auto& kind : kinds) {
    v1::Session session;
    const auto create = Parse<v1::CreateSessionRequest>(
        std::string("session_id: '") + kind.id + "' session { network { input_unit_count: 2 " + kind.network + " } }");
    Try(server.sessions, &SessionStub::CreateSession, create, &session).ok();
    // Where they are there already, they are not stored twice.
    Exchange(server.patterns, &PatternStub::AppendPatterns,
             {Parse<v1::AppendPatternsRequest>(
                 std::string("session: 'sessions/") + kind.id + "' pattern_set: 's' offset: 0 " +
                 "patterns { inputs { row_count: 2 column_count: 2 values: [1, 2, 3, 4] } " + kind.targets + " }")});
  }
}

TEST(RandomRequestsTest, EveryCallGetsALegalAnswerAndTheServerGoesOn) {
  RecordProperty("seed", static_cast<int>(kSeed));
  TestServer server;
  RandomMessages messages(kSeed);
  const std::vector<const MethodDescriptor*> methods = AllMethods();
  std::map<std::string, int> successes;
  for (int i = 0; i < kCases; ++i) {
    Populate(server);
    const MethodDescriptor* const method = methods[i % methods.size()];
    const std::string path = "/" + method->service()->full_name() + "/" + method->name();
    std::vector<std::string> requests;
    bool parseable = true;
    std::string text;
    for (int n = method->client_streaming() ? messages.Below(4) : 1; n > 0; --n) {
      const std::unique_ptr<Message> request = NewMessage(method->input_type());
      if (messages.Below(10) == 0) {
        requests.push_back(messages.Bytes());
        parseable = parseable && request->ParseFromString(requests.back());
        continue;
      }
      messages.Fill(request.get());
      requests.push_back(request->SerializeAsString());
      text += request->ShortDebugString() + "\n";
    }
    const RawAnswer answer = RawCall(server.channel(), path, requests);
    SCOPED_TRACE(testing::Message() << "case " << i << ", seed " << kSeed << ": " << path << "\n" << text);
    const grpc::StatusCode code = answer.status.error_code();
    // Bytes that are no message never reach the server's code: gRPC itself answers INTERNAL.
    if (!parseable && code == grpc::StatusCode::INTERNAL) continue;
    EXPECT_NE(code, grpc::StatusCode::UNKNOWN) << answer.status.error_message();
    EXPECT_NE(code, grpc::StatusCode::INTERNAL) << answer.status.error_message();
    EXPECT_NE(code, grpc::StatusCode::UNAVAILABLE) << answer.status.error_message();
    EXPECT_NE(code, grpc::StatusCode::DEADLINE_EXCEEDED) << answer.status.error_message();
    if (!answer.status.ok()) {
      const RpcError error = ErrorOf(answer.status);
      EXPECT_EQ(error.domain, "backprop") << error.message;
      EXPECT_NE(error.reason, "INTERNAL") << error.message;
      EXPECT_EQ(error.fields.empty(), code != grpc::StatusCode::INVALID_ARGUMENT) << error.message;
    }
    successes[method->name()] += answer.status.ok();
    for (const std::string& response : answer.responses) {
      EXPECT_TRUE(NewMessage(method->output_type())->ParseFromString(response));
    }
    if (testing::Test::HasFailure()) break;
  }
  // The requests were not all nonsense.
  EXPECT_GE(std::count_if(successes.begin(), successes.end(), [](const auto& entry) { return entry.second > 0; }), 18)
      << testing::PrintToString(successes);
  Populate(server);
  const auto run = Collect(server.training, &TrainingStub::RunEpochs,
                           "session: 'sessions/r' pattern_set: 's' epoch_count: 1 options { step_size: 1e-9 }");
  EXPECT_TRUE(run.status.ok()) << run.status.error_message();
}

}  // namespace
}  // namespace backprop::server
