// Gradients, predictions and evaluations over the wire: what good requests compute.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/server/services/messages.h"
#include "tests/server/services/test_server.h"

namespace backprop::server {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;

// Patterns of 2 inputs and 3 output units, with weights.
constexpr char kInputs[] = "inputs { row_count: 3 column_count: 2 double_values: [0.5, -1, 2, 0.25, -0.75, 1.5] } ";
constexpr char kTargets[] = "targets { row_count: 3 column_count: 3 double_values: [1, 0, 2, -1, 0.5, 0, 3, 1, 1] } ";
constexpr char kWeights[] = "pattern_weights: [1, 0.5, 2] ";

class ComputationServiceTest : public testing::Test {
 protected:
  ComputationServiceTest() { CreateScaledRegression(server_); }

  static std::string Patterns() { return absl::StrCat("patterns { ", kInputs, kTargets, kWeights, "} "); }
  v1::ComputeGradientResponse Gradient(const std::string& fields) {
    return Must(server_.derivatives, &DerivativeStub::ComputeGradient, "session: 'sessions/r' " + fields);
  }
  v1::PredictResponse Predict(const std::string& session, const std::string& fields) {
    return Must(server_.predictions, &PredictionStub::Predict,
                absl::StrCat("session: 'sessions/", session, "' ", fields));
  }

  TestServer server_;
};

TEST_F(ComputationServiceTest, PatternGradientsSumToTheGradient) {
  const auto answer = Gradient(Patterns() + "per_pattern: true");
  ASSERT_EQ(answer.pattern_gradients_size(), 3);
  const std::vector<double> gradient = FlatOf(answer.gradient());
  std::vector<double> sum(gradient.size());
  for (const v1::Parameters& one : answer.pattern_gradients()) {
    const std::vector<double> flat = FlatOf(one);
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += flat[i];
  }
  for (size_t i = 0; i < sum.size(); ++i) EXPECT_NEAR(sum[i], gradient[i], 1e-12);  // Roundings of three terms.
}

TEST_F(ComputationServiceTest, InputGradientsAreTheDifferencesOfTheLogLikelihood) {
  const auto answer = Gradient(Patterns() + "input_gradients: true");
  ASSERT_EQ(answer.input_gradients().row_count(), 3);
  const double step = 1e-6;  // Central differences: an error of about 1e-10 from rounding, less from curvature.
  for (int i = 0; i < 6; ++i) {
    auto request = Parse<v1::ComputeGradientRequest>("session: 'sessions/r' " + Patterns());
    auto* const inputs = request.mutable_patterns()->mutable_inputs()->mutable_double_values();
    const double input = inputs->at(i);
    inputs->at(i) = input + step;
    const double above = Must(server_.derivatives, &DerivativeStub::ComputeGradient, request).log_likelihood();
    inputs->at(i) = input - step;
    const double below = Must(server_.derivatives, &DerivativeStub::ComputeGradient, request).log_likelihood();
    EXPECT_NEAR(answer.input_gradients().double_values(i), (above - below) / (2 * step), 1e-7);
  }
}

TEST_F(ComputationServiceTest, ErrorSignalsOfTheTargetsGiveTheGradientOfTheTargets) {
  const auto expected = Gradient(Patterns() + "input_gradients: true per_pattern: true");
  // In scaled units the signal is target - output; both scale alike, so the offsets cancel.
  const v1::PredictResponse prediction = Predict("r", kInputs);
  const auto patterns = Parse<v1::Patterns>(absl::StrCat(kInputs, kTargets, kWeights));
  const double scale[] = {0.5, 2, -4};
  auto request = Parse<v1::ComputeGradientRequest>(absl::StrCat(
      "session: 'sessions/r' per_pattern: true input_gradients: true patterns { ", kInputs, kWeights, "}"));
  v1::Matrix* const signals = request.mutable_output_error_signals();
  signals->set_row_count(3);
  signals->set_column_count(3);
  for (int i = 0; i < 9; ++i) {
    signals->add_double_values((patterns.targets().double_values(i) - prediction.outputs().double_values(i)) *
                               scale[i % 3]);
  }
  const auto answer = Must(server_.derivatives, &DerivativeStub::ComputeGradient, request);
  const std::vector<double> actual = FlatOf(answer.gradient()), wanted = FlatOf(expected.gradient());
  for (size_t i = 0; i < wanted.size(); ++i) EXPECT_NEAR(actual[i], wanted[i], 1e-12);
  for (int i = 0; i < 6; ++i) {
    EXPECT_NEAR(answer.input_gradients().double_values(i), expected.input_gradients().double_values(i), 1e-12);
  }
  for (int t = 0; t < 3; ++t) {
    EXPECT_NEAR(FlatOf(answer.pattern_gradients(t))[0], FlatOf(expected.pattern_gradients(t))[0], 1e-12);
  }
  EXPECT_EQ(answer.log_likelihood(), 0);
}

TEST_F(ComputationServiceTest, AStoredSetAndTheSamePatternsGiveTheSameBits) {
  Append(server_, absl::StrCat("session: 'sessions/r' pattern_set: 's' ", Patterns()));
  auto stored = Gradient("pattern_set: 's' per_pattern: true input_gradients: true");
  EXPECT_EQ(stored.DebugString(), Gradient(Patterns() + "per_pattern: true input_gradients: true").DebugString());
}

TEST_F(ComputationServiceTest, APinnedVersionIsAnsweredAfterNewerOnes) {
  Append(server_, absl::StrCat("session: 'sessions/r' pattern_set: 's' ", Patterns()));
  const auto gradient = Gradient("pattern_set: 's'");
  const auto prediction = Predict("r", kInputs);
  const auto evaluation =
      Must(server_.evaluations, &EvaluationStub::Evaluate, "session: 'sessions/r' pattern_set: 's'");
  Collect(server_.training, &TrainingStub::RunEpochs, "session: 'sessions/r' pattern_set: 's' epoch_count: 3");
  EXPECT_EQ(Predict("r", kInputs).model_version(), 3);
  EXPECT_EQ(Gradient("pattern_set: 's' model_version: 0").DebugString(), gradient.DebugString());
  EXPECT_EQ(Predict("r", absl::StrCat(kInputs, "model_version: 0")).DebugString(), prediction.DebugString());
  EXPECT_EQ(
      Must(server_.evaluations, &EvaluationStub::Evaluate, "session: 'sessions/r' pattern_set: 's' model_version: 0")
          .DebugString(),
      evaluation.DebugString());
}

TEST_F(ComputationServiceTest, ScalingIsAppliedAlikeEverywhere) {
  // A session without scalings, fed what the other scales itself.
  Create(server_, "u",
         "input_unit_count: 2 hidden_layers { unit_count: 4 activation: ACTIVATION_TANH } output_unit_count: 3 task: 1 "
         "precision: PRECISION_FLOAT64 initial_weights { seed: 3 }");
  auto patterns = Parse<v1::Patterns>(absl::StrCat(kInputs, kTargets, kWeights));
  const double x_offset[] = {0.5, -1}, x_scale[] = {2, -0.5};
  const double y_offset[] = {1, 2, 3}, y_scale[] = {0.5, 2, -4};
  for (int i = 0; i < 6; ++i) {
    double& x = patterns.mutable_inputs()->mutable_double_values()->at(i);
    x = (x - x_offset[i % 2]) * x_scale[i % 2];
  }
  for (int i = 0; i < 9; ++i) {
    double& y = patterns.mutable_targets()->mutable_double_values()->at(i);
    y = (y - y_offset[i % 3]) * y_scale[i % 3];
  }
  v1::ComputeGradientRequest request;
  request.set_session("sessions/u");
  *request.mutable_patterns() = patterns;
  const auto unscaled = Must(server_.derivatives, &DerivativeStub::ComputeGradient, request);
  const auto scaled = Gradient(Patterns());
  EXPECT_DOUBLE_EQ(scaled.log_likelihood(), unscaled.log_likelihood());
  EXPECT_EQ(FlatOf(scaled.gradient()), FlatOf(unscaled.gradient()));
  v1::PredictRequest predict;
  predict.set_session("sessions/u");
  *predict.mutable_inputs() = patterns.inputs();
  const auto raw = Must(server_.predictions, &PredictionStub::Predict, predict), own = Predict("r", kInputs);
  for (int i = 0; i < 9; ++i) {
    EXPECT_NEAR(own.outputs().double_values(i), raw.outputs().double_values(i) / y_scale[i % 3] + y_offset[i % 3],
                1e-12);
  }
  const auto evaluated =
      Must(server_.evaluations, &EvaluationStub::Evaluate, absl::StrCat("session: 'sessions/r' ", Patterns()));
  EXPECT_DOUBLE_EQ(evaluated.log_likelihood(), scaled.log_likelihood());
}

TEST_F(ComputationServiceTest, EvaluationOfARegressionIsInTheCallersUnits) {
  const auto evaluated =
      Must(server_.evaluations, &EvaluationStub::Evaluate, absl::StrCat("session: 'sessions/r' ", Patterns()));
  const auto outputs = Predict("r", kInputs).outputs();
  const auto patterns = Parse<v1::Patterns>(absl::StrCat(kInputs, kTargets, kWeights));
  double sum = 0;
  for (int i = 0; i < 9; ++i) {
    const double error = patterns.targets().double_values(i) - outputs.double_values(i);
    sum += double{patterns.pattern_weights(i / 3)} * error * error;
  }
  EXPECT_NEAR(evaluated.mean_squared_error(), sum / 3.5 / 3, 1e-12 * sum);
  EXPECT_DOUBLE_EQ(evaluated.mean_log_likelihood(), evaluated.log_likelihood() / 3.5);
  EXPECT_FALSE(evaluated.has_accuracy());
  EXPECT_FALSE(evaluated.has_confusion_matrix());
}

// A network without hidden layers whose outputs are its inputs, activated.
void CreateIdentity(TestServer& server, const std::string& id, const std::string& fields) {
  Must(server.sessions, &SessionStub::CreateSession,
       absl::StrCat("session_id: '", id, "' session { network { input_unit_count: 2 output_unit_count: 2 ", fields,
                    " } } parameters { layers { weights { row_count: 2 column_count: 2 values: [1, 0, 0, 1] } biases { "
                    "row_count: 2 column_count: 1 values: [0, 0] } } }"));
}

TEST_F(ComputationServiceTest, MultiwayClassesAreNamedByTheirMostActiveUnit) {
  CreateIdentity(server_, "m", "task: 3 output_names: ['cat', 'dog']");
  const auto prediction = Predict("m", "inputs { row_count: 3 column_count: 2 values: [1, 2, 5, 4, 7, 7] }");
  EXPECT_THAT(prediction.classes(), ElementsAre(1, 0, 0));
  EXPECT_THAT(prediction.class_names(), ElementsAre("dog", "cat", "cat"));
}

TEST_F(ComputationServiceTest, BinaryClassesAreOneAUnitAndNamedOnlyForASingleUnit) {
  CreateIdentity(server_, "b", "task: 2 output_names: ['left', 'right']");
  const auto two = Predict("b", "inputs { row_count: 2 column_count: 2 values: [1, -1, 0, -2] }");
  EXPECT_THAT(two.classes(), ElementsAre(1, 0, 1, 0));
  EXPECT_EQ(two.class_names_size(), 0);
  Must(server_.sessions, &SessionStub::CreateSession,
       "session_id: 'c' session { network { input_unit_count: 1 output_unit_count: 1 task: 2 output_names: ['no', "
       "'yes'] "
       "} } parameters { layers { weights { row_count: 1 column_count: 1 values: 1 } biases { row_count: 1 "
       "column_count: "
       "1 values: 0 } } }");
  const auto one = Predict("c", "inputs { row_count: 2 column_count: 1 values: [-3, 3] }");
  EXPECT_THAT(one.class_names(), ElementsAre("no", "yes"));
}

TEST_F(ComputationServiceTest, TheConfusionMatrixHasTrueClassesInRows) {
  CreateIdentity(server_, "m", "task: 3");
  const auto evaluated = Must(server_.evaluations, &EvaluationStub::Evaluate, R"pb(
    session: 'sessions/m'
    patterns {
      inputs {
        row_count: 3
        column_count: 2
        values: [ 0, 1, 0, 1, 1, 0 ]
      }
      target_classes: [ 0, 1, 0 ]
      pattern_weights: [ 2, 1, 1 ]
    })pb");
  EXPECT_THAT(evaluated.confusion_matrix().double_values(), ElementsAre(1, 2, 0, 1));
  EXPECT_EQ(evaluated.accuracy(), 0.5);
}

TEST_F(ComputationServiceTest, AStreamOfPredictionsAnswersEachInOrder) {
  const auto request = [](const std::string& text) { return Parse<v1::PredictStreamRequest>(text); };
  const auto streamed =
      Exchange(server_.predictions, &PredictionStub::PredictStream,
               {request("session: 'sessions/r' inputs { row_count: 1 column_count: 2 values: [1, 2] }"),
                request("inputs { row_count: 1 column_count: 2 values: [3, 4] }")});
  EXPECT_TRUE(streamed.status.ok());
  ASSERT_EQ(streamed.responses.size(), 2u);
  EXPECT_EQ(streamed.responses[1].DebugString(),
            Predict("r", "inputs { row_count: 1 column_count: 2 values: [3, 4] }").DebugString());
}

TEST_F(ComputationServiceTest, SoftmaxOutputsAreEquation37) {
  CreateIdentity(server_, "m", "task: 3 precision: PRECISION_FLOAT64");
  EXPECT_THAT(Predict("m", "inputs { row_count: 1 column_count: 2 values: [1, 3] }").outputs().double_values(),
              ElementsAre(DoubleNear(1 / (1 + std::exp(2.0)), 1e-15), DoubleNear(1 / (1 + std::exp(-2.0)), 1e-15)));
}

}  // namespace
}  // namespace backprop::server
