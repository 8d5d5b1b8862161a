// Every bad request to PatternService: what it is refused with. See bad_request.h.
#include "absl/strings/str_cat.h"
#include "tests/server/services/bad_request.h"

namespace backprop::server::pattern_bad_requests {
namespace {

// AppendPatterns to a session, with the patterns' fields.
std::string To(const std::string& session, const std::string& patterns) {
  return absl::StrCat("session: 'sessions/", session, "' pattern_set: 'training' patterns { ", patterns, " }");
}

const std::string kInputs = "inputs { row_count: 2 column_count: 2 double_values: [1, 2, 3, 4] } ";
const std::string kTargets = "targets { row_count: 2 column_count: 3 double_values: [1, 0, 0, 0, 1, 0] } ";
const std::string kGood = kInputs + kTargets;

std::string Inputs(const std::string& elements) {
  return absl::StrCat("inputs { row_count: 2 column_count: 2 ", elements, " } ", kTargets);
}

std::string Targets(const std::string& elements) {
  return absl::StrCat(kInputs, "targets { row_count: 2 column_count: 3 ", elements, " } ");
}

const std::vector<BadRequest> kAppendRows = {
    Invalid("AppendPatterns", "WithNothing", "", {"session", "pattern_set", "patterns"}),
    Invalid("AppendPatterns", "WithNegativeOffset", To("r", kGood) + "offset: -1", {"offset"}),
    Invalid("AppendPatterns", "WithMalformedSet",
            "session: 'sessions/r' pattern_set: 'patternSets/x' patterns { " + kGood + " }", {"pattern_set"}),
    Refused("AppendPatterns", "ToUnknownSession", To("none", kGood), kNotFound, "SESSION_NOT_FOUND"),
    Refused("AppendPatterns", "BeyondTheEnd", To("r", kGood) + "offset: 3", kOutOfRange, "OFFSET_BEYOND_END"),
    Refused("AppendPatterns", "OfOtherPatternsAtAStoredOffset",
            To("r", Inputs("double_values: [1, 2, 3, 5]")) + "offset: 0", kPrecondition, "PATTERNS_DIFFER"),
    Refused("AppendPatterns", "HalfBehindTheEnd", To("r", kGood) + "offset: 1", kPrecondition, "PATTERNS_DIFFER"),
    Refused("AppendPatterns", "OfStoredPatterns", To("r", kGood) + "offset: 0", kExists, "PATTERNS_ALREADY_STORED"),
    Invalid("AppendPatterns", "WithWrongChecksum", To("r", kGood) + "crc32: 1", {"crc32"}),
    Invalid("AppendPatterns", "WithChecksumBeyond32Bits", To("r", kGood) + "crc32: 4294967296", {"crc32"}),
    Invalid("AppendPatterns", "WithoutInputs", To("r", kTargets), {"patterns.inputs"}),
    Invalid("AppendPatterns", "WithoutTargets", To("r", kInputs), {"patterns.targets"}),
    Invalid("AppendPatterns", "WithNoRows", To("r", "inputs { column_count: 2 } " + kTargets),
            {"patterns.inputs.row_count"}),
    Invalid("AppendPatterns", "WithNegativeShape",
            To("r", "inputs { row_count: -2 column_count: -2 double_values: [1, 2, 3, 4] } " + kTargets),
            {"patterns.inputs.row_count", "patterns.inputs.column_count"}),
    Invalid("AppendPatterns", "WithAnotherInputCount",
            To("r", "inputs { row_count: 2 column_count: 3 double_values: [1, 2, 3, 4, 5, 6] } " + kTargets),
            {"patterns.inputs.column_count"}),
    Invalid("AppendPatterns", "WithMoreTargetsThanInputs",
            To("r", kInputs + "targets { row_count: 3 column_count: 3 double_values: [1, 2, 3, 4, 5, 6, 7, 8, 9] }"),
            {"patterns.targets.row_count"}),
    Invalid("AppendPatterns", "WithWrongShapesOfBoth",
            To("r",
               "inputs { row_count: 1 column_count: 1 double_values: 1 } targets { row_count: 2 column_count: 1 "
               "double_values: [1, 2] }"),
            {"patterns.inputs.column_count", "patterns.targets.row_count", "patterns.targets.column_count"}),
    Invalid("AppendPatterns", "WithNanInValues", To("r", Inputs("values: [1, 2, nan, 4]")), {"patterns.inputs"}),
    Invalid("AppendPatterns", "WithInfinityInDoubleValues", To("r", Targets("double_values: [1, 0, 0, 0, -inf, 0]")),
            {"patterns.targets"}),
    Invalid("AppendPatterns", "WithNanInRawFloat32",
            To("r", Inputs("raw_type: RAW_TYPE_FLOAT32 raw_values: "
                           "'\\000\\000\\200\\077\\000\\000\\300\\177\\000\\000\\200\\077\\000\\000\\200\\077'")),
            {"patterns.inputs"}),
    Invalid("AppendPatterns", "WithInfinityInRawFloat64",
            To("r", Inputs("raw_type: RAW_TYPE_FLOAT64 raw_values: '" + std::string(24, '0') +
                           "\\000\\000\\000\\000\\000\\000\\360\\177'")),
            {"patterns.inputs"}),
    Invalid("AppendPatterns", "WithDoubleBeyondFloat",
            To("m", "inputs { row_count: 2 column_count: 2 double_values: [1, 2, 1e39, 4] } target_classes: [0, 1]"),
            {"patterns.inputs"}),
    Invalid("AppendPatterns", "WithRawScaleThatOverflows",
            To("m",
               "inputs { row_count: 2 column_count: 2 raw_type: RAW_TYPE_UINT8 raw_values: 'abcd' raw_scale: 1e300 } "
               "target_classes: [0, 1]"),
            {"patterns.inputs"}),
    Invalid("AppendPatterns", "WithRawScaleNan",
            To("r", Inputs("raw_type: RAW_TYPE_UINT8 raw_values: 'abcd' raw_scale: nan")),
            {"patterns.inputs.raw_scale"}),
    Invalid("AppendPatterns", "WithRawScaleOfValues", To("r", Inputs("values: [1, 2, 3, 4] raw_scale: 0.5")),
            {"patterns.inputs.raw_scale"}),
    Invalid("AppendPatterns", "WithNoElements", To("r", Inputs("")), {"patterns.inputs"}),
    Invalid("AppendPatterns", "WithElementsInTwoFields",
            To("r", Inputs("values: [1, 2, 3, 4] double_values: [1, 2, 3, 4]")), {"patterns.inputs"}),
    Invalid("AppendPatterns", "WithElementsInThreeFields",
            To("r", Inputs("values: [1, 2, 3, 4] double_values: [1, 2, 3, 4] raw_values: 'abcd' raw_type: 3")),
            {"patterns.inputs"}),
    Invalid("AppendPatterns", "WithTooFewElements", To("r", Inputs("values: [1, 2, 3]")), {"patterns.inputs.values"}),
    Invalid("AppendPatterns", "WithTooManyElements", To("r", Inputs("double_values: [1, 2, 3, 4, 5]")),
            {"patterns.inputs.double_values"}),
    Invalid("AppendPatterns", "WithRawBytesOfAnotherSize",
            To("r", Inputs("raw_type: RAW_TYPE_FLOAT32 raw_values: 'fifteen bytes..'")),
            {"patterns.inputs.raw_values"}),
    Invalid("AppendPatterns", "WithoutRawType", To("r", Inputs("raw_values: 'abcd'")), {"patterns.inputs.raw_type"}),
    Invalid("AppendPatterns", "WithUnknownRawType", To("r", Inputs("raw_values: 'abcd' raw_type: 9")),
            {"patterns.inputs.raw_type"}),
    Invalid("AppendPatterns", "WithClassesInARegression", To("r", kInputs + "target_classes: [0, 1]"),
            {"patterns.target_classes"}),
    Invalid("AppendPatterns", "WithClassesBesideTargets", To("m", kGood + "target_classes: [0, 1]"),
            {"patterns.targets"}),
    Invalid("AppendPatterns", "WithTooFewClasses", To("m", kInputs + "target_classes: 0"), {"patterns.target_classes"}),
    Invalid("AppendPatterns", "WithClassBeyondTheLast", To("m", kInputs + "target_classes: [0, 3]"),
            {"patterns.target_classes[1]"}),
    Invalid("AppendPatterns", "WithNegativeClass", To("m", kInputs + "target_classes: [-1, 0]"),
            {"patterns.target_classes[0]"}),
    Invalid("AppendPatterns", "WithBinaryTargetAboveOne",
            To("b", kInputs + "targets { row_count: 2 column_count: 1 values: [0, 1.5] }"), {"patterns.targets"}),
    Invalid("AppendPatterns", "WithMultiwayTargetBelowZero", To("m", Targets("values: [1, 0, 0, 1.5, -0.5, 0]")),
            {"patterns.targets"}),
    Invalid("AppendPatterns", "WithMultiwayTargetsThatDoNotSumToOne",
            To("m", Targets("values: [1, 0, 0, 0.5, 0.4, 0]")), {"patterns.targets"}),
    Invalid("AppendPatterns", "WithNegativeWeight", To("r", kGood + "pattern_weights: [1, -1]"),
            {"patterns.pattern_weights[1]"}),
    Invalid("AppendPatterns", "WithWeightNan", To("r", kGood + "pattern_weights: [nan, 1]"),
            {"patterns.pattern_weights[0]"}),
    Invalid("AppendPatterns", "WithInfiniteWeight", To("r", kGood + "pattern_weights: [1, inf]"),
            {"patterns.pattern_weights[1]"}),
    Invalid("AppendPatterns", "WithTooManyWeights", To("r", kGood + "pattern_weights: [1, 1, 1]"),
            {"patterns.pattern_weights"}),
    Invalid(
        "AppendPatterns", "WithEverythingWrong",
        To("m", "inputs { row_count: 2 column_count: 2 values: 1 } target_classes: [7, 0] pattern_weights: [0, -1]"),
        {"patterns.inputs.values", "patterns.target_classes[0]", "patterns.pattern_weights[1]"}),
};

const std::vector<BadRequest> kOtherRows = {
    Invalid("GetPatternSet", "WithoutName", "", {"name"}),
    Invalid("GetPatternSet", "WithNameOfASession", "name: 'sessions/r'", {"name"}),
    Invalid("GetPatternSet", "WithNameOfARun", "name: 'sessions/r/trainingRuns/run-1'", {"name"}),
    Invalid("GetPatternSet", "WithTrailingSlash", "name: 'sessions/r/patternSets/training/'", {"name"}),
    Refused("GetPatternSet", "OfUnknownSession", "name: 'sessions/none/patternSets/training'", kNotFound,
            "SESSION_NOT_FOUND"),
    Refused("GetPatternSet", "WithUnknownSet", "name: 'sessions/r/patternSets/none'", kNotFound,
            "PATTERN_SET_NOT_FOUND"),
    Invalid("ListPatternSets", "WithEverythingWrong", "page_size: -5 page_token: 'A'",
            {"session", "page_size", "page_token"}),
    Refused("ListPatternSets", "OfUnknownSession", "session: 'sessions/none'", kNotFound, "SESSION_NOT_FOUND"),
    Invalid("DeletePatternSet", "WithMalformedName", "name: 'training'", {"name"}),
    Refused("DeletePatternSet", "WithUnknownSet", "name: 'sessions/r/patternSets/none'", kNotFound,
            "PATTERN_SET_NOT_FOUND"),
    Refused("DeletePatternSet", "OfUnknownSession", "name: 'sessions/none/patternSets/training'", kNotFound,
            "SESSION_NOT_FOUND"),
    Invalid("DeletePatternSet", "WithRequestIdOfAnotherRequest",
            "name: 'sessions/r/patternSets/training' request_id: 'used'", {"request_id"}),
    Invalid("ReadPatterns", "WithEverythingWrong", "name: 'x' offset: -1 limit: -1", {"name", "offset", "limit"}),
    Refused("ReadPatterns", "WithUnknownSet", "name: 'sessions/r/patternSets/none'", kNotFound,
            "PATTERN_SET_NOT_FOUND"),
    Refused("ReadPatterns", "OfUnknownSession", "name: 'sessions/none/patternSets/training'", kNotFound,
            "SESSION_NOT_FOUND"),
    Refused("ReadPatterns", "BeyondTheEnd", "name: 'sessions/r/patternSets/training' offset: 3", kOutOfRange,
            "OFFSET_BEYOND_END"),
    Refused("ReadPatterns", "FarBeyondTheEnd",
            "name: 'sessions/r/patternSets/training' offset: 9223372036854775807 limit: 9223372036854775807",
            kOutOfRange, "OFFSET_BEYOND_END"),
};

class PatternBadRequestTest : public BadRequestTest {};

TEST_P(PatternBadRequestTest, IsRefusedAndChangesNothing) { RefuseAndChangeNothing("PatternService", GetParam()); }

INSTANTIATE_TEST_SUITE_P(Append, PatternBadRequestTest, testing::ValuesIn(kAppendRows), NameOfRow);
INSTANTIATE_TEST_SUITE_P(Other, PatternBadRequestTest, testing::ValuesIn(kOtherRows), NameOfRow);

TEST(PatternBadRequestTableTest, HasARowForEveryMethod) {
  std::vector<BadRequest> rows = kAppendRows;
  rows.insert(rows.end(), kOtherRows.begin(), kOtherRows.end());
  EXPECT_EQ(MethodsWithoutRow("PatternService", rows), std::vector<std::string>());
}

}  // namespace
}  // namespace backprop::server::pattern_bad_requests
