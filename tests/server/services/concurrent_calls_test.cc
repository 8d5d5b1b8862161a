// Eight sessions train while callers append to and predict on all of them, over the socket.
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/batch_computation.h"
#include "core/error.h"
#include "server/services/matrix_codec.h"
#include "server/services/parameters_codec.h"
#include "tests/server/services/test_server.h"

namespace backprop::server {
namespace {

constexpr int kSessions = 8;
constexpr int kRounds = 25;
constexpr char kSmallNetwork[] =
    "input_unit_count: 3 hidden_layers { unit_count: 5 activation: ACTIVATION_TANH } output_unit_count: 2 task: 1 "
    "precision: 2 ";

std::string NameOf(int i) { return absl::StrCat("sessions/s", i); }

v1::Matrix InputsOf(int seed) {
  v1::Matrix inputs;
  inputs.set_row_count(2);
  inputs.set_column_count(3);
  for (int k = 0; k < 6; ++k) inputs.add_double_values(0.1 * k - 0.01 * seed);
  return inputs;
}

class ConcurrentCallsTest : public testing::Test {
 protected:
  ConcurrentCallsTest() {
    for (int i = 0; i < kSessions; ++i) {
      Create(server_, absl::StrCat("s", i), absl::StrCat(kSmallNetwork, "initial_weights { seed: ", i, " }"));
      AppendTo(i, 0);
      contexts_.push_back(std::make_unique<grpc::ClientContext>());
      runs_.push_back(server_.training->RunEpochs(
          contexts_.back().get(),
          Parse<v1::RunEpochsRequest>(absl::StrCat(
              "session: '", NameOf(i), "' pattern_set: 's' epoch_count: 1000000 options { batch_size: ", i % 3,
              " step_size: 0.01 }"))));
      runs_.back()->WaitForInitialMetadata();
    }
  }
  ~ConcurrentCallsTest() override {
    for (const auto& context : contexts_) context->TryCancel();
    for (const auto& run : runs_) run->Finish();
  }

  void AppendTo(int i, int round) {
    v1::AppendPatternsRequest request;
    request.set_session(NameOf(i));
    request.set_pattern_set("s");
    request.set_offset(2 * round);
    *request.mutable_patterns()->mutable_inputs() = InputsOf(round);
    v1::Matrix* const targets = request.mutable_patterns()->mutable_targets();
    targets->set_row_count(2);
    targets->set_column_count(2);
    for (int k = 0; k < 4; ++k) targets->add_double_values(0.2 * k);
    const auto streamed = Exchange(server_.patterns, &PatternStub::AppendPatterns, {request});
    ASSERT_EQ(streamed.responses.size(), 1u);
    EXPECT_EQ(streamed.responses[0].status().code(), 0) << streamed.responses[0].status().message();
    EXPECT_EQ(streamed.responses[0].next_offset(), 2 * round + 2);
  }

  // What the core makes of the inputs with the parameters.
  Matrix<double> Expected(const v1::Parameters& parameters, const v1::Matrix& inputs) {
    Violations violations;
    const Matrix<double> x = DecodeMatrix<double>(inputs, {.row_count = 2, .column_count = 3}, "inputs", &violations);
    const Parameters<double> w = DecodeParameters<double>(parameters, spec_, "parameters", &violations);
    EXPECT_TRUE(violations.empty());
    return Predict<double>(spec_, {}, w, x, NeverStop);
  }

  TestServer server_{{.worker_count = 2}};
  const NetworkSpec spec_ = NetworkSpec::Create({.input_unit_count = 3,
                                                 .hidden_layers = {{5, Activation::kTanh}},
                                                 .output_unit_count = 2,
                                                 .task = Task::kRegression,
                                                 .precision = Precision::kFloat64})
                                .value();
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts_;
  std::vector<std::unique_ptr<grpc::ClientReader<v1::EpochReport>>> runs_;
};

TEST_F(ConcurrentCallsTest, EveryPredictionIsThatOfTheVersionItNames) {
  std::atomic<int> compared = 0;
  const auto predict = [&](int i, int round) {
    v1::PredictRequest request;
    request.set_session(NameOf(i));
    *request.mutable_inputs() = InputsOf(round);
    // Versions go by while the call is under way: whichever is still kept when it is asked for is compared.
    const v1::PredictResponse latest = Must(server_.predictions, &PredictionStub::Predict, request);
    v1::Parameters parameters;
    v1::GetParametersRequest get;
    get.set_name(NameOf(i));
    get.set_model_version(latest.model_version());
    const grpc::Status status = Try(server_.sessions, &SessionStub::GetParameters, get, &parameters);
    if (!status.ok()) {
      EXPECT_EQ(ErrorOf(status).reason, "MODEL_VERSION_NOT_FOUND");
      return;
    }
    EXPECT_EQ(parameters.model_version(), latest.model_version());
    const Matrix<double> expected = Expected(parameters, request.inputs());
    ASSERT_EQ(latest.outputs().double_values_size(), 4);
    for (int k = 0; k < 4; ++k) EXPECT_EQ(latest.outputs().double_values(k), expected.data()[k]);
    ++compared;
  };
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 3; ++t) {
      threads.emplace_back([&] {
        for (int round = 0; round < kRounds; ++round) {
          for (int i = 0; i < kSessions; ++i) predict(i, round);
        }
      });
    }
    threads.emplace_back([&] {
      for (int round = 1; round <= kRounds; ++round) {
        for (int i = 0; i < kSessions; ++i) AppendTo(i, round);
      }
    });
    threads.emplace_back([&] {
      for (int round = 0; round < kRounds; ++round) {
        for (int i = 0; i < kSessions; ++i) {
          const auto gradient = Must(server_.derivatives, &DerivativeStub::ComputeGradient,
                                     absl::StrCat("session: '", NameOf(i), "' pattern_set: 's'"));
          EXPECT_EQ(gradient.gradient().model_version(), gradient.model_version());
          EXPECT_EQ(gradient.pattern_count() % 2, 0);
        }
      }
    });
  }
  // Stopped, a session's latest version stays: every one is compared at least now.
  for (int i = 0; i < kSessions; ++i) {
    const v1::TrainingRun run = Must(server_.training, &TrainingStub::CancelTrainingRun,
                                     absl::StrCat("name: '", NameOf(i), "/trainingRuns/run-1'"));
    EXPECT_GT(run.completed_epoch_count(), 0);
    predict(i, kRounds);
    EXPECT_EQ(Must(server_.patterns, &PatternStub::GetPatternSet, absl::StrCat("name: '", NameOf(i), "/patternSets/s'"))
                  .pattern_count(),
              2 * kRounds + 2);
  }
  EXPECT_GE(compared, kSessions);
}

}  // namespace
}  // namespace backprop::server
