// What training computes, over the wire: batch training, steps from outside, and on-line training, to the bit.
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

constexpr char kExactPatterns[] = R"pb(
  patterns {
    inputs {
      row_count: 4
      column_count: 2
      double_values: [ 0.1, 0.9, -0.4, 1.3, 1.7, 0.2, -1.1, -0.6 ]
    }
    targets {
      row_count: 4
      column_count: 1
      double_values: [ 0.3, -0.2, 0.8, 0.1 ]
    }
  }
)pb";

// Sessions `a` and `b`, alike, with the same patterns in set `s`.
class ExactTrainingServiceTest : public testing::Test {
 protected:
  ExactTrainingServiceTest() {
    for (const std::string id : {"a", "b"}) {
      Create(server_, id,
             "input_unit_count: 2 hidden_layers { unit_count: 3 activation: ACTIVATION_TANH } output_unit_count: 1 "
             "task: TASK_REGRESSION precision: PRECISION_FLOAT64 initial_weights { seed: 7 }");
      Append(server_, absl::StrCat("session: 'sessions/", id, "' pattern_set: 's' ", kExactPatterns));
    }
  }

  v1::Parameters ParametersOf(const std::string& id) {
    return Must(server_.sessions, &SessionStub::GetParameters, "name: 'sessions/" + id + "'");
  }
  v1::ComputeGradientResponse Gradient(const std::string& id, const std::string& fields = "") {
    return Must(server_.derivatives, &DerivativeStub::ComputeGradient,
                "session: 'sessions/" + id + "' pattern_set: 's' " + fields);
  }
  std::vector<v1::EpochReport> Run(const std::string& id, const std::string& fields) {
    const auto run = Collect(server_.training, &TrainingStub::RunEpochs,
                             "session: 'sessions/" + id + "' pattern_set: 's' " + fields);
    EXPECT_TRUE(run.status.ok()) << run.status.error_message();
    return run.responses;
  }
  std::vector<v1::TrainOnlineResponse> Online(const std::vector<std::string>& texts) {
    std::vector<v1::TrainOnlineRequest> requests;
    for (const std::string& text : texts) requests.push_back(Parse<v1::TrainOnlineRequest>(text));
    const auto streamed = Exchange(server_.training, &TrainingStub::TrainOnline, requests);
    EXPECT_TRUE(streamed.status.ok()) << streamed.status.error_message();
    EXPECT_EQ(streamed.responses.size(), requests.size());
    return streamed.responses;
  }

  TestServer server_;
};

TEST_F(ExactTrainingServiceTest, ABatchReportIsOfTheParametersThatTheEpochBeganWith) {
  for (int epoch = 1; epoch <= 3; ++epoch) {
    const double before = Gradient("a").log_likelihood();
    EXPECT_EQ(Run("a", "epoch_count: 1").at(0).log_likelihood(), before);
  }
}

TEST_F(ExactTrainingServiceTest, StepsFromOutsideAreTheBitsOfBatchTraining) {
  const std::string options = "options { reduction: REDUCTION_SUM step_size: 0.05 gradient_ascent { momentum: 0.9 } }";
  Run("a", "epoch_count: 6 " + options);
  for (int epoch = 0; epoch < 6; ++epoch) {
    const v1::ComputeGradientResponse gradient = Gradient("b");
    auto request = Parse<v1::ApplyGradientRequest>("session: 'sessions/b' " + options);
    *request.mutable_gradient() = gradient.gradient();
    request.set_expected_model_version(gradient.model_version());
    EXPECT_EQ(Must(server_.training, &TrainingStub::ApplyGradient, request).model_version(), epoch + 1);
  }
  EXPECT_EQ(FlatOf(ParametersOf("a")), FlatOf(ParametersOf("b")));
}

TEST_F(ExactTrainingServiceTest, MeanAndSumDifferByTheSumOfWeights) {
  const auto sum = Gradient("a"), mean = Gradient("a", "reduction: REDUCTION_MEAN");
  EXPECT_DOUBLE_EQ(mean.log_likelihood() * 4, sum.log_likelihood());
  const std::vector<double> sums = FlatOf(sum.gradient()), means = FlatOf(mean.gradient());
  for (size_t i = 0; i < sums.size(); ++i) EXPECT_DOUBLE_EQ(means[i] * 4, sums[i]);
}

TEST_F(ExactTrainingServiceTest, OnlineTrainingAnswersTheOutputsBeforeTheUpdate) {
  const std::string pattern =
      "session: 'sessions/a' pattern_set: 'online' patterns { inputs { row_count: 1 column_count: 2 double_values: [1, "
      "2] } targets { row_count: 1 column_count: 1 double_values: 3 } } ";
  const auto predict = [&] {
    return Must(server_.predictions, &PredictionStub::Predict,
                "session: 'sessions/a' inputs { row_count: 1 column_count: 2 double_values: [1, 2] }")
        .outputs()
        .double_values(0);
  };
  const double before = predict();
  const auto answers = Online({pattern + "options { step_size: 0.1 }"});
  EXPECT_THAT(answers[0].outputs().double_values(), ElementsAre(before));
  EXPECT_DOUBLE_EQ(answers[0].log_likelihood(), -0.5 * (3 - before) * (3 - before));
  EXPECT_EQ(answers[0].next_offset(), 1);
  EXPECT_EQ(answers[0].model_version(), 1);
  EXPECT_NE(predict(), before);
}

TEST_F(ExactTrainingServiceTest, ARepeatedMessageIsNotLearnedTwice) {
  const std::string message = absl::StrCat("session: 'sessions/a' pattern_set: 'online' offset: 0 ", kExactPatterns);
  Online({message + "options { step_size: 0.1 adam {} }"});
  const v1::Parameters once = ParametersOf("a");
  const auto again = Online({message, message});  // In another stream, as after a broken connection.
  for (const auto& answer : again) {
    EXPECT_EQ(answer.status().code(), grpc::ALREADY_EXISTS);
    EXPECT_EQ(answer.next_offset(), 4);
    EXPECT_EQ(answer.model_version(), 1);
  }
  EXPECT_EQ(ParametersOf("a").DebugString(), once.DebugString());
}

TEST_F(ExactTrainingServiceTest, ABrokenStreamChangesNoBitOfWhatIsLearned) {
  const std::string options = "options { step_size: 0.1 gradient_ascent { momentum: 0.5 } }";
  const auto message = [](const std::string& id) {
    return absl::StrCat("session: 'sessions/", id, "' pattern_set: 'online' ", kExactPatterns);
  };
  Online({message("a") + options, message("a"), message("a")});
  Online({message("b") + options});
  Online({message("b") + options, message("b")});
  EXPECT_EQ(FlatOf(ParametersOf("a")), FlatOf(ParametersOf("b")));
}

TEST_F(ExactTrainingServiceTest, OptionsComeInTheFirstMessageOnly) {
  const std::string message = absl::StrCat("session: 'sessions/a' pattern_set: 'online' ", kExactPatterns);
  const auto answers = Online({message, message + "options { step_size: 1 }", message});
  EXPECT_EQ(answers[0].status().code(), grpc::OK);
  EXPECT_THAT(ErrorOf(answers[1].status()).fields, ElementsAre("options"));
  EXPECT_EQ(answers[2].status().code(), grpc::OK);
  EXPECT_EQ(answers[2].next_offset(), 8);
}

TEST_F(ExactTrainingServiceTest, ADivergingMessageChangesNothingAndTheStreamGoesOn) {
  const v1::Parameters before = ParametersOf("a");
  const std::string to = "session: 'sessions/a' pattern_set: 'online' ";
  const auto answers =
      Online({to + "patterns { inputs { row_count: 1 column_count: 2 double_values: [1, 2] } targets { row_count: 1 "
                   "column_count: 1 double_values: 1e300 } }",
              absl::StrCat(to, "offset: 0 ", kExactPatterns)});
  EXPECT_EQ(ErrorOf(answers[0].status()).reason, "DIVERGED");
  EXPECT_EQ(answers[0].next_offset(), 0);
  EXPECT_EQ(answers[0].model_version(), 0);
  EXPECT_EQ(answers[1].model_version(), 1);
  EXPECT_EQ(Must(server_.sessions, &SessionStub::GetParameters, "name: 'sessions/a' model_version: 0").DebugString(),
            before.DebugString());
}

}  // namespace
}  // namespace backprop::server
