#include "core/scaling.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "core/error.h"
#include "gtest/gtest.h"
#include "tests/support/fields.h"
#include "tests/support/random_network.h"
#include "tests/support/training_sets.h"

namespace backprop {
namespace {

NetworkSpec Spec(Task task, Precision precision = Precision::kFloat64) {
  NetworkSpec::Fields fields;
  fields.input_unit_count = 3;
  fields.output_unit_count = 2;
  fields.task = task;
  fields.precision = precision;
  return MakeSpec(fields);
}

// Means, deviations, minima and ranges of sizes 1 to 1000, from 2500 patterns: more than one slice of a fit.
Patterns<double> WidePatterns() {
  Patterns<double> patterns = MakePatterns(Spec(Task::kRegression), 2500, /*seed=*/1);
  patterns.inputs.row(0).array() += 10;
  patterns.inputs.row(1) *= 1000;
  patterns.targets.row(1).array() = patterns.targets.row(1).array() * 5 - 100;
  return patterns;
}

// The statistics of one unit in plain loops, by the textbook.
struct Statistics {
  explicit Statistics(const Matrix<double>& values, Eigen::Index unit) {
    const auto n = static_cast<double>(values.cols());
    for (Eigen::Index t = 0; t < values.cols(); ++t) mean += values(unit, t) / n;
    for (Eigen::Index t = 0; t < values.cols(); ++t) variance += std::pow(values(unit, t) - mean, 2) / n;
    for (Eigen::Index t = 0; t < values.cols(); ++t) {
      min = std::min(min, values(unit, t));
      max = std::max(max, values(unit, t));
    }
  }
  double mean = 0, variance = 0;
  double min = std::numeric_limits<double>::infinity(), max = -std::numeric_limits<double>::infinity();
};

// Sums of 2500 numbers in another order: 2500 epsilon at most.
constexpr double kScalingRounding = 1e-12;

TEST(FitScalingsTest, StandardizesToMeanZeroAndVarianceOne) {
  const Patterns<double> patterns = WidePatterns();
  const Scalings scalings =
      FitScalings(Spec(Task::kRegression), PatternSequence<double>(patterns), ScalingMethod::kStandardize);
  for (int i = 0; i < 3; ++i) {
    const Statistics expected(patterns.inputs, i);
    EXPECT_NEAR(scalings.input.offset(i), expected.mean, kScalingRounding * 1000);
    EXPECT_NEAR(scalings.input.scale(i) * std::sqrt(expected.variance), 1, kScalingRounding);
  }
  for (int i = 0; i < 2; ++i) {
    const Statistics expected(patterns.targets, i);
    EXPECT_NEAR(scalings.target.offset(i), expected.mean, kScalingRounding * 100);
    EXPECT_NEAR(scalings.target.scale(i) * std::sqrt(expected.variance), 1, kScalingRounding);
  }
}

TEST(FitScalingsTest, MovesMinAndMaxToZeroAndOne) {
  const Patterns<double> patterns = WidePatterns();
  const Scalings scalings =
      FitScalings(Spec(Task::kRegression), PatternSequence<double>(patterns), ScalingMethod::kMinMax);
  Patterns<double> scaled = patterns;
  scalings.input.Apply<double>(scaled.inputs);
  scalings.target.Apply<double>(scaled.targets);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(scalings.input.offset(i), Statistics(patterns.inputs, i).min);
  EXPECT_TRUE(scaled.inputs.rowwise().minCoeff().isZero(0));
  EXPECT_TRUE(scaled.inputs.rowwise().maxCoeff().isOnes(kScalingRounding));
  EXPECT_TRUE(scaled.targets.rowwise().minCoeff().isZero(0));
  EXPECT_TRUE(scaled.targets.rowwise().maxCoeff().isOnes(kScalingRounding));
}

TEST(FitScalingsTest, OnlyCentresUnitsThatNeverVary) {
  Patterns<double> patterns = WidePatterns();
  patterns.inputs.row(2).setConstant(0.1);
  for (const ScalingMethod method : {ScalingMethod::kStandardize, ScalingMethod::kMinMax}) {
    const Scalings scalings = FitScalings(Spec(Task::kRegression), PatternSequence<double>(patterns), method);
    EXPECT_EQ(scalings.input.scale(2), 1);
    EXPECT_EQ(scalings.input.offset(2), 0.1);
  }
}

// A spread of 1e-39 is one that float has, but its inverse overflows.
TEST(FitScalingsTest, OnlyCentresUnitsWhoseSpreadVanishesInFloat) {
  Patterns<double> patterns = WidePatterns();
  patterns.inputs.row(2) *= 1e-39;
  for (const ScalingMethod method : {ScalingMethod::kStandardize, ScalingMethod::kMinMax}) {
    const NetworkSpec spec = Spec(Task::kRegression, Precision::kFloat32);
    const Scalings scalings =
        FitScalings(spec,
                    PatternSequence<float>({patterns.inputs.cast<float>(), patterns.targets.cast<float>(),
                                            patterns.weights.cast<float>()}),
                    method);
    EXPECT_EQ(scalings.input.scale(2), 1);
    EXPECT_TRUE(Validate(scalings, spec).ok());
  }
}

TEST(FitScalingsTest, IsValidWhereSumsOfTheValuesOverflow) {
  Patterns<double> patterns = WidePatterns();
  patterns.inputs.row(2) *= std::numeric_limits<double>::max();
  patterns.targets.row(0).setConstant(std::numeric_limits<double>::max());
  for (const ScalingMethod method : {ScalingMethod::kStandardize, ScalingMethod::kMinMax}) {
    const Scalings scalings = FitScalings(Spec(Task::kRegression), PatternSequence<double>(patterns), method);
    EXPECT_TRUE(Validate(scalings, Spec(Task::kRegression)).ok()) << Validate(scalings, Spec(Task::kRegression));
  }
}

TEST(FitScalingsTest, LeavesClassesAlone) {
  const Patterns<double> patterns = MakePatterns(Spec(Task::kBinaryClassification), 9, /*seed=*/2);
  const Scalings scalings =
      FitScalings(Spec(Task::kBinaryClassification), PatternSequence<double>(patterns), ScalingMethod::kStandardize);
  EXPECT_FALSE(scalings.input.is_identity());
  EXPECT_TRUE(scalings.target.is_identity());
}

TEST(FitScalingsTest, CountsEveryPatternOnceWhateverItsWeight) {
  Patterns<double> patterns = WidePatterns();
  const Scalings unweighted =
      FitScalings(Spec(Task::kRegression), PatternSequence<double>(patterns), ScalingMethod::kStandardize);
  patterns.weights.setLinSpaced(0, 9);
  EXPECT_EQ(FitScalings(Spec(Task::kRegression), PatternSequence<double>(patterns), ScalingMethod::kStandardize),
            unweighted);
}

TEST(FitScalingsTest, TakesOnePattern) {
  const Patterns<double> patterns = MakePatterns(Spec(Task::kRegression), 1, /*seed=*/3);
  const Scalings scalings =
      FitScalings(Spec(Task::kRegression), PatternSequence<double>(patterns), ScalingMethod::kStandardize);
  EXPECT_EQ(scalings.input.offset, patterns.inputs.col(0));
  EXPECT_TRUE(scalings.input.scale.isOnes(0));
}

TEST(ScalingTest, SubtractsTheOffsetThenMultiplies) {
  const Scaling scaling{.offset = Vector<double>{{1, -2}}, .scale = Vector<double>{{2, 0.5}}};
  Matrix<double> values{{3, 1}, {4, -2}};
  scaling.Apply<double>(values);
  EXPECT_EQ(values, (Matrix<double>{{4, 0}, {3, 0}}));
  scaling.Undo<double>(values);
  EXPECT_EQ(values, (Matrix<double>{{3, 1}, {4, -2}}));
}

TEST(ScalingTest, GoesThereAndBackAgain) {
  const Patterns<double> patterns = WidePatterns();
  const Scalings scalings =
      FitScalings(Spec(Task::kRegression), PatternSequence<double>(patterns), ScalingMethod::kStandardize);
  Matrix<double> values = patterns.inputs;
  scalings.input.Apply<double>(values);
  EXPECT_FALSE(values.isApprox(patterns.inputs, 0.1));
  scalings.input.Undo<double>(values);
  EXPECT_TRUE(values.isApprox(patterns.inputs, 1e-15));  // Four roundings.
}

TEST(ScalingTest, DoesNothingWhenEmpty) {
  Matrix<float> values{{3, 1}};
  Scaling().Apply<float>(values);
  Scaling().Undo<float>(values);
  EXPECT_TRUE(Scaling().is_identity());
  EXPECT_EQ(values, (Matrix<float>{{3, 1}}));
}

TEST(ScalingTest, ComparesWithAnotherSize) {
  const Scaling scaling{.offset = Vector<double>{{1}}, .scale = Vector<double>{{2}}};
  EXPECT_EQ(scaling, (Scaling{.offset = Vector<double>{{1}}, .scale = Vector<double>{{2}}}));
  EXPECT_FALSE(scaling == Scaling());
  EXPECT_FALSE(scaling == (Scaling{.offset = Vector<double>{{1}}, .scale = Vector<double>{{3}}}));
}

struct BadScaling {
  const char* name;
  Task task;
  Precision precision;
  void (*spoil)(Scalings*);
  std::vector<std::string> expected;  // Fields violated.
};

constexpr double kNotANumber = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinite = std::numeric_limits<double>::infinity();
constexpr Task kRegression = Task::kRegression;
constexpr Precision kFloat32 = Precision::kFloat32, kFloat64 = Precision::kFloat64;

using S = Scalings*;
const BadScaling kBadScalings[] = {
    {"OffsetsTooFew", kRegression, kFloat64, [](S s) { s->input.offset.conservativeResize(2); }, {"input_scaling"}},
    {"ScalesTooMany", kRegression, kFloat64, [](S s) { s->target.scale.setOnes(3); }, {"target_scaling"}},
    {"OffsetsAlone", kRegression, kFloat64, [](S s) { s->input.scale.resize(0); }, {"input_scaling"}},
    {"ScalesAlone", kRegression, kFloat64, [](S s) { s->input.offset.resize(0); }, {"input_scaling"}},
    {"ZeroScale", kRegression, kFloat64, [](S s) { s->input.scale(2) = 0; }, {"input_scaling.scale[2]"}},
    {"ScaleNotANumber",
     kRegression,
     kFloat64,
     [](S s) { s->target.scale(1) = kNotANumber; },
     {"target_scaling.scale[1]"}},
    {"InfiniteScale", kRegression, kFloat64, [](S s) { s->input.scale(0) = kInfinite; }, {"input_scaling.scale[0]"}},
    {"InfiniteOffset",
     kRegression,
     kFloat64,
     [](S s) { s->input.offset(0) = -kInfinite; },
     {"input_scaling.offset[0]"}},
    {"OffsetNotANumber",
     kRegression,
     kFloat64,
     [](S s) { s->target.offset(0) = kNotANumber; },
     {"target_scaling.offset[0]"}},
    {"OffsetOverflowingFloat",
     kRegression,
     kFloat32,
     [](S s) { s->input.offset(1) = 1e39; },
     {"input_scaling.offset[1]"}},
    {"ScaleOverflowingFloat",
     kRegression,
     kFloat32,
     [](S s) { s->input.scale(1) = -1e39; },
     {"input_scaling.scale[1]"}},
    {"ScaleVanishingInFloat",
     kRegression,
     kFloat32,
     [](S s) { s->input.scale(1) = 1e-39; },
     {"input_scaling.scale[1]"}},
    {"ScaledBinaryTargets", Task::kBinaryClassification, kFloat64, [](S) {}, {"target_scaling"}},
    {"ScaledClasses",
     Task::kMultiwayClassification,
     kFloat64,
     [](S s) { s->target.offset.resize(0); },
     {"target_scaling"}},
    {"AllAtOnce",
     kRegression,
     kFloat64,
     [](S s) { s->input.scale.setZero(), s->input.offset(1) = kNotANumber, s->target.offset.resize(5); },
     {"input_scaling.scale[0]", "input_scaling.offset[1]", "input_scaling.scale[1]", "input_scaling.scale[2]",
      "target_scaling"}},
};

Scalings GoodScalings() {
  return {.input = {.offset = Vector<double>{{1, 2, 3}}, .scale = Vector<double>{{0.1, -0.2, 1e30}}},
          .target = {.offset = Vector<double>{{4, 5}}, .scale = Vector<double>{{0.4, 0.5}}}};
}

class BadScalingTest : public testing::TestWithParam<BadScaling> {};

TEST_P(BadScalingTest, IsRefusedByName) {
  Scalings scalings = GoodScalings();
  GetParam().spoil(&scalings);
  const absl::Status status = Validate(scalings, Spec(GetParam().task, GetParam().precision));
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(FieldsOf(status), GetParam().expected) << status;
}

INSTANTIATE_TEST_SUITE_P(Scalings, BadScalingTest, testing::ValuesIn(kBadScalings),
                         [](const auto& info) { return info.param.name; });

TEST(ScalingsTest, AreGoodInBothPrecisionsAndWhenEmpty) {
  EXPECT_TRUE(Validate(GoodScalings(), Spec(kRegression, kFloat32)).ok());
  EXPECT_TRUE(Validate(GoodScalings(), Spec(kRegression, kFloat64)).ok());
  for (const Task task : kTasks) EXPECT_TRUE(Validate(Scalings(), Spec(task)).ok());
}

}  // namespace
}  // namespace backprop
