// Every bad request to PredictionService and EvaluationService: what it is refused with. See
// bad_request.h.
#include "absl/strings/str_cat.h"
#include "tests/server/services/bad_request.h"

namespace backprop::server::computation_bad_requests {
namespace {

const std::string kInputs = "inputs { row_count: 1 column_count: 2 double_values: [1, 2] } ";
const std::string kPatterns =
    "patterns { " + kInputs + "targets { row_count: 1 column_count: 3 double_values: [1, 0, 0] } } ";
const std::string kR = "session: 'sessions/r' ";

const std::vector<BadRequest> kEvaluationRows = {
    Invalid("Evaluate", "WithNothing", "", {"pattern_set", "session"}),
    Refused("Evaluate", "OfUnknownSession", "session: 'sessions/none' pattern_set: 'training'", kNotFound,
            "SESSION_NOT_FOUND"),
    Invalid("Evaluate", "WithoutSource", kR, {"pattern_set"}),
    Refused("Evaluate", "OfUnknownSet", kR + "pattern_set: 'none'", kNotFound, "PATTERN_SET_NOT_FOUND"),
    Refused("Evaluate", "OfUnknownVersion", kR + kPatterns + "model_version: 77", kNotFound, "MODEL_VERSION_NOT_FOUND"),
    Invalid("Evaluate", "WithoutTargets", kR + "patterns { " + kInputs + "}", {"patterns.targets"}),
    Refused("Evaluate", "WhoseLogLikelihoodOverflows",
            kR + "patterns { " + kInputs + "targets { row_count: 1 column_count: 3 double_values: [1e300, 0, 0] } }",
            kPrecondition, "NOT_FINITE"),
};

const std::vector<BadRequest> kPredictionRows = {
    Invalid("Predict", "WithNothing", "", {"inputs", "session"}),
    Refused("Predict", "OfUnknownSession", "session: 'sessions/none' " + kInputs, kNotFound, "SESSION_NOT_FOUND"),
    Invalid("Predict", "WithoutInputs", kR, {"inputs"}),
    Invalid("Predict", "WithEmptyInputs", kR + "inputs {}", {"inputs.row_count", "inputs.column_count"}),
    Invalid("Predict", "WithBadSessionAndUncertainty", "session: 'r' work_limit: -1",
            {"inputs", "session", "work_limit"}),
    Invalid("Predict", "WithInputNan", kR + "inputs { row_count: 1 column_count: 2 double_values: [1, nan] }",
            {"inputs"}),
    Invalid("Predict", "WithTooManyRows", kR + "inputs { row_count: 2147483647 column_count: 2 double_values: [1, 2] }",
            {"inputs"}),
    Refused("Predict", "OfUnknownVersion", kR + kInputs + "model_version: 5", kNotFound, "MODEL_VERSION_NOT_FOUND"),
    Invalid("Predict", "WhoseOutputsOverflow",
            "session: 'sessions/b' inputs { row_count: 1 column_count: 2 double_values: [1e39, 0] }", {"inputs"}),
    Invalid("Predict", "WithBadUncertainty",
            kR + kInputs +
                "with_uncertainty: true work_limit: -1 laplace_approximation { pattern_set: 'X' prior_precision: -1 }",
            {"work_limit", "laplace_approximation.prior_precision", "laplace_approximation.pattern_set"}),
    Invalid("Predict", "WithPriorPrecisionNan",
            kR + kInputs + "with_uncertainty: true laplace_approximation { prior_precision: nan }",
            {"laplace_approximation.prior_precision"}),
    Refused("Predict", "WithUncertaintyOfUnknownSet",
            kR + kInputs + "with_uncertainty: true laplace_approximation { pattern_set: 'none' }", kNotFound,
            "PATTERN_SET_NOT_FOUND"),
    Refused("Predict", "WithUncertaintyAboveItsWorkLimit", kR + kInputs + "with_uncertainty: true work_limit: 1",
            kExhausted, "WORK_LIMIT"),
    Invalid("PredictStream", "WithoutSession", kInputs, {"session"}),
    Refused("PredictStream", "OfUnknownSession", "session: 'sessions/none' " + kInputs, kNotFound, "SESSION_NOT_FOUND"),
    Invalid("PredictStream", "WithABadSecondRequest", std::vector<std::string>{kR + kInputs, "inputs { row_count: 1 }"},
            {"inputs.column_count"}),
};

class EvaluationBadRequestTest : public BadRequestTest {};
class PredictionBadRequestTest : public BadRequestTest {};

TEST_P(EvaluationBadRequestTest, IsRefusedAndChangesNothing) {
  RefuseAndChangeNothing("EvaluationService", GetParam());
}
TEST_P(PredictionBadRequestTest, IsRefusedAndChangesNothing) {
  RefuseAndChangeNothing("PredictionService", GetParam());
}

INSTANTIATE_TEST_SUITE_P(, EvaluationBadRequestTest, testing::ValuesIn(kEvaluationRows), NameOfRow);
INSTANTIATE_TEST_SUITE_P(, PredictionBadRequestTest, testing::ValuesIn(kPredictionRows), NameOfRow);

TEST(ComputationBadRequestTablesTest, HaveARowForEveryMethod) {
  const std::vector<std::string> none;
  EXPECT_EQ(MethodsWithoutRow("EvaluationService", kEvaluationRows), none);
  EXPECT_EQ(MethodsWithoutRow("PredictionService", kPredictionRows), none);
}

}  // namespace
}  // namespace backprop::server::computation_bad_requests
