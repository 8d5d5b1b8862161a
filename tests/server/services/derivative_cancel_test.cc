// Calls for derivatives that their callers give up: the server stops working on them.
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "tests/server/services/messages.h"
#include "tests/server/services/test_server.h"

namespace backprop::server {
namespace {

using Call = std::function<grpc::Status(grpc::ClientContext*)>;

class DerivativeCancelTest : public testing::Test {
 protected:
  static constexpr int kPatternCount = 65'536;

  // Session `id` of a network with set `s` of kPatternCount patterns.
  void CreateLarge(const std::string& id, int input_unit_count, int hidden_layer_count, int hidden_unit_count) {
    std::string layers;
    for (int i = 0; i < hidden_layer_count; ++i) {
      absl::StrAppend(&layers, "hidden_layers { unit_count: ", hidden_unit_count, " } ");
    }
    Create(server_, id,
           absl::StrCat("input_unit_count: ", input_unit_count, " ", layers, "output_unit_count: 1 task: 1"));
    v1::AppendPatternsRequest append;
    append.set_session("sessions/" + id);
    append.set_pattern_set("s");
    Fill(append.mutable_patterns()->mutable_inputs(), kPatternCount, input_unit_count);
    Fill(append.mutable_patterns()->mutable_targets(), kPatternCount, 1);
    ASSERT_EQ(Exchange(server_.patterns, &PatternStub::AppendPatterns, {append}).responses.at(0).status().code(), 0);
  }

  // Gives a call up once it has begun; the server must be done with it soon.
  void ExpectToStop(const Call& call) {
    const int64_t used = server_.budget().used_bytes();
    grpc::ClientContext context;
    grpc::Status status;
    std::jthread caller([&] { status = call(&context); });
    while (server_.budget().used_bytes() == used) std::this_thread::yield();
    const auto start = std::chrono::steady_clock::now();
    context.TryCancel();
    while (server_.budget().used_bytes() != used) std::this_thread::yield();
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
    caller.join();
    EXPECT_EQ(status.error_code(), grpc::StatusCode::CANCELLED);
  }

  template <typename Stub, typename Request, typename Response>
  void ExpectToStop(const std::unique_ptr<Stub>& stub,
                    grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                    const std::string& text) {
    const auto request = Parse<Request>(text);
    ExpectToStop([&](grpc::ClientContext* context) {
      Response response;
      return (stub.get()->*method)(context, request, &response);
    });
  }

  TestServer server_;
};

TEST_F(DerivativeCancelTest, ProductsDiagonalsAndLinesStop) {
  CreateLarge("a", 500, 3, 200);
  // 65,536 patterns x 180,000 weights x 36 and more: most of a minute at 10^10 multiply-adds a second.
  const std::string set = "session: 'sessions/a' pattern_set: 's' ";
  ExpectToStop(server_.derivatives, &DerivativeStub::ComputeHessianVectorProduct,
               set + "random_directions { count: 8 }");
  ExpectToStop(server_.derivatives, &DerivativeStub::ComputeHessian, set + "diagonal: true");
  ExpectToStop(server_.derivatives, &DerivativeStub::ComputeDirectionalDerivatives,
               set + "random_direction_seed: 1 order: 16");
  const auto request =
      Parse<v1::StreamHessianVectorProductRequest>(absl::StrCat("request { ", set, "random_directions { count: 8 } }"));
  ExpectToStop([&](grpc::ClientContext* context) {
    const auto reader = server_.derivatives->StreamHessianVectorProduct(context, request);
    for (v1::StreamHessianVectorProductResponse layer; reader->Read(&layer);) continue;
    return reader->Finish();
  });
}

TEST_F(DerivativeCancelTest, HessiansAndWhatIsMadeOfThemStop) {
  CreateLarge("h", 60, 1, 60);
  // 65,536 patterns x 3,721 x 3,721 / 2: as long.
  ExpectToStop(server_.derivatives, &DerivativeStub::ComputeHessian, "session: 'sessions/h' pattern_set: 's'");
  v1::PredictRequest request;
  request.set_session("sessions/h");
  Fill(request.mutable_inputs(), 1, 60);
  request.set_with_uncertainty(true);
  request.mutable_laplace_approximation()->set_pattern_set("s");
  ExpectToStop([&](grpc::ClientContext* context) {
    v1::PredictResponse response;
    return server_.predictions->Predict(context, request, &response);
  });
}

}  // namespace
}  // namespace backprop::server
