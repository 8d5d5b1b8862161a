// What derivatives may cost: prices, sizes and memory at their limits and one past, and calls that are given up.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/server/services/messages.h"
#include "tests/server/services/test_server.h"

namespace backprop::server {
namespace {

using testing::HasSubstr;

constexpr char kOnePattern[] =
    "patterns { inputs { row_count: 1 column_count: 2 values: [1, 2] } targets { row_count: 1 column_count: 1 values: "
    "1 "
    "} } ";
constexpr char kSmall[] = "input_unit_count: 2 output_unit_count: 1 task: 1";

void FillPatterns(v1::Patterns* patterns, int pattern_count, int input_unit_count) {
  Fill(patterns->mutable_inputs(), pattern_count, input_unit_count);
  Fill(patterns->mutable_targets(), pattern_count, 1);
}

// The price in "... would take N multiply-adds ...".
int64_t PriceIn(const std::string& message) {
  int64_t price = 0;
  const std::vector<std::string> parts = absl::StrSplit(message, " would take ");
  EXPECT_EQ(parts.size(), 2u) << message;
  EXPECT_TRUE(absl::SimpleAtoi(parts.back().substr(0, parts.back().find(' ')), &price)) << message;
  return price;
}

// A session with one pattern stored.
void CreateSmall(TestServer& server) {
  Create(server, "a", kSmall);
  Append(server, absl::StrCat("session: 'sessions/a' pattern_set: 'training' ", kOnePattern));
}

// A request of each call is carried out at its price and refused one below, by its own limit and by the server's.
template <typename Stub, typename Method>
void ExpectPriceLimits(Stub stub, Method method, const std::string& fields) {
  const std::string text = absl::StrCat("session: 'sessions/a' ", fields, " ");
  TestServer server;
  CreateSmall(server);
  const RpcError refused = MustFail(server.*stub, method, text + "work_limit: 1");
  EXPECT_EQ(refused.code, grpc::RESOURCE_EXHAUSTED);
  EXPECT_EQ(refused.reason, "WORK_LIMIT");
  const int64_t price = PriceIn(refused.message);
  EXPECT_THAT(refused.message, HasSubstr("work_limit is 1"));
  Must(server.*stub, method, absl::StrCat(text, "work_limit: ", price));
  EXPECT_EQ(MustFail(server.*stub, method, absl::StrCat(text, "work_limit: ", price - 1)).reason, "WORK_LIMIT");
  for (const int64_t limit : {price - 1, price}) {
    TestServer limited({.work_limit = limit});
    CreateSmall(limited);
    if (limit == price) {
      Must(limited.*stub, method, text);
    } else {
      EXPECT_THAT(MustFail(limited.*stub, method, text).message, HasSubstr(absl::StrCat("the server allows ", limit)));
    }
  }
}

TEST(DerivativeLimitsTest, ProductsAreCarriedOutToTheWorkLimit) {
  ExpectPriceLimits(&TestServer::derivatives, &DerivativeStub::ComputeHessianVectorProduct,
                    absl::StrCat(kOnePattern, "gradient_direction: true random_directions { count: 2 }"));
}

TEST(DerivativeLimitsTest, HessiansAreCarriedOutToTheWorkLimit) {
  for (const char* const part : {"", "diagonal: true", "layer: 0"}) {
    ExpectPriceLimits(&TestServer::derivatives, &DerivativeStub::ComputeHessian, absl::StrCat(kOnePattern, part));
  }
}

TEST(DerivativeLimitsTest, LinesAreCarriedOutToTheWorkLimit) {
  ExpectPriceLimits(&TestServer::derivatives, &DerivativeStub::ComputeDirectionalDerivatives,
                    absl::StrCat(kOnePattern, "gradient_direction: true order: 4"));
}

TEST(DerivativeLimitsTest, UncertaintiesAreCarriedOutToTheWorkLimit) {
  ExpectPriceLimits(&TestServer::predictions, &PredictionStub::Predict,
                    "inputs { row_count: 1 column_count: 2 values: [1, 2] } with_uncertainty: true");
}

TEST(DerivativeLimitsTest, Order16IsTheLimit) {
  TestServer server;
  Create(server, "a", kSmall);
  const std::string text = absl::StrCat("session: 'sessions/a' ", kOnePattern, "random_direction_seed: 1 ");
  const auto line = Must(server.derivatives, &DerivativeStub::ComputeDirectionalDerivatives, text + "order: 16");
  EXPECT_EQ(line.derivatives_size(), 17);
  EXPECT_THAT(MustFail(server.derivatives, &DerivativeStub::ComputeDirectionalDerivatives, text + "order: 17").fields,
              testing::ElementsAre("order"));
}

TEST(DerivativeLimitsTest, A4096ParameterHessianIsTheLimit) {
  TestServer server;
  v1::ComputeHessianRequest request;
  for (const int input_unit_count : {4095, 4096}) {
    const std::string id = absl::StrCat("s", input_unit_count);
    Create(server, id, absl::StrCat("input_unit_count: ", input_unit_count, " output_unit_count: 1 task: 1"));
    request.set_session("sessions/" + id);
    FillPatterns(request.mutable_patterns(), 2, input_unit_count);
    for (const bool layer : {false, true}) {
      request.clear_part();
      if (layer) request.set_layer(0);
      if (input_unit_count == 4095) {
        const auto answer = Must(server.derivatives, &DerivativeStub::ComputeHessian, request);
        EXPECT_EQ(answer.hessian().row_count(), 4096);
        EXPECT_EQ(answer.hessian().values_size(), 4096 * 4096);
      } else {
        const RpcError error = MustFail(server.derivatives, &DerivativeStub::ComputeHessian, request);
        EXPECT_EQ(error.code, grpc::RESOURCE_EXHAUSTED);
        EXPECT_EQ(error.reason, "HESSIAN_LIMIT");
        EXPECT_THAT(error.message, HasSubstr("4097 parameters, and a Hessian is computed of at most 4096"));
      }
    }
    request.set_diagonal(true);
    const auto diagonal = Must(server.derivatives, &DerivativeStub::ComputeHessian, request).hessian();
    EXPECT_EQ(diagonal.row_count(), input_unit_count + 1);
    EXPECT_EQ(diagonal.column_count(), 1);
  }
}

TEST(DerivativeLimitsTest, TwoHundredAndFiftySixDirectionsAreTheLimit) {
  TestServer server;
  Create(server, "a", kSmall);
  const std::string text = absl::StrCat("session: 'sessions/a' ", kOnePattern);
  const auto products = Must(server.derivatives, &DerivativeStub::ComputeHessianVectorProduct,
                             text + "gradient_direction: true random_directions { count: 255 }");
  EXPECT_EQ(products.products_size(), 256);
  EXPECT_THAT(MustFail(server.derivatives, &DerivativeStub::ComputeHessianVectorProduct,
                       text + "gradient_direction: true random_directions { count: 256 }")
                  .fields,
              testing::ElementsAre("directions"));
}

TEST(DerivativeLimitsTest, ProductsThatFitNoMessageAreStreamed) {
  TestServer server;
  constexpr int kInputs = 262'144;  // Of 2 MiB in FLOAT64.
  Create(server, "a", absl::StrCat("input_unit_count: ", kInputs, " output_unit_count: 1 task: 1 precision: 2"));
  v1::ComputeHessianVectorProductRequest request;
  request.set_session("sessions/a");
  FillPatterns(request.mutable_patterns(), 1, kInputs);
  request.mutable_random_directions()->set_count(63);  // With products and gradient 127 vectors.
  EXPECT_EQ(Must(server.derivatives, &DerivativeStub::ComputeHessianVectorProduct, request).products_size(), 63);
  request.mutable_random_directions()->set_count(64);
  const RpcError error = MustFail(server.derivatives, &DerivativeStub::ComputeHessianVectorProduct, request);
  EXPECT_EQ(error.code, grpc::RESOURCE_EXHAUSTED);
  EXPECT_EQ(error.reason, "ANSWER_TOO_LARGE");
  EXPECT_THAT(error.message, HasSubstr("StreamHessianVectorProduct"));
  v1::StreamHessianVectorProductRequest streamed;
  *streamed.mutable_request() = request;
  const auto layers = Collect(server.derivatives, &DerivativeStub::StreamHessianVectorProduct, streamed);
  EXPECT_TRUE(layers.status.ok()) << layers.status.error_message();
  EXPECT_EQ(layers.responses.size(), 129u);
}

TEST(DerivativeLimitsTest, MemoryIsTakenBeforeTheWorkAndGivenBack) {
  TestServer server({.memory_bytes = 64 << 20});
  Create(server, "a", "input_unit_count: 100000 output_unit_count: 1 task: 1");
  v1::ComputeHessianVectorProductRequest request;
  request.set_session("sessions/a");
  FillPatterns(request.mutable_patterns(), 1, 100'000);
  request.mutable_random_directions()->set_count(256);  // 100 MB.
  const int64_t used = server.budget().used_bytes();
  EXPECT_EQ(MustFail(server.derivatives, &DerivativeStub::ComputeHessianVectorProduct, request).reason, "MEMORY_LIMIT");
  request.mutable_random_directions()->set_count(4);
  EXPECT_EQ(Must(server.derivatives, &DerivativeStub::ComputeHessianVectorProduct, request).products_size(), 4);
  EXPECT_EQ(server.budget().used_bytes(), used);
}

// They may last as long as streams, and must leave threads for other calls.
TEST(DerivativeLimitsTest, CallsForSecondDerivativesTakeAStreamsSlot) {
  TestServer server({.max_streams = 0});
  Create(server, "a", "input_unit_count: 2 output_unit_count: 1 task: 1");
  const auto refused = [&](auto method, auto request) {
    request.set_session("sessions/a");
    const RpcError error = MustFail(server.derivatives, method, request);
    EXPECT_EQ(error.code, grpc::RESOURCE_EXHAUSTED);
    EXPECT_EQ(error.reason, "STREAM_LIMIT");
  };
  refused(&DerivativeStub::ComputeHessianVectorProduct, v1::ComputeHessianVectorProductRequest());
  refused(&DerivativeStub::ComputeHessian, v1::ComputeHessianRequest());
  refused(&DerivativeStub::ComputeDirectionalDerivatives, v1::ComputeDirectionalDerivativesRequest());
  const std::string predict = "session: 'sessions/a' inputs { row_count: 1 column_count: 2 values: [1, 2] } ";
  EXPECT_EQ(MustFail(server.predictions, &PredictionStub::Predict, predict + "with_uncertainty: true").reason,
            "STREAM_LIMIT");
  Must(server.predictions, &PredictionStub::Predict, predict);
}

}  // namespace
}  // namespace backprop::server
