// Standard deviations of predictions over the wire. The closed form: in a linear regression with normal noise of
// variance 1 the parameters' covariance is (prior_precision I + sum over patterns of z z')^-1 with z = (x, 1).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/server/services/test_server.h"

namespace backprop::server {
namespace {

constexpr char kTwoInputs[] = "inputs { row_count: 2 column_count: 1 double_values: [4, -1] } ";

class PredictionUncertaintyTest : public testing::Test {
 protected:
  PredictionUncertaintyTest() {
    Must(server_.sessions, &SessionStub::CreateSession, R"pb(
      session_id: 'r'
      session {
        network { input_unit_count: 1 output_unit_count: 1 task: TASK_REGRESSION precision: PRECISION_FLOAT64 }
        input_scaling { offset: 1 scale: 0.5 }
        target_scaling { offset: 3 scale: -4 }
      })pb");
    for (const char* const set : {"training", "twice"}) {
      Append(server_, absl::StrCat("session: 'sessions/r' pattern_set: '", set,
                                   "' patterns { inputs { row_count: 3 column_count: 1 values: [1, 2, 5] } targets { "
                                   "row_count: 3 column_count: 1 values: [1, 3, 2] } pattern_weights: [1, 2, ",
                                   set == std::string("twice") ? 2 : 0.5, "] }"));
    }
  }

  v1::PredictResponse Predict(const std::string& fields) {
    return Must(server_.predictions, &PredictionStub::Predict,
                absl::StrCat("session: 'sessions/r' ", kTwoInputs, fields));
  }

  // The standard deviation of the output for `input`, where the third pattern has this weight.
  static double ClosedForm(double input, double prior_precision, double third_weight) {
    const double x[] = {1, 2, 5}, weight[] = {1, 2, third_weight};
    double a = prior_precision, b = 0, c = prior_precision;  // [a b; b c]
    for (int t = 0; t < 3; ++t) {
      const double scaled = (x[t] - 1) * 0.5;
      a += weight[t] * scaled * scaled;
      b += weight[t] * scaled;
      c += weight[t];
    }
    const double scaled = (input - 1) * 0.5;
    const double variance = (c * scaled * scaled - 2 * b * scaled + a) / (a * c - b * b);
    return std::sqrt(variance) / 4;  // In the caller's units.
  }

  TestServer server_;
};

TEST_F(PredictionUncertaintyTest, LinearRegressionHasItsClosedForm) {
  const auto prediction = Predict("with_uncertainty: true");
  ASSERT_EQ(prediction.standard_deviations().row_count(), 2);
  ASSERT_EQ(prediction.standard_deviations().double_values_size(), 2);
  // A dozen roundings of numbers of about 1.
  EXPECT_NEAR(prediction.standard_deviations().double_values(0), ClosedForm(4, 1, 0.5), 1e-12);
  EXPECT_NEAR(prediction.standard_deviations().double_values(1), ClosedForm(-1, 1, 0.5), 1e-12);
}

TEST_F(PredictionUncertaintyTest, SetAndPriorAreThoseAskedFor) {
  const auto prediction =
      Predict("with_uncertainty: true laplace_approximation { pattern_set: 'twice' prior_precision: 0.25 }");
  EXPECT_NEAR(prediction.standard_deviations().double_values(0), ClosedForm(4, 0.25, 2), 1e-12);
}

TEST_F(PredictionUncertaintyTest, VersionIsTheOneAskedFor) {
  const auto pinned = Predict("with_uncertainty: true");
  Must(server_.sessions, &SessionStub::SetParameters,
       "name: 'sessions/r' parameters { layers { weights { row_count: 1 column_count: 1 values: 7 } biases { "
       "row_count: 1 column_count: 1 values: 1 } } }");
  EXPECT_EQ(Predict("with_uncertainty: true model_version: 0").DebugString(), pinned.DebugString());
  EXPECT_NE(Predict("with_uncertainty: true").DebugString(), pinned.DebugString());
}

TEST_F(PredictionUncertaintyTest, OutputsAreTheSameWithAndWithout) {
  auto with = Predict("with_uncertainty: true");
  const auto without = Predict("");
  EXPECT_FALSE(without.has_standard_deviations());
  with.clear_standard_deviations();
  EXPECT_EQ(with.DebugString(), without.DebugString());
}

TEST_F(PredictionUncertaintyTest, A4096ParameterNetworkIsTheLimit) {
  for (const int input_unit_count : {4095, 4096}) {
    const std::string id = absl::StrCat("s", input_unit_count);
    Create(server_, id, absl::StrCat("input_unit_count: ", input_unit_count, " output_unit_count: 1 task: 1"));
    v1::AppendPatternsRequest append;
    append.set_session("sessions/" + id);
    append.set_pattern_set("training");
    v1::Matrix* const inputs = append.mutable_patterns()->mutable_inputs();
    inputs->set_row_count(1);
    inputs->set_column_count(input_unit_count);
    for (int i = 0; i < input_unit_count; ++i) inputs->add_values(0.01F);
    *append.mutable_patterns()->mutable_targets() = Parse<v1::Matrix>("row_count: 1 column_count: 1 values: 1");
    Exchange(server_.patterns, &PatternStub::AppendPatterns, {append});
    v1::PredictRequest request;
    request.set_session("sessions/" + id);
    *request.mutable_inputs() = *inputs;
    request.set_with_uncertainty(true);
    request.set_work_limit(1);  // At the limit it is priced, which is enough here: carrying it out takes seconds.
    const RpcError error = MustFail(server_.predictions, &PredictionStub::Predict, request);
    EXPECT_EQ(error.code, grpc::RESOURCE_EXHAUSTED);
    EXPECT_EQ(error.reason, input_unit_count == 4095 ? "WORK_LIMIT" : "HESSIAN_LIMIT");
  }
}

}  // namespace
}  // namespace backprop::server
