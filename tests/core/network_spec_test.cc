#include "core/network_spec.h"

#include <limits>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/fields.h"

namespace backprop {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// 2-3-4, with every field set.
NetworkSpec::Fields Good() {
  return {.input_unit_count = 2,
          .hidden_layers = {{.unit_count = 3, .activation = Activation::kTanh}},
          .output_unit_count = 4,
          .task = Task::kMultiwayClassification,
          .precision = Precision::kFloat64,
          .initial_weights = {.distribution = InitialDistribution::kUniform, .range = 0.1, .seed = 5},
          .output_names = {"a", "b", "c", "d"}};
}

TEST(NetworkSpecTest, KnowsItsShape) {
  const NetworkSpec spec = NetworkSpec::Create(Good()).value();
  EXPECT_EQ(spec.fields(), Good());
  EXPECT_EQ(spec.layer_count(), 2);
  EXPECT_EQ(spec.unit_count(0), 2);
  EXPECT_EQ(spec.unit_count(1), 3);
  EXPECT_EQ(spec.unit_count(2), 4);
  EXPECT_EQ(spec.activation(1), Activation::kTanh);
  EXPECT_EQ(spec.total_unit_count(), 9);
  EXPECT_EQ(spec.parameter_count(), 2 * 3 + 3 + 3 * 4 + 4);
}

TEST(NetworkSpecTest, LaysParametersOutLayerByLayerWeightsFirst) {
  const NetworkSpec spec = NetworkSpec::Create(Good()).value();
  const std::vector<LayerShape>& layers = spec.layout()->layers;
  ASSERT_EQ(layers.size(), 2u);
  EXPECT_EQ(layers[0].unit_count, 3);
  EXPECT_EQ(layers[0].input_count, 2);
  EXPECT_EQ(layers[0].weight_offset, 0);
  EXPECT_EQ(layers[0].bias_offset, 6);
  EXPECT_EQ(layers[1].weight_offset, 9);
  EXPECT_EQ(layers[1].bias_offset, 21);
}

TEST(NetworkSpecTest, EqualsASpecOfEqualFields) {
  const NetworkSpec spec = NetworkSpec::Create(Good()).value();
  NetworkSpec::Fields other = Good();
  other.initial_weights.seed = 6;
  EXPECT_EQ(spec, NetworkSpec::Create(Good()).value());
  EXPECT_NE(spec, NetworkSpec::Create(other).value());
}

TEST(NetworkSpecTest, NeedsNoHiddenLayers) {
  NetworkSpec::Fields fields = Good();
  fields.hidden_layers.clear();
  EXPECT_EQ(NetworkSpec::Create(fields).value().parameter_count(), 2 * 4 + 4);
}

struct BadFields {
  const char* name;
  void (*spoil)(NetworkSpec::Fields*);
  std::vector<std::string> expected;  // Fields violated.
};

using F = NetworkSpec::Fields*;
const BadFields kBadFields[] = {
    {"NoInputs", [](F f) { f->input_unit_count = 0; }, {"input_unit_count"}},
    {"NegativeInputs", [](F f) { f->input_unit_count = -1; }, {"input_unit_count"}},
    {"InputsPastTheLimit", [](F f) { f->input_unit_count = kMaxUnitsPerLayer + 1; }, {"input_unit_count"}},
    {"NoHiddenUnits", [](F f) { f->hidden_layers[0].unit_count = 0; }, {"hidden_layers[0].unit_count"}},
    {"HiddenUnitsPastTheLimit",
     [](F f) { f->hidden_layers.push_back({kMaxUnitsPerLayer + 1}); },
     {"hidden_layers[1].unit_count"}},
    {"HiddenLayersPastTheLimit", [](F f) { f->hidden_layers.assign(kMaxHiddenLayers + 1, {1}); }, {"hidden_layers"}},
    {"NoOutputs", [](F f) { f->output_unit_count = 0, f->output_names.clear(); }, {"output_unit_count"}},
    {"OneOutputForClasses", [](F f) { f->output_unit_count = 1, f->output_names.clear(); }, {"output_unit_count"}},
    {"OutputsPastTheLimit",
     [](F f) { f->output_unit_count = kMaxUnitsPerLayer + 1, f->output_names.clear(); },
     {"output_unit_count"}},
    {"ParametersPastTheLimit",
     [](F f) { *f = {.input_unit_count = 4096, .hidden_layers = {{4096}}, .output_unit_count = 1}; },
     {"hidden_layers"}},
    {"NegativeRange", [](F f) { f->initial_weights.range = -0.1; }, {"initial_weights.range"}},
    {"RangeNotANumber",
     [](F f) { f->initial_weights.range = std::numeric_limits<double>::quiet_NaN(); },
     {"initial_weights.range"}},
    {"InfiniteRange",
     [](F f) { f->initial_weights.range = std::numeric_limits<double>::infinity(); },
     {"initial_weights.range"}},
    {"RangeOverflowingFloat",
     [](F f) { f->initial_weights.range = 1e39, f->precision = Precision::kFloat32; },
     {"initial_weights.range"}},
    {"RangeOfAnotherDistribution",
     [](F f) { f->initial_weights.distribution = InitialDistribution::kHeNormal; },
     {"initial_weights.range"}},
    {"TooFewNames", [](F f) { f->output_names.pop_back(); }, {"output_names"}},
    {"TwoNamesForSeveralBinaryOutputs",
     [](F f) { f->task = Task::kBinaryClassification, f->output_names.resize(2); },
     {"output_names"}},
    {"ThreeNamesForABinaryOutput",
     [](F f) { f->task = Task::kBinaryClassification, f->output_unit_count = 1, f->output_names.resize(3); },
     {"output_names"}},
    {"EmptyName", [](F f) { f->output_names[1] = ""; }, {"output_names[1]"}},
    {"NamePastTheLimit",
     [](F f) { f->output_names[2] = std::string(kMaxOutputNameBytes + 1, 'x'); },
     {"output_names[2]"}},
    {"NameTwice", [](F f) { f->output_names[3] = "b"; }, {"output_names[3]"}},
};

class BadFieldsTest : public testing::TestWithParam<BadFields> {};

TEST_P(BadFieldsTest, AreRefusedByName) {
  NetworkSpec::Fields fields = Good();
  GetParam().spoil(&fields);
  const absl::Status status = NetworkSpec::Create(fields).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(FieldsOf(status), GetParam().expected) << status;
}

INSTANTIATE_TEST_SUITE_P(NetworkSpec, BadFieldsTest, testing::ValuesIn(kBadFields),
                         [](const auto& info) { return info.param.name; });

struct GoodFields {
  const char* name;
  void (*change)(NetworkSpec::Fields*);
};

const GoodFields kGoodFields[] = {
    {"OneUnitEach",
     [](F f) { *f = {.input_unit_count = 1, .output_unit_count = 1, .task = Task::kBinaryClassification}; }},
    {"InputsAtTheLimit", [](F f) { f->input_unit_count = kMaxUnitsPerLayer; }},
    {"HiddenUnitsAtTheLimit", [](F f) { f->hidden_layers[0].unit_count = kMaxUnitsPerLayer; }},
    {"OutputsAtTheLimit", [](F f) { f->output_unit_count = kMaxUnitsPerLayer, f->output_names.clear(); }},
    {"HiddenLayersAtTheLimit", [](F f) { f->hidden_layers.assign(kMaxHiddenLayers, {1}); }},
    {"ParametersAtTheLimit",  // 4095 * 4095 + 4095 + 4095 + 1 is 2^24.
     [](F f) { *f = {.input_unit_count = 4095, .hidden_layers = {{4095}}, .output_unit_count = 1}; }},
    {"NamesAtTheLimit", [](F f) { f->output_names[2] = std::string(kMaxOutputNameBytes, 'x'); }},
    {"NoNames", [](F f) { f->output_names.clear(); }},
    {"OneNameForABinaryOutput",
     [](F f) { f->task = Task::kBinaryClassification, f->output_unit_count = 1, f->output_names.resize(1); }},
    {"BothClassesOfABinaryOutput",
     [](F f) { f->task = Task::kBinaryClassification, f->output_unit_count = 1, f->output_names.resize(2); }},
    {"DefaultRange", [](F f) { f->initial_weights.range = 0; }},
    {"LargestRangeOfFloat",
     [](F f) {
       f->initial_weights.range = double{std::numeric_limits<float>::max()}, f->precision = Precision::kFloat32;
     }},
};

class GoodFieldsTest : public testing::TestWithParam<GoodFields> {};

TEST_P(GoodFieldsTest, AreAccepted) {
  NetworkSpec::Fields fields = Good();
  GetParam().change(&fields);
  EXPECT_TRUE(NetworkSpec::Create(fields).ok()) << NetworkSpec::Create(fields).status();
}

INSTANTIATE_TEST_SUITE_P(NetworkSpec, GoodFieldsTest, testing::ValuesIn(kGoodFields),
                         [](const auto& info) { return info.param.name; });

TEST(NetworkSpecTest, AcceptsExactlyTheLimitOfParameters) {
  NetworkSpec::Fields fields;
  fields.input_unit_count = fields.hidden_layers.emplace_back().unit_count = 4095;
  fields.output_unit_count = 1;
  EXPECT_EQ(NetworkSpec::Create(fields).value().parameter_count(), kMaxParameterCount);
}

TEST(NetworkSpecTest, RefusesOneParameterPastTheLimit) {
  NetworkSpec::Fields fields;
  fields.output_unit_count = 97 * 257;  // 97 * 257 * 673 is 2^24 + 1.
  fields.input_unit_count = 673 - 1;
  const absl::Status status = NetworkSpec::Create(fields).status();
  EXPECT_THAT(std::string(status.message()), HasSubstr("16777217 parameters"));
}

TEST(NetworkSpecTest, NamesAllViolationsAtOnce) {
  NetworkSpec::Fields fields = Good();
  fields.input_unit_count = 0;
  fields.hidden_layers[0].unit_count = -3;
  fields.output_unit_count = 1;
  fields.initial_weights.range = -1;
  fields.output_names = {"same", "same"};
  EXPECT_THAT(FieldsOf(NetworkSpec::Create(fields).status()),
              ElementsAre("input_unit_count", "hidden_layers[0].unit_count", "output_unit_count",
                          "initial_weights.range", "output_names", "output_names[1]"));
}

}  // namespace
}  // namespace backprop
