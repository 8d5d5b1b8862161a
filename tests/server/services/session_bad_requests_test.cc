// Every bad request to SessionService: what it is refused with. See bad_request.h.
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tests/server/services/bad_request.h"

namespace backprop::server::session_bad_requests {
namespace {

std::string Repeated(const std::string& text, int count) {
  std::string all;
  for (int i = 0; i < count; ++i) all += text;
  return all;
}

// CreateSession of `x` with fields of the network changed from those of a good one.
std::string WithNetwork(const std::string& fields) {
  return absl::StrCat("session_id: 'x' session { network { ", fields, " } }");
}
// ... of a good network with fields of the session.
std::string WithSession(const std::string& fields) {
  return absl::StrCat("session_id: 'x' session { network { input_unit_count: 2 output_unit_count: 1 task: 1 } ", fields,
                      " }");
}
// ... and parameters.
std::string WithLayers(const std::string& layers) {
  return absl::StrCat(WithSession(""), " parameters { ", layers, " }");
}

std::string Labels(int count) {
  std::string labels;
  for (int i = 0; i < count; ++i) absl::StrAppend(&labels, "labels { key: 'k", i, "' value: 'v' } ");
  return labels;
}

const std::string kNetwork = "input_unit_count: 2 output_unit_count: 2 task: 1 ";
const std::string kBiases = "biases { row_count: 1 column_count: 1 values: 0 }";

const std::vector<BadRequest> kCreateRows = {
    Invalid("CreateSession", "WithNothing", "",
            {"session_id", "session.network.input_unit_count", "session.network.output_unit_count",
             "session.network.task"}),
    Invalid("CreateSession", "WithUpperCaseId", "session_id: 'X' session { network { " + kNetwork + " } }",
            {"session_id"}),
    Invalid("CreateSession", "WithIdThatEndsInAHyphen", "session_id: 'x-' session { network { " + kNetwork + " } }",
            {"session_id"}),
    Invalid("CreateSession", "WithIdOf64Bytes",
            "session_id: '" + std::string(64, 'a') + "' session { network { " + kNetwork + " } }", {"session_id"}),
    Refused("CreateSession", "WithIdInUse", "session_id: 'r' session { network { " + kNetwork + " } }", kExists,
            "SESSION_ALREADY_EXISTS"),
    Invalid(
        "CreateSession", "WithTooManyUnits",
        WithNetwork("input_unit_count: 262145 hidden_layers { unit_count: 262145 } output_unit_count: 262145 task: 1"),
        {"session.network.input_unit_count", "session.network.hidden_layers[0].unit_count",
         "session.network.output_unit_count"}),
    Invalid("CreateSession", "WithNegativeUnits",
            WithNetwork("input_unit_count: -1 hidden_layers { unit_count: 0 } output_unit_count: -2147483648 task: 1"),
            {"session.network.input_unit_count", "session.network.hidden_layers[0].unit_count",
             "session.network.output_unit_count"}),
    Invalid("CreateSession", "With65HiddenLayers",
            WithNetwork(kNetwork + Repeated("hidden_layers { unit_count: 1 } ", 65)),
            {"session.network.hidden_layers"}),
    Invalid("CreateSession", "WithTooManyParameters",
            WithNetwork("input_unit_count: 4094 hidden_layers { unit_count: 4096 } output_unit_count: 1 task: 1"),
            {"session.network.hidden_layers"}),
    Invalid("CreateSession", "WithOneClass", WithNetwork("input_unit_count: 2 output_unit_count: 1 task: 3"),
            {"session.network.output_unit_count"}),
    Invalid(
        "CreateSession", "WithUnknownEnumValues",
        WithNetwork("input_unit_count: 2 output_unit_count: 2 task: 9 precision: 9 initial_weights { distribution: 9 } "
                    "hidden_layers { unit_count: 2 activation: 9 }"),
        {"session.network.task", "session.network.precision", "session.network.initial_weights.distribution",
         "session.network.hidden_layers[0].activation"}),
    Invalid("CreateSession", "WithNegativeInitialRange",
            WithNetwork(kNetwork + "initial_weights { distribution: DISTRIBUTION_UNIFORM range: -1 }"),
            {"session.network.initial_weights.range"}),
    Invalid("CreateSession", "WithInitialRangeNan",
            WithNetwork(kNetwork + "initial_weights { distribution: DISTRIBUTION_UNIFORM range: nan }"),
            {"session.network.initial_weights.range"}),
    Invalid("CreateSession", "WithInitialRangeOfAnotherDistribution",
            WithNetwork(kNetwork + "initial_weights { distribution: DISTRIBUTION_ZERO range: 1 }"),
            {"session.network.initial_weights.range"}),
    Invalid("CreateSession", "WithTooFewOutputNames", WithNetwork(kNetwork + "output_names: 'a'"),
            {"session.network.output_names"}),
    Invalid("CreateSession", "WithTheSameOutputNameTwice", WithNetwork(kNetwork + "output_names: ['a', 'a']"),
            {"session.network.output_names[1]"}),
    Invalid("CreateSession", "WithEmptyAndLongOutputNames",
            WithNetwork(kNetwork + "output_names: ['', '" + std::string(256, 'a') + "']"),
            {"session.network.output_names[0]", "session.network.output_names[1]"}),
    Invalid("CreateSession", "With65Labels", WithSession(Labels(65)), {"session.labels"}),
    Invalid("CreateSession", "WithEmptyLabelKey", WithSession("labels { key: '' value: 'v' }"), {"session.labels[]"}),
    Invalid("CreateSession", "WithLongLabels",
            WithSession("labels { key: '" + std::string(64, 'k') + "' value: 'v' } labels { key: 'k' value: '" +
                        std::string(256, 'v') + "' }"),
            {"session.labels[" + std::string(63, 'k') + "]", "session.labels[k]"}),
    Invalid("CreateSession", "WithScalingOfAnotherSize",
            WithSession("input_scaling { offset: 0 scale: 1 } target_scaling { offset: 0 }"),
            {"session.input_scaling", "session.target_scaling"}),
    Invalid("CreateSession", "WithScaleZeroAndOffsetNan",
            WithSession("input_scaling { offset: [nan, 0] scale: [1, 0] } target_scaling { offset: inf scale: nan }"),
            {"session.input_scaling.offset[0]", "session.input_scaling.scale[1]", "session.target_scaling.offset[0]",
             "session.target_scaling.scale[0]"}),
    Invalid("CreateSession", "WithTargetScalingOfAClassification",
            "session_id: 'x' session { network { input_unit_count: 2 output_unit_count: 1 task: 2 } "
            "target_scaling { offset: 0 scale: 1 } }",
            {"session.target_scaling"}),
    Invalid("CreateSession", "WithParametersOfTooManyLayers", WithLayers("layers {} layers {}"), {"parameters.layers"}),
    Invalid("CreateSession", "WithParametersOfNoSize", WithLayers("layers {}"),
            {"parameters.layers[0].weights.row_count", "parameters.layers[0].weights.column_count",
             "parameters.layers[0].biases.row_count", "parameters.layers[0].biases.column_count"}),
    Invalid("CreateSession", "WithTransposedWeights",
            WithLayers("layers { weights { row_count: 2 column_count: 1 values: [1, 2] } " + kBiases + " }"),
            {"parameters.layers[0].weights.row_count", "parameters.layers[0].weights.column_count"}),
    Invalid("CreateSession", "WithInfiniteWeight",
            WithLayers("layers { weights { row_count: 1 column_count: 2 values: [1, inf] } " + kBiases + " }"),
            {"parameters.layers[0].weights"}),
    Invalid("CreateSession", "WithWeightBeyondFloat",
            WithLayers("layers { weights { row_count: 1 column_count: 2 double_values: [1, 1e39] } " + kBiases + " }"),
            {"parameters.layers[0].weights"}),
    Invalid("CreateSession", "WithRequestIdOf129Bytes", WithSession("") + "request_id: '" + std::string(129, 'i') + "'",
            {"request_id"}),
    Invalid("CreateSession", "WithRequestIdOfAnotherRequest", WithSession("") + "request_id: 'used'", {"request_id"}),
};

const std::string kParametersOfB =
    "parameters { layers { weights { row_count: 2 column_count: 2 values: [1, 2, 3, 4] } biases { row_count: 2 "
    "column_count: 1 values: [1, 2] } } layers { weights { row_count: 1 column_count: 2 values: [1, 2] } biases { "
    "row_count: 1 column_count: 1 values: 1 } } }";

const std::vector<BadRequest> kOtherRows = {
    Invalid("GetSession", "WithoutName", "", {"name"}),
    Invalid("ExportSession", "WithoutName", "", {"name"}),
    Refused("ExportSession", "OfUnknownSession", "name: 'sessions/none'", kNotFound, "SESSION_NOT_FOUND"),
    Refused("ExportSession", "OfASessionInMemory", "name: 'sessions/r'", kPrecondition, "EPHEMERAL"),
    Invalid("ImportSession", "WithoutId", "", {"session_id"}),
    Invalid("ImportSession", "WithMalformedId", "session_id: 'A' data: 'x'", {"session_id"}),
    Refused("ImportSession", "IntoMemory", "session_id: 'new' data: 'x'", kPrecondition, "EPHEMERAL"),
    Refused("SetParameters", "FromUnknownVersion", "name: 'sessions/b' from_model_version: 9", kNotFound,
            "MODEL_VERSION_NOT_FOUND"),
    Invalid("SetParameters", "FromVersionAndGiven", "name: 'sessions/b' from_model_version: 1 " + kParametersOfB,
            {"from_model_version"}),
    Refused("UpdateSession", "PinningUnknownVersion",
            "session { name: 'sessions/b' pinned_model_versions: 9 } update_mask { paths: 'pinned_model_versions' }",
            kNotFound, "MODEL_VERSION_NOT_FOUND"),
    Invalid("GetSession", "WithNameOfASet", "name: 'sessions/r/patternSets/training'", {"name"}),
    Invalid("GetSession", "WithBareId", "name: 'r'", {"name"}),
    Invalid("GetSession", "WithOtherCollection", "name: 'session/r'", {"name"}),
    Refused("GetSession", "WithUnknownSession", "name: 'sessions/none'", kNotFound, "SESSION_NOT_FOUND"),
    Invalid("ListSessions", "WithEverythingWrong", "page_size: -1 page_token: '/' filter: 'name=x'",
            {"page_size", "page_token", "filter"}),
    Invalid("ListSessions", "WithFilterOnNoKey", "filter: 'labels.=x'", {"filter"}),
    Invalid("ListSessions", "WithFilterOfOneGoodTerm", "filter: 'labels.a=b AND c'", {"filter"}),
    Invalid("UpdateSession", "WithNothing", "", {"session.name", "update_mask"}),
    Refused("UpdateSession", "WithUnknownSession", "session { name: 'sessions/none' } update_mask { paths: 'labels' }",
            kNotFound, "SESSION_NOT_FOUND"),
    Invalid("UpdateSession", "WithMaskOfFixedFields",
            "session { name: 'sessions/r' } update_mask { paths: ['labels', 'network', 'name'] }",
            {"update_mask", "update_mask"}),
    Invalid("UpdateSession", "WithEverythingWrong",
            "session { name: 'sessions/b' labels { key: '' value: '' } input_scaling { offset: 1 } target_scaling { "
            "offset: "
            "0 "
            "scale: 1 } network { output_names: ['a', 'b', 'c'] } } update_mask { paths: ['labels', 'input_scaling', "
            "'target_scaling', 'network.output_names'] }",
            {"session.labels[]", "session.input_scaling", "session.target_scaling", "session.network.output_names"}),
    Invalid("UpdateSession", "WithRequestIdOfAnotherRequest",
            "session { name: 'sessions/b' } update_mask { paths: 'labels' } request_id: 'used'", {"request_id"}),
    Invalid("DeleteSession", "WithMalformedName", "name: 'sessions/'", {"name"}),
    Refused("DeleteSession", "WithUnknownSession", "name: 'sessions/none'", kNotFound, "SESSION_NOT_FOUND"),
    Invalid("DeleteSession", "WithRequestIdOfAnotherRequest", "name: 'sessions/r' request_id: 'used'", {"request_id"}),
    Invalid("CopySession", "WithNothing", "", {"name", "session_id"}),
    Refused("CopySession", "WithUnknownSource", "name: 'sessions/none' session_id: 'x'", kNotFound,
            "SESSION_NOT_FOUND"),
    Refused("CopySession", "WithIdInUse", "name: 'sessions/r' session_id: 'm'", kExists, "SESSION_ALREADY_EXISTS"),
    Refused("CopySession", "OntoItself", "name: 'sessions/r' session_id: 'r'", kExists, "SESSION_ALREADY_EXISTS"),
    Invalid("CopySession", "WithRequestIdOfAnotherRequest", "name: 'sessions/r' session_id: 'x' request_id: 'used'",
            {"request_id"}),
    Invalid("GetParameters", "WithMalformedName", "name: 'sessions/R'", {"name"}),
    Refused("GetParameters", "WithUnknownSession", "name: 'sessions/none'", kNotFound, "SESSION_NOT_FOUND"),
    Refused("GetParameters", "WithUnknownVersion", "name: 'sessions/r' model_version: 99", kNotFound,
            "MODEL_VERSION_NOT_FOUND"),
    Refused("GetParameters", "WithNegativeVersion", "name: 'sessions/r' model_version: -1", kNotFound,
            "MODEL_VERSION_NOT_FOUND"),
    Invalid("SetParameters", "WithoutName", kParametersOfB, {"name"}),
    Refused("SetParameters", "WithUnknownSession", "name: 'sessions/none' " + kParametersOfB, kNotFound,
            "SESSION_NOT_FOUND"),
    Invalid("SetParameters", "WithoutParameters", "name: 'sessions/b'", {"parameters.layers"}),
    Invalid("SetParameters", "WithParametersOfAnotherShape", "name: 'sessions/r' " + kParametersOfB,
            {"parameters.layers[1].weights.row_count", "parameters.layers[1].biases.row_count"}),
    Invalid("SetParameters", "WithRequestIdOfAnotherRequest", "name: 'sessions/b' request_id: 'used' " + kParametersOfB,
            {"request_id"}),
    Invalid("FitScaling", "WithNothing", "", {"session", "pattern_set"}),
    Invalid("FitScaling", "WithUnknownMethod", "session: 'sessions/r' pattern_set: 'training' method: 9", {"method"}),
    Invalid("FitScaling", "WithNegativeMethod", "session: 'sessions/r' pattern_set: 'training' method: -1", {"method"}),
    Refused("FitScaling", "WithUnknownSession", "session: 'sessions/none' pattern_set: 'training'", kNotFound,
            "SESSION_NOT_FOUND"),
    Refused("FitScaling", "WithUnknownSet", "session: 'sessions/r' pattern_set: 'none'", kNotFound,
            "PATTERN_SET_NOT_FOUND"),
    Invalid("FitScaling", "WithRequestIdOfAnotherRequest",
            "session: 'sessions/r' pattern_set: 'training' request_id: 'used'", {"request_id"}),
};

class SessionBadRequestTest : public BadRequestTest {};

TEST_P(SessionBadRequestTest, IsRefusedAndChangesNothing) { RefuseAndChangeNothing("SessionService", GetParam()); }

INSTANTIATE_TEST_SUITE_P(Create, SessionBadRequestTest, testing::ValuesIn(kCreateRows), NameOfRow);
INSTANTIATE_TEST_SUITE_P(Other, SessionBadRequestTest, testing::ValuesIn(kOtherRows), NameOfRow);

TEST(SessionBadRequestTableTest, HasARowForEveryMethod) {
  std::vector<BadRequest> rows = kCreateRows;
  rows.insert(rows.end(), kOtherRows.begin(), kOtherRows.end());
  EXPECT_EQ(MethodsWithoutRow("SessionService", rows), std::vector<std::string>());
}

}  // namespace
}  // namespace backprop::server::session_bad_requests
