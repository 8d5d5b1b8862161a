// Every bad request to DerivativeService: what it is refused with. See bad_request.h.
#include "absl/strings/str_cat.h"
#include "tests/server/services/bad_request.h"

namespace backprop::server::derivative_bad_requests {
namespace {

const std::string kInputs = "inputs { row_count: 1 column_count: 2 double_values: [1, 2] } ";
const std::string kTargets = "targets { row_count: 1 column_count: 3 double_values: [1, 0, 0] } ";
const std::string kPatterns = "patterns { " + kInputs + kTargets + "} ";
const std::string kOverflowing =
    "patterns { " + kInputs + "targets { row_count: 1 column_count: 3 double_values: [1e300, 0, 0] } } ";
const std::string kR = "session: 'sessions/r' ";
const std::string kSet = kR + "pattern_set: 'training' ";
const std::string kGradient = "gradient_direction: true ";

// A direction for session `r`; its second layer with weights of `weights`.
std::string Direction(const std::string& weights) {
  return "{ layers { weights { row_count: 2 column_count: 2 values: [1, 2, 3, 4] } biases { row_count: 2 column_count: "
         "1 "
         "values: [1, 2] } } layers { weights { " +
         weights + " } biases { row_count: 3 column_count: 1 values: [1, 2, 3] } } } ";
}
const std::string kGood = Direction("row_count: 3 column_count: 2 values: [1, 2, 3, 4, 5, 6]");
const std::string kTransposed = Direction("row_count: 2 column_count: 3 values: [1, 2, 3, 4, 5, 6]");
const std::string kNan = Direction("row_count: 3 column_count: 2 values: [1, 2, 3, nan, 5, 6]");

const std::vector<BadRequest> kGradientRows = {
    Invalid("ComputeGradient", "WithNothing", "", {"pattern_set", "session"}),
    Refused("ComputeGradient", "OfUnknownSession", "session: 'sessions/none' pattern_set: 'training'", kNotFound,
            "SESSION_NOT_FOUND"),
    Invalid("ComputeGradient", "WithBadSessionAndSet", "session: 'r' pattern_set: 'X'", {"pattern_set", "session"}),
    Invalid("ComputeGradient", "WithoutSource", kR, {"pattern_set"}),
    Invalid("ComputeGradient", "WithMalformedSetAndUnknownReduction", kR + "pattern_set: 'X' reduction: 9",
            {"pattern_set", "reduction"}),
    Refused("ComputeGradient", "OfUnknownSet", kR + "pattern_set: 'none'", kNotFound, "PATTERN_SET_NOT_FOUND"),
    Refused("ComputeGradient", "OfUnknownVersion", kR + "pattern_set: 'training' model_version: 2", kNotFound,
            "MODEL_VERSION_NOT_FOUND"),
    Invalid("ComputeGradient", "WithoutTargets", kR + "patterns { " + kInputs + "}", {"patterns.targets"}),
    Invalid("ComputeGradient", "WithInfiniteInputs",
            kR + "patterns { inputs { row_count: 1 column_count: 2 double_values: [inf, 2] } targets { row_count: 1 "
                 "column_count: 3 double_values: [1, 0, 0] } }",
            {"patterns.inputs"}),
    Invalid("ComputeGradient", "WithErrorSignalsOfAnotherShape",
            kR + "pattern_set: 'training' output_error_signals { row_count: 1 column_count: 2 values: [1, 2] }",
            {"output_error_signals.row_count", "output_error_signals.column_count"}),
    Invalid(
        "ComputeGradient", "WithErrorSignalNan",
        kR + "patterns { " + kInputs + "} output_error_signals { row_count: 1 column_count: 3 values: [1, nan, 3] }",
        {"output_error_signals"}),
    Refused("ComputeGradient", "WhoseLogLikelihoodOverflows",
            kR + "patterns { " + kInputs + "targets { row_count: 1 column_count: 3 double_values: [1e300, 0, 0] } }",
            kPrecondition, "NOT_FINITE"),
};

const std::vector<BadRequest> kTraceRows = {
    Invalid("TraceBackpropagation", "WithNothing", "", {"session"}),
    Refused("TraceBackpropagation", "OfUnknownSession", "session: 'sessions/none' " + kPatterns, kNotFound,
            "SESSION_NOT_FOUND"),
    Invalid("TraceBackpropagation", "WithoutPattern", kR, {"patterns.inputs"}),
    Invalid("TraceBackpropagation", "WithoutTargets", kR + "patterns { " + kInputs + "}", {"patterns.targets"}),
    Invalid("TraceBackpropagation", "OfTwoPatterns",
            kR + "patterns { inputs { row_count: 2 column_count: 2 values: [1, 2, 3, 4] } targets { row_count: 2 "
                 "column_count: 3 values: [1, 2, 3, 4, 5, 6] } }",
            {"patterns.inputs.row_count"}),
    Invalid("TraceBackpropagation", "OfNoPattern", kR + "patterns { inputs { column_count: 2 } }",
            {"patterns.inputs.row_count"}),
    Refused("TraceBackpropagation", "OfUnknownVersion", kR + kPatterns + "model_version: 9", kNotFound,
            "MODEL_VERSION_NOT_FOUND"),
    Refused("TraceBackpropagation", "WhoseLogLikelihoodOverflows", kR + kOverflowing, kPrecondition, "NOT_FINITE"),
};

// For both forms; `within` names the request.
std::vector<BadRequest> ProductRows(const std::string& method, const std::string& within) {
  const auto request = [&](const std::string& fields) {
    return within.empty() ? fields : within + " { " + fields + " }";
  };
  const auto in = [&](const std::string& field) { return within.empty() ? field : within + "." + field; };
  return {
      Invalid(method, "WithNothing", "", {in("pattern_set"), in("session")}),
      Refused(method, "OfUnknownSession", request("session: 'sessions/none' pattern_set: 'training' " + kGradient),
              kNotFound, "SESSION_NOT_FOUND"),
      Refused(method, "OfUnknownSet", request(kR + "pattern_set: 'none' " + kGradient), kNotFound,
              "PATTERN_SET_NOT_FOUND"),
      Refused(method, "OfUnknownVersion", request(kSet + kGradient + "model_version: 7"), kNotFound,
              "MODEL_VERSION_NOT_FOUND"),
      Invalid(method, "WithoutSource", request(kR + kGradient), {in("pattern_set")}),
      Invalid(method, "WithoutDirection", request(kSet), {in("directions")}),
      Invalid(method, "WithNothingRight",
              request(kR + "pattern_set: 'X' curvature: 9 work_limit: -1 random_directions { count: -1 }"),
              {in("pattern_set"), in("curvature"), in("work_limit"), in("random_directions.count")}),
      Invalid(method, "WithTooManyDirections", request(kSet + "random_directions { count: 257 }"),
              {in("random_directions.count")}),
      Invalid(method, "WithTooManyDirectionsOfAllKinds", request(kSet + kGradient + "random_directions { count: 256 }"),
              {in("directions")}),
      Invalid(method, "WithADirectionOfAnotherShape",
              request(kSet + "directions " + kGood + "directions " + kTransposed),
              {in("directions[1].layers[1].weights.row_count"), in("directions[1].layers[1].weights.column_count")}),
      Invalid(method, "WithADirectionOfOneLayer", request(kSet + "directions { layers { } }"),
              {in("directions[0].layers")}),
      Invalid(method, "WithANanInADirection", request(kSet + "directions " + kNan),
              {in("directions[0].layers[1].weights")}),
      Refused(method, "AboveItsWorkLimit", request(kSet + kGradient + "work_limit: 1"), kExhausted, "WORK_LIMIT"),
      Refused(method, "WhoseLogLikelihoodOverflows", request(kR + kOverflowing + "random_directions { count: 1 }"),
              kPrecondition, "NOT_FINITE"),
  };
}
const std::vector<BadRequest> kProductRows = ProductRows("ComputeHessianVectorProduct", "");
const std::vector<BadRequest> kProductStreamRows = ProductRows("StreamHessianVectorProduct", "request");

const std::vector<BadRequest> kHessianRows = {
    Invalid("ComputeHessian", "WithNothing", "", {"pattern_set", "session"}),
    Refused("ComputeHessian", "OfUnknownSession", "session: 'sessions/none' pattern_set: 'training'", kNotFound,
            "SESSION_NOT_FOUND"),
    Refused("ComputeHessian", "OfUnknownSet", kR + "pattern_set: 'none'", kNotFound, "PATTERN_SET_NOT_FOUND"),
    Refused("ComputeHessian", "OfUnknownVersion", kSet + "model_version: 7", kNotFound, "MODEL_VERSION_NOT_FOUND"),
    Invalid("ComputeHessian", "WithoutSource", kR, {"pattern_set"}),
    Invalid("ComputeHessian", "WithoutTargets", kR + "patterns { " + kInputs + "}", {"patterns.targets"}),
    Invalid("ComputeHessian", "WithNothingRight", kR + "pattern_set: 'X' curvature: 9 work_limit: -1 layer: 2",
            {"pattern_set", "curvature", "work_limit", "layer"}),
    Invalid("ComputeHessian", "OfANegativeLayer", kSet + "layer: -1", {"layer"}),
    Refused("ComputeHessian", "AboveItsWorkLimit", kSet + "work_limit: 1", kExhausted, "WORK_LIMIT"),
    Refused("ComputeHessian", "WhoseLogLikelihoodOverflows", kR + kOverflowing, kPrecondition, "NOT_FINITE"),
};

const std::vector<BadRequest> kLineRows = {
    Invalid("ComputeDirectionalDerivatives", "WithNothing", "", {"pattern_set", "session"}),
    Refused("ComputeDirectionalDerivatives", "OfUnknownSession",
            "session: 'sessions/none' pattern_set: 'training' " + kGradient, kNotFound, "SESSION_NOT_FOUND"),
    Refused("ComputeDirectionalDerivatives", "OfUnknownSet", kR + "pattern_set: 'none' " + kGradient, kNotFound,
            "PATTERN_SET_NOT_FOUND"),
    Refused("ComputeDirectionalDerivatives", "OfUnknownVersion", kSet + kGradient + "model_version: 7", kNotFound,
            "MODEL_VERSION_NOT_FOUND"),
    Invalid("ComputeDirectionalDerivatives", "WithoutSourceAndDirection", kR, {"pattern_set", "direction"}),
    Invalid("ComputeDirectionalDerivatives", "WithoutTheGradient", kSet + "gradient_direction: false", {"direction"}),
    Invalid("ComputeDirectionalDerivatives", "WithNothingRight",
            kR + "pattern_set: 'X' order: 17 work_limit: -1 input_direction { row_count: 2 column_count: 3 }",
            {"pattern_set", "order", "work_limit", "input_direction.row_count", "input_direction.column_count"}),
    Invalid("ComputeDirectionalDerivatives", "OfNegativeOrder", kSet + kGradient + "order: -1", {"order"}),
    Invalid("ComputeDirectionalDerivatives", "WithADirectionOfAnotherShape", kSet + "direction " + kTransposed,
            {"direction.layers[1].weights.row_count", "direction.layers[1].weights.column_count"}),
    Invalid("ComputeDirectionalDerivatives", "WithANanInItsDirection", kSet + "direction " + kNan,
            {"direction.layers[1].weights"}),
    Invalid("ComputeDirectionalDerivatives", "WithANanInItsInputDirection",
            kSet + "input_direction { row_count: 1 column_count: 2 values: [nan, 1] }", {"input_direction"}),
    Refused("ComputeDirectionalDerivatives", "AboveItsWorkLimit", kSet + kGradient + "work_limit: 1", kExhausted,
            "WORK_LIMIT"),
    Refused("ComputeDirectionalDerivatives", "WhoseLogLikelihoodOverflows",
            kR + kOverflowing + "random_direction_seed: 1", kPrecondition, "NOT_FINITE"),
};

std::vector<BadRequest> AllRows() {
  std::vector<BadRequest> all;
  for (const auto& rows : {kGradientRows, kTraceRows, kProductRows, kProductStreamRows, kHessianRows, kLineRows}) {
    all.insert(all.end(), rows.begin(), rows.end());
  }
  return all;
}

class DerivativeBadRequestTest : public BadRequestTest {};

TEST_P(DerivativeBadRequestTest, IsRefusedAndChangesNothing) {
  RefuseAndChangeNothing("DerivativeService", GetParam());
}

INSTANTIATE_TEST_SUITE_P(, DerivativeBadRequestTest, testing::ValuesIn(AllRows()), NameOfRow);

TEST(DerivativeBadRequestTableTest, HasARowForEveryMethod) {
  EXPECT_EQ(MethodsWithoutRow("DerivativeService", AllRows()), std::vector<std::string>());
}

}  // namespace
}  // namespace backprop::server::derivative_bad_requests
