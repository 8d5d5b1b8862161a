// Every bad request to TrainingService: what it is refused with. See bad_request.h.
#include "absl/strings/str_cat.h"
#include "tests/server/services/bad_request.h"

namespace backprop::server::training_bad_requests {
namespace {

const std::string kSet = "session: 'sessions/r' pattern_set: 'training' ";

// RunEpochs with options.
std::string With(const std::string& options) { return absl::StrCat(kSet, "epoch_count: 1 options { ", options, " }"); }

// A row for options of one run that are wrong in `fields`.
BadRequest Options(const std::string& name, const std::string& options, std::vector<std::string> fields) {
  for (std::string& field : fields) field = "options." + field;
  return Invalid("RunEpochs", name, With(options), std::move(fields));
}

const std::vector<BadRequest> kOptionRows = {
    Options("WithNegativeBatchSize", "batch_size: -1", {"batch_size"}),
    Options("WithUnknownReduction", "reduction: 9", {"reduction"}),
    Options("WithStepSizeZero", "step_size: 0", {"step_size"}),
    Options("WithNegativeStepSize", "step_size: -0.1", {"step_size"}),
    Options("WithStepSizeNan", "step_size: nan", {"step_size"}),
    Options("WithInfiniteStepSize", "step_size: inf", {"step_size"}),
    Options("WithMomentumOne", "gradient_ascent { momentum: 1 }", {"gradient_ascent.momentum"}),
    Options("WithMomentumNan", "gradient_ascent { momentum: nan }", {"gradient_ascent.momentum"}),
    Options("WithNesterovWithoutMomentum", "gradient_ascent { nesterov: true }", {"gradient_ascent.nesterov"}),
    Options("WithAdamOutOfRange", "adam { beta1: 1 beta2: -0.1 epsilon: 0 }",
            {"adam.beta1", "adam.beta2", "adam.epsilon"}),
    Options("WithAdamNan", "adam { beta1: nan beta2: nan epsilon: nan }", {"adam.beta1", "adam.beta2", "adam.epsilon"}),
    Options("WithRpropOutOfRange",
            "rprop { increase_factor: 1 decrease_factor: 1 min_step_size: 0 max_step_size: inf }",
            {"rprop.increase_factor", "rprop.decrease_factor", "rprop.min_step_size", "rprop.max_step_size"}),
    Options("WithRpropStepsTheWrongWayRound", "rprop { min_step_size: 2 max_step_size: 1 }", {"rprop.max_step_size"}),
    Options("WithRpropAndASchedule", "rprop {} schedule { exponential { factor: 0.5 } }", {"schedule"}),
    Options("WithLbfgsOutOfRange", "lbfgs { history_size: 101 }", {"lbfgs.history_size"}),
    Options("WithNewtonCgOutOfRange", "newton_cg { max_product_count: 1001 tolerance: nan }",
            {"newton_cg.max_product_count", "newton_cg.tolerance"}),
    Options("WithLbfgsByMiniBatchesAndASchedule", "lbfgs {} batch_size: 32 schedule { cosine {} }",
            {"batch_size", "schedule"}),
    Options("WithNewtonCgOnLine", "newton_cg {} batch_size: 1", {"batch_size"}),
    Options("WithExponentialFactorZero", "schedule { exponential {} }", {"schedule.exponential.factor"}),
    Options("WithExponentialFactorAboveOne", "schedule { exponential { factor: 1.1 } }",
            {"schedule.exponential.factor"}),
    Options("WithCosineOutOfRange", "schedule { cosine { final_step_size: -1 epoch_count: -1 } }",
            {"schedule.cosine.final_step_size", "schedule.cosine.epoch_count"}),
    Options("WithCosineOfTooManyEpochs", "schedule { cosine { epoch_count: 1000001 } }",
            {"schedule.cosine.epoch_count"}),
    Options("WithPlateauOutOfRange",
            "schedule { on_plateau { factor: 1 patience: 0 min_improvement: -1 min_step_size: nan } }",
            {"schedule.on_plateau.factor", "schedule.on_plateau.patience", "schedule.on_plateau.min_improvement",
             "schedule.on_plateau.min_step_size"}),
    Options("WithNegativeDecayAndLimit", "weight_decay: -1 gradient_norm_limit: -1",
            {"weight_decay", "gradient_norm_limit"}),
    Options("WithInfiniteDecayAndLimit", "weight_decay: inf gradient_norm_limit: inf",
            {"weight_decay", "gradient_norm_limit"}),
    Invalid("RunEpochs", "WithEarlyStoppingOutOfRange",
            With("early_stopping { patience: 0 min_improvement: nan }") + "validation_pattern_set: 'training'",
            {"options.early_stopping.patience", "options.early_stopping.min_improvement"}),
    Invalid("RunEpochs", "WithEarlyStoppingWithoutValidation", With("early_stopping {}"), {"validation_pattern_set"}),
};

const std::vector<BadRequest> kRunRows = {
    Invalid("RunEpochs", "WithNothing", "", {"session", "pattern_set", "epoch_count"}),
    Invalid(
        "RunEpochs", "WithEverythingWrong",
        "session: 'r' pattern_set: 'X' validation_pattern_set: '-' epoch_count: -1 options { batch_size: -1 "
        "reduction: -1 }",
        {"session", "pattern_set", "validation_pattern_set", "epoch_count", "options.batch_size", "options.reduction"}),
    Invalid("RunEpochs", "OfNoEpochs", kSet + "epoch_count: 0", {"epoch_count"}),
    Invalid("RunEpochs", "OfTooManyEpochs", kSet + "epoch_count: 1000001", {"epoch_count"}),
    Refused("RunEpochs", "OfUnknownSession", "session: 'sessions/none' pattern_set: 'training' epoch_count: 1",
            kNotFound, "SESSION_NOT_FOUND"),
    Refused("RunEpochs", "OnUnknownSet", "session: 'sessions/r' pattern_set: 'none' epoch_count: 1", kNotFound,
            "PATTERN_SET_NOT_FOUND"),
    Refused("RunEpochs", "WithUnknownValidationSet", kSet + "epoch_count: 1 validation_pattern_set: 'none'", kNotFound,
            "PATTERN_SET_NOT_FOUND"),
    Invalid("RunEpochs", "WithLongRequestId", kSet + "epoch_count: 1 request_id: '" + std::string(129, 'i') + "'",
            {"request_id"}),
    Invalid("RunEpochs", "WithRequestIdOfAnotherRequest", kSet + "epoch_count: 1 request_id: 'used'", {"request_id"}),
    Invalid("WatchTrainingRun", "WithEverythingWrong", "name: 'run-1' after_epoch: -1", {"name", "after_epoch"}),
    Refused("WatchTrainingRun", "OfUnknownSession", "name: 'sessions/none/trainingRuns/run-1'", kNotFound,
            "SESSION_NOT_FOUND"),
    Refused("WatchTrainingRun", "OfUnknownRun", "name: 'sessions/r/trainingRuns/run-2'", kNotFound,
            "TRAINING_RUN_NOT_FOUND"),
    Invalid("GetTrainingRun", "WithNameOfASet", "name: 'sessions/r/patternSets/training'", {"name"}),
    Refused("GetTrainingRun", "OfUnknownRun", "name: 'sessions/r/trainingRuns/run-0'", kNotFound,
            "TRAINING_RUN_NOT_FOUND"),
    Refused("GetTrainingRun", "OfUnknownSession", "name: 'sessions/none/trainingRuns/run-1'", kNotFound,
            "SESSION_NOT_FOUND"),
    Invalid("ListTrainingRuns", "WithEverythingWrong", "page_size: -1", {"session", "page_size"}),
    Invalid("ListTrainingRuns", "WithTokenOfNoRun", "session: 'sessions/r' page_token: 'run-9'", {"page_token"}),
    Refused("ListTrainingRuns", "OfUnknownSession", "session: 'sessions/none'", kNotFound, "SESSION_NOT_FOUND"),
    Invalid("CancelTrainingRun", "WithoutName", "", {"name"}),
    Refused("CancelTrainingRun", "OfUnknownRun", "name: 'sessions/r/trainingRuns/run-2'", kNotFound,
            "TRAINING_RUN_NOT_FOUND"),
    Invalid("CancelTrainingRun", "WithRequestIdOfAnotherRequest",
            "name: 'sessions/r/trainingRuns/run-1' request_id: 'used'", {"request_id"}),
};

const std::string kPatterns =
    "patterns { inputs { row_count: 2 column_count: 2 double_values: [1, 2, 3, 4] } targets { row_count: 2 "
    "column_count: 3 double_values: [1, 0, 0, 0, 1, 0] } } ";

std::string Layer(int row_count, const std::string& weights, const std::string& biases) {
  return absl::StrCat("layers { weights { row_count: ", row_count, " column_count: 2 double_values: [", weights,
                      "] } biases { row_count: ", row_count, " column_count: 1 double_values: [", biases, "] } } ");
}

const std::string kGradient =
    "gradient { " + Layer(2, "1, 2, 3, 4", "1, 2") + Layer(3, "1, 2, 3, 4, 5, 6", "1, 2, 3") + "} ";

const std::vector<BadRequest> kOnlineRows = {
    Invalid("TrainOnline", "WithNothing", "", {"session", "pattern_set", "patterns"}),
    Invalid("TrainOnline", "WithBadOptions", kSet + kPatterns + "options { step_size: 0 adam { beta1: 2 } }",
            {"options.step_size", "options.adam.beta1"}),
    Invalid("TrainOnline", "WithLbfgs", kSet + kPatterns + "options { lbfgs {} }", {"options.lbfgs"}),
    Invalid("TrainOnline", "WithNewtonCg", kSet + kPatterns + "options { newton_cg {} }", {"options.newton_cg"}),
    Invalid("TrainOnline", "WithEarlyStopping", kSet + kPatterns + "options { early_stopping {} }",
            {"options.early_stopping"}),
    Refused("TrainOnline", "OfUnknownSession", "session: 'sessions/none' pattern_set: 'training' " + kPatterns,
            kNotFound, "SESSION_NOT_FOUND"),
    Refused("TrainOnline", "BeyondTheEnd", kSet + kPatterns + "offset: 5", kOutOfRange, "OFFSET_BEYOND_END"),
    Refused("TrainOnline", "OfOtherPatternsAtAStoredOffset", kSet + kPatterns + "offset: 1", kPrecondition,
            "PATTERNS_DIFFER"),
    Invalid(
        "TrainOnline", "WithTargetNan",
        kSet +
            "patterns { inputs { row_count: 1 column_count: 2 values: [1, 2] } targets { row_count: 1 column_count: 3 "
            "values: [nan, 0, 0] } }",
        {"patterns.targets"}),
    Refused(
        "TrainOnline", "ThatDiverges",
        kSet +
            "patterns { inputs { row_count: 1 column_count: 2 values: [1, 2] } targets { row_count: 1 column_count: 3 "
            "double_values: [1e300, 0, 0] } }",
        kPrecondition, "DIVERGED"),
    Invalid("ApplyGradient", "WithNothing", "", {"session"}),
    Invalid("ApplyGradient", "WithBadSessionAndOptions", "session: 'r' options { step_size: -1 }",
            {"options.step_size", "session"}),
    Invalid("ApplyGradient", "WithoutGradient", "session: 'sessions/r' options { step_size: -1 }",
            {"gradient.layers", "options.step_size"}),
    Invalid("ApplyGradient", "WithLbfgs", "session: 'sessions/r' " + kGradient + "options { lbfgs {} }",
            {"options.lbfgs"}),
    Invalid("ApplyGradient", "WithNewtonCg", "session: 'sessions/r' " + kGradient + "options { newton_cg {} }",
            {"options.newton_cg"}),
    Invalid("ApplyGradient", "WithGradientNan",
            "session: 'sessions/r' gradient { " + Layer(2, "1, 2, 3, nan", "1, 2") +
                Layer(3, "1, 2, 3, 4, 5, 6", "1, inf, 3") + "} options { early_stopping {} }",
            {"gradient.layers[0].weights", "gradient.layers[1].biases", "options.early_stopping"}),
    Refused("ApplyGradient", "OfUnknownSession", "session: 'sessions/none' " + kGradient, kNotFound,
            "SESSION_NOT_FOUND"),
    Refused("ApplyGradient", "WithUnexpectedVersion",
            "session: 'sessions/r' " + kGradient + "expected_model_version: 0", kPrecondition,
            "MODEL_VERSION_MISMATCH"),
    Refused("ApplyGradient", "ThatDiverges",
            "session: 'sessions/r' gradient { " + Layer(2, "1e308, 2, 3, 4", "1, 2") +
                Layer(3, "1, 2, 3, 4, 5, 6", "1, 2, 3") + "} options { step_size: 1e3 }",
            kPrecondition, "DIVERGED"),
    Invalid("ApplyGradient", "WithRequestIdOfAnotherRequest", "session: 'sessions/r' request_id: 'used' " + kGradient,
            {"request_id"}),
};

class TrainingBadRequestTest : public BadRequestTest {};

TEST_P(TrainingBadRequestTest, IsRefusedAndChangesNothing) { RefuseAndChangeNothing("TrainingService", GetParam()); }

INSTANTIATE_TEST_SUITE_P(Options, TrainingBadRequestTest, testing::ValuesIn(kOptionRows), NameOfRow);
INSTANTIATE_TEST_SUITE_P(Runs, TrainingBadRequestTest, testing::ValuesIn(kRunRows), NameOfRow);
INSTANTIATE_TEST_SUITE_P(Online, TrainingBadRequestTest, testing::ValuesIn(kOnlineRows), NameOfRow);

TEST(TrainingBadRequestTableTest, HasARowForEveryMethod) {
  std::vector<BadRequest> rows = kRunRows;
  rows.insert(rows.end(), kOnlineRows.begin(), kOnlineRows.end());
  EXPECT_EQ(MethodsWithoutRow("TrainingService", rows), std::vector<std::string>());
}

}  // namespace
}  // namespace backprop::server::training_bad_requests
