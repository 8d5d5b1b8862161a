// The commands for derivatives against a fake server: what is sent, printed and written.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "client/cli/commands.h"
#include "client/data/array_file.h"
#include "client/flat_parameters.h"
#include "tests/client/fake_pattern_server.h"
#include "tests/client/temporary_file.h"

namespace backprop::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class FakeSession final : public v1::SessionService::Service {
 public:
  v1::Session session;

  grpc::Status GetSession(grpc::ServerContext*, const v1::GetSessionRequest*, v1::Session* response) override {
    *response = session;
    return grpc::Status::OK;
  }
};

bool HasDeadline(const grpc::ServerContext& context) {
  return context.deadline() != std::chrono::system_clock::time_point::max();
}

// Predicts nothing.
class EmptyPredictions final : public v1::PredictionService::Service {
 public:
  bool has_deadline = false;
  std::vector<int> request_sizes;  // Patterns of each request with uncertainty.

  grpc::Status Predict(grpc::ServerContext*, const v1::PredictRequest* request, v1::PredictResponse*) override {
    request_sizes.push_back(request->inputs().row_count());
    return grpc::Status::OK;
  }

  grpc::Status PredictStream(grpc::ServerContext* context,
                             grpc::ServerReaderWriter<v1::PredictResponse, v1::PredictStreamRequest>* stream) override {
    has_deadline = HasDeadline(*context);
    for (v1::PredictStreamRequest request; stream->Read(&request);) stream->Write({});
    return grpc::Status::OK;
  }
};

// Answers as for a 2-1 network of 3 parameters.
class FakeDerivatives final : public v1::DerivativeService::Service {
 public:
  v1::ComputeHessianVectorProductRequest products;
  v1::ComputeHessianRequest hessian;
  bool has_deadline = false;
  v1::ComputeDirectionalDerivativesRequest line;
  v1::TraceBackpropagationRequest trace;

  grpc::Status StreamHessianVectorProduct(grpc::ServerContext* context,
                                          const v1::StreamHessianVectorProductRequest* request,
                                          grpc::ServerWriter<v1::StreamHessianVectorProductResponse>* writer) override {
    using Layer = v1::StreamHessianVectorProductResponse;
    products = request->request();
    has_deadline = HasDeadline(*context);
    Send(Layer::VECTOR_GRADIENT, 0, {3, 0, 4}, writer);
    const int random_count = products.random_directions().count();
    const int count = products.directions_size() + (products.gradient_direction() ? 1 : 0) + random_count;
    for (int i = 0; i < count; ++i) Send(Layer::VECTOR_PRODUCT, i, {-1.0 - i, -2, -3}, writer);
    for (int i = 0; i < random_count; ++i) Send(Layer::VECTOR_RANDOM_DIRECTION, i, {1, -1, 1}, writer);
    return grpc::Status::OK;
  }

  grpc::Status ComputeHessian(grpc::ServerContext* context, const v1::ComputeHessianRequest* request,
                              v1::ComputeHessianResponse* response) override {
    hessian = *request;
    has_deadline = HasDeadline(*context);
    response->mutable_hessian()->set_row_count(2);
    response->mutable_hessian()->set_column_count(request->diagonal() ? 1 : 2);
    response->mutable_hessian()->mutable_double_values()->Add(-3);
    response->mutable_hessian()->mutable_double_values()->Add(-4);
    if (request->diagonal()) return grpc::Status::OK;
    response->mutable_hessian()->mutable_double_values()->Add(-4);
    response->mutable_hessian()->mutable_double_values()->Add(-5);
    return grpc::Status::OK;
  }

  grpc::Status ComputeDirectionalDerivatives(grpc::ServerContext*,
                                             const v1::ComputeDirectionalDerivativesRequest* request,
                                             v1::ComputeDirectionalDerivativesResponse* response) override {
    line = *request;
    for (int k = 0; k <= request->order(); ++k) response->add_derivatives(0.5 * k);
    return grpc::Status::OK;
  }

  grpc::Status TraceBackpropagation(grpc::ServerContext*, const v1::TraceBackpropagationRequest* request,
                                    v1::TraceBackpropagationResponse*) override {
    trace = *request;
    return grpc::Status::OK;
  }

 private:
  static void Send(v1::StreamHessianVectorProductResponse::Vector vector, int index, const std::vector<double>& flat,
                   grpc::ServerWriter<v1::StreamHessianVectorProductResponse>* writer) {
    v1::StreamHessianVectorProductResponse layer;
    layer.set_vector(vector);
    layer.set_index(index);
    layer.mutable_parameters()->mutable_weights()->mutable_double_values()->Add(flat.begin(), flat.end() - 1);
    layer.mutable_parameters()->mutable_biases()->add_double_values(flat.back());
    writer->Write(layer);
  }
};

class DerivativeCommandsTest : public testing::Test {
 protected:
  DerivativeCommandsTest() {
    v1::Session& session = sessions_.session;
    session.set_name("sessions/x");
    session.mutable_network()->set_input_unit_count(2);
    session.mutable_network()->set_output_unit_count(1);
    session.mutable_network()->set_task(v1::TASK_REGRESSION);
    session.set_parameter_count(3);
  }

  absl::Status Run(const std::vector<std::string>& arguments, std::optional<double> timeout_seconds = std::nullopt) {
    CommandContext context;
    context.timeout_seconds = timeout_seconds;
    context.server = server_.address();
    CLI::App app;
    AddCommands(app, context);
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
    testing::internal::CaptureStdout();
    const absl::Status status = context.command();
    output_ = testing::internal::GetCapturedStdout();
    return status;
  }

  static std::vector<double> Written(const TemporaryFile& file, int64_t row_count) {
    auto array = ArrayFile::OpenNpy(file.path());
    EXPECT_EQ(array->row_count(), row_count);
    return ElementsOf(array->ReadMatrix(100, 1).value());
  }

  FakeSession sessions_;
  FakeDerivatives derivatives_;
  FakePatternStore store_;
  EmptyPredictions predictions_;
  FakeServer server_{store_, 0, {&sessions_, &derivatives_, &predictions_}};
  std::string output_;
};

TEST_F(DerivativeCommandsTest, HvpShowsTheCurvatureAlongEachDirection) {
  const TemporaryFile direction("1 0 2"), npy("");
  ASSERT_EQ(Run({"hvp", "x", "--direction", direction.path(), "--gradient", "--random", "1", "--seed", "7", "--npy",
                 npy.path()}),
            absl::OkStatus());
  ASSERT_EQ(derivatives_.products.directions_size(), 1);
  EXPECT_THAT(FlatOf(derivatives_.products.directions(0)), ElementsAre(1, 0, 2));
  EXPECT_EQ(derivatives_.products.random_directions().seed(), 7);
  EXPECT_EQ(derivatives_.products.pattern_set(), "training");
  EXPECT_THAT(output_, HasSubstr("direction v  |v|         |H v|       v' H v\n"
                                 "1            2.23606798  3.74165739  -7\n"
                                 "gradient     5           4.12310563  -18\n"
                                 "random 1     1.73205081  4.69041576  -4\n"));
  EXPECT_THAT(Written(npy, 3), ElementsAre(-1, -2, -3, -2, -2, -3, -3, -2, -3));
}

TEST_F(DerivativeCommandsTest, HvpOfOneDirectionIsWrittenAsAVector) {
  const TemporaryFile npy("");
  ASSERT_EQ(Run({"hvp", "x", "--gradient", "--curvature", "gauss-newton", "--work-limit", "9", "--model-version", "4",
                 "--npy", npy.path()}),
            absl::OkStatus());
  EXPECT_EQ(derivatives_.products.curvature(), v1::CURVATURE_GAUSS_NEWTON);
  EXPECT_EQ(derivatives_.products.work_limit(), 9);
  EXPECT_EQ(derivatives_.products.model_version(), 4);
  EXPECT_THAT(Written(npy, 3), ElementsAre(-1, -2, -3));
}

TEST_F(DerivativeCommandsTest, HvpNeedsADirection) {
  EXPECT_THAT(std::string(Run({"hvp", "x"}).message()), HasSubstr("--direction FILE, --gradient or --random N"));
}

TEST_F(DerivativeCommandsTest, HessianIsShownAndWrittenAsAMatrix) {
  const TemporaryFile npy("");
  ASSERT_EQ(Run({"hessian", "x", "--layer", "1", "--npy", npy.path()}), absl::OkStatus());
  EXPECT_TRUE(derivatives_.hessian.has_layer());
  EXPECT_EQ(derivatives_.hessian.layer(), 0);
  EXPECT_THAT(output_, HasSubstr("hessian 2 x 2 norm 8.1240384  trace -8\n-3  -4\n-4  -5\n"));
  EXPECT_THAT(Written(npy, 2), ElementsAre(-3, -4, -4, -5));
}

TEST_F(DerivativeCommandsTest, DiagonalIsAVector) {
  const TemporaryFile npy("");
  ASSERT_EQ(Run({"hessian", "x", "--diagonal", "--npy", npy.path()}), absl::OkStatus());
  EXPECT_TRUE(derivatives_.hessian.diagonal());
  EXPECT_THAT(output_, HasSubstr("diagonal of 2 norm 5  trace -7\n-3\n-4\n"));
  EXPECT_THAT(Written(npy, 2), ElementsAre(-3, -4));
}

TEST_F(DerivativeCommandsTest, DerivativesAreShownByTheirOrder) {
  const TemporaryFile direction("1,2,3"), npy("");
  ASSERT_EQ(Run({"derivatives", "x", "--order", "2", "--direction", direction.path(), "--input-direction", "-1,0.5",
                 "--npy", npy.path()}),
            absl::OkStatus());
  EXPECT_THAT(FlatOf(derivatives_.line.direction()), ElementsAre(1, 2, 3));
  EXPECT_THAT(ElementsOf(derivatives_.line.input_direction()), ElementsAre(-1, 0.5));
  EXPECT_THAT(output_, HasSubstr("order  derivative\n0      0\n1      0.5\n2      1\n"));
  EXPECT_THAT(Written(npy, 3), ElementsAre(0, 0.5, 1));
}

TEST_F(DerivativeCommandsTest, DerivativesFollowTheGradientOrARandomDirection) {
  ASSERT_EQ(Run({"derivatives", "x", "--gradient"}), absl::OkStatus());
  EXPECT_TRUE(derivatives_.line.gradient_direction());
  ASSERT_EQ(Run({"derivatives", "x", "--random-seed", "0"}), absl::OkStatus());
  EXPECT_TRUE(derivatives_.line.has_random_direction_seed());
}

TEST_F(DerivativeCommandsTest, TraceSendsOnePattern) {
  ASSERT_EQ(Run({"trace", "--pattern", "1,-2", "--target", "0.5", "x"}), absl::OkStatus());
  EXPECT_THAT(ElementsOf(derivatives_.trace.patterns().inputs()), ElementsAre(1, -2));
  EXPECT_THAT(ElementsOf(derivatives_.trace.patterns().targets()), ElementsAre(0.5));
}

TEST_F(DerivativeCommandsTest, TraceTakesAClassByItsNameOrIndex) {
  v1::NetworkSpec& network = *sessions_.session.mutable_network();
  network.set_output_unit_count(2);
  network.set_task(v1::TASK_MULTIWAY_CLASSIFICATION);
  network.add_output_names("cat");
  network.add_output_names("dog");
  for (const char* const target : {"dog", "1"}) {
    ASSERT_EQ(Run({"trace", "x", "--pattern", "1,2", "--target", target}), absl::OkStatus());
    EXPECT_THAT(derivatives_.trace.patterns().target_classes(), ElementsAre(1));
  }
  ASSERT_EQ(Run({"trace", "x", "--pattern", "1,2", "--target", "0.25,0.75"}), absl::OkStatus());
  EXPECT_THAT(ElementsOf(derivatives_.trace.patterns().targets()), ElementsAre(0.25, 0.75));
  EXPECT_THAT(std::string(Run({"trace", "x", "--pattern", "1,2", "--target", "bird"}).message()),
              HasSubstr("\"bird\" is no number or class of a target"));
}

TEST_F(DerivativeCommandsTest, TraceTakesTheTargetsBehindTheInputs) {
  ASSERT_EQ(Run({"trace", "x", "--pattern", "1,-2,0.5"}), absl::OkStatus());
  EXPECT_THAT(ElementsOf(derivatives_.trace.patterns().inputs()), ElementsAre(1, -2));
  EXPECT_THAT(ElementsOf(derivatives_.trace.patterns().targets()), ElementsAre(0.5));
  ASSERT_EQ(Run({"trace", "x", "--pattern", "1,-2"}), absl::OkStatus());
  EXPECT_FALSE(derivatives_.trace.patterns().has_targets());
  EXPECT_THAT(std::string(Run({"trace", "x", "--pattern", "1,two", "--target", "1"}).message()),
              HasSubstr("\"two\" is no number of an input"));
}

TEST_F(DerivativeCommandsTest, TraceTakesAClassOfABinaryNetworkByItsName) {
  v1::NetworkSpec& network = *sessions_.session.mutable_network();
  network.set_task(v1::TASK_BINARY_CLASSIFICATION);
  network.add_output_names("no");
  network.add_output_names("yes");
  ASSERT_EQ(Run({"trace", "x", "--pattern", "1,2", "--target", "yes"}), absl::OkStatus());
  EXPECT_THAT(ElementsOf(derivatives_.trace.patterns().targets()), ElementsAre(1));
}

TEST_F(DerivativeCommandsTest, WhatIsComputedOverPatternsHasADeadlineOnlyIfAskedFor) {
  ASSERT_EQ(Run({"hessian", "x"}), absl::OkStatus());
  EXPECT_FALSE(derivatives_.has_deadline);
  ASSERT_EQ(Run({"hessian", "x"}, /*timeout_seconds=*/500), absl::OkStatus());
  EXPECT_TRUE(derivatives_.has_deadline);
  ASSERT_EQ(Run({"hvp", "x", "--gradient"}), absl::OkStatus());
  EXPECT_FALSE(derivatives_.has_deadline);
  ASSERT_EQ(Run({"hvp", "x", "--gradient"}, /*timeout_seconds=*/500), absl::OkStatus());
  EXPECT_TRUE(derivatives_.has_deadline);
  const TemporaryFile inputs("1,2\n");
  ASSERT_EQ(Run({"predict", "x", inputs.path()}), absl::OkStatus());
  EXPECT_FALSE(predictions_.has_deadline);
  ASSERT_EQ(Run({"predict", "x", inputs.path()}, /*timeout_seconds=*/500), absl::OkStatus());
  EXPECT_TRUE(predictions_.has_deadline);
}

// The variance of a pattern's one output takes the square of the parameters' count: 10^12 in all.
TEST_F(DerivativeCommandsTest, PredictWithUncertaintyKeepsRequestsToTheirWork) {
  std::string content;
  for (int i = 0; i < 150'000; ++i) content += "1,2\n";
  const TemporaryFile inputs(content);
  sessions_.session.set_parameter_count(4000);
  ASSERT_EQ(Run({"predict", "x", inputs.path(), "--with-uncertainty"}), absl::OkStatus());
  EXPECT_THAT(predictions_.request_sizes, ElementsAre(62'500, 62'500, 25'000));
}

}  // namespace
}  // namespace backprop::client
