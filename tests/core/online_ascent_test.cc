#include "core/online_ascent.h"

#include <cmath>
#include <vector>

#include "core/batch_computation.h"
#include "core/optimizer.h"
#include "core/update.h"
#include "gtest/gtest.h"
#include "tests/support/near.h"
#include "tests/support/random_network.h"
#include "tests/support/scalar_conversion.h"

namespace backprop {
namespace {

TrainingOptions OnlineOptions() { return {.batch_size = 1, .step_size = 0.1}; }

struct Learned {
  Parameters<double> parameters;
  Measures measures = {};
  double norm_sum = 0;
};

PatternView<double> ViewOf(const Patterns<double>& patterns, int64_t t) {
  return {patterns.inputs.col(t).data(), patterns.targets.col(t).data(), patterns.weights(t)};
}

// Pattern by pattern through the batch computation and its update.
Learned LearnByBatches(const RandomCase& c, const TrainingOptions& options) {
  Learned learned{c.parameters};
  OptimizerState<double> state;
  BatchComputation<double> computation(c.spec, c.scalings);
  for (int64_t t = 0; t < c.patterns.count(); ++t) {
    const PatternSource<double> all = SourceOf(c.patterns);
    const BatchRequest<double> request{.pattern_count = 1,
                                       .source = [&](int64_t, int64_t n, auto inputs, auto targets, auto weights) {
                                         all(t, n, inputs, targets, weights);
                                       }};
    EXPECT_TRUE(computation.Run(learned.parameters, request, SequentialFor, NeverStop));
    learned.norm_sum += Update(options, options.step_size, computation.measures().weight_sum, &computation.gradient(),
                               &state, &learned.parameters);
    learned.measures.Add(computation.measures());
  }
  return learned;
}

// `finish_each`: as if every block were the last.
Learned LearnOnline(const RandomCase& c, const TrainingOptions& options, bool finish_each = false) {
  Learned learned{c.parameters};
  OnlineAscent<double> ascent(c.spec, c.scalings);
  std::vector<PatternView<double>> block;
  for (int64_t t = 0; t < c.patterns.count(); ++t) {
    block.push_back(ViewOf(c.patterns, t));
    if (std::ssize(block) < ascent.block_size() && t + 1 < c.patterns.count()) continue;
    EXPECT_EQ(
        ascent.Learn(options, options.step_size, block, &learned.parameters, &learned.measures, &learned.norm_sum),
        std::ssize(block));
    block.clear();
    if (finish_each) ascent.Finish(&learned.parameters);
  }
  ascent.Finish(&learned.parameters);
  return learned;
}

void ExpectSame(const Learned& learned, const Learned& expected, double rounding) {
  EXPECT_TRUE(AllNear(ToVector(learned.parameters.flat()), ToVector(expected.parameters.flat()), rounding));
  EXPECT_NEAR(learned.norm_sum, expected.norm_sum, rounding * expected.norm_sum);
  EXPECT_NEAR(learned.measures.log_likelihood, expected.measures.log_likelihood,
              rounding * (1 + std::abs(expected.measures.log_likelihood)));
  EXPECT_NEAR(learned.measures.correct, expected.measures.correct, rounding * (1 + expected.measures.correct));
  EXPECT_EQ(learned.measures.pattern_count, expected.measures.pattern_count);
}

TEST(OnlineAscentTest, ServesPlainGradientAscentByOnePattern) {
  EXPECT_TRUE(OnlineAscent<float>::Serves(OnlineOptions()));
  TrainingOptions options = OnlineOptions();
  options.batch_size = 2;
  EXPECT_FALSE(OnlineAscent<float>::Serves(options));
  options = OnlineOptions();
  options.weight_decay = 0.1;
  EXPECT_FALSE(OnlineAscent<float>::Serves(options));
  options = OnlineOptions();
  options.optimizer = GradientAscent{.momentum = 0.5};
  EXPECT_FALSE(OnlineAscent<float>::Serves(options));
  options.optimizer = Adam{};
  EXPECT_FALSE(OnlineAscent<float>::Serves(options));
}

// The same sums in another order: some epsilons a pattern.
constexpr double kOnlineRounding = 1e-11;

TEST(OnlineAscentTest, LearnsWhatTheBatchComputationDoes) {
  for (int64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    const RandomCase c = MakeRandomCase(seed);
    TrainingOptions options = OnlineOptions();
    options.reduction = seed % 2 == 0 ? Reduction::kSum : Reduction::kMean;
    if (seed % 3 == 0) options.gradient_norm_limit = 0.5;
    ExpectSame(LearnOnline(c, options), LearnByBatches(c, options), kOnlineRounding);
  }
}

// 70 x 61 weights in the first layer, 75 patterns: two blocks and some.
RandomCase WideCase(Task task) {
  return MakeRandomCase({.input_unit_count = 70,
                         .hidden_layers = {{.unit_count = 61}, {.unit_count = 5}},
                         .output_unit_count = 3,
                         .task = task,
                         .precision = Precision::kFloat64},
                        /*pattern_count=*/75, /*seed=*/5);
}

TEST(OnlineAscentTest, LearnsTheFirstLayerInBlocks) {
  for (const Task task : {Task::kRegression, Task::kBinaryClassification, Task::kMultiwayClassification}) {
    for (const double limit : {0.0, 0.5}) {
      SCOPED_TRACE(testing::Message() << static_cast<int>(task) << " limit " << limit);
      RandomCase c = WideCase(task);
      ASSERT_EQ(OnlineAscent<double>(c.spec, c.scalings).block_size(), PatternBlock<double>::kPatterns);
      c.scalings.input = {.offset = Vector<double>::Constant(70, 0.25), .scale = Vector<double>::Constant(70, 0.5)};
      TrainingOptions options = OnlineOptions();
      options.step_size = 0.01;
      options.gradient_norm_limit = limit;
      ExpectSame(LearnOnline(c, options), LearnByBatches(c, options), kOnlineRounding);
      EXPECT_EQ(LearnOnline(c, options, /*finish_each=*/true).parameters, LearnOnline(c, options).parameters);
    }
  }
}

TEST(OnlineAscentTest, LearnsABlockWhoseInnerProductsOverflow) {
  const RandomCase c = WideCase(Task::kMultiwayClassification);
  Patterns<float> patterns = Cast<float>(c.patterns);
  patterns.inputs.col(7) *= 1e25F;
  std::vector<PatternView<float>> block;
  for (int64_t t = 0; t < 20; ++t) {
    block.push_back({patterns.inputs.col(t).data(), patterns.targets.col(t).data(), patterns.weights(t)});
  }
  OnlineAscent<float> ascent(c.spec, c.scalings), one_by_one(c.spec, c.scalings);
  Parameters<float> begin(c.spec.layout());
  begin.flat() = c.parameters.flat().cast<float>();
  Parameters<float> learned = begin, expected = begin;
  Measures measures;
  double norm_sum = 0;
  EXPECT_EQ(ascent.Learn(OnlineOptions(), 0.01, block, &learned, &measures, &norm_sum), 20);
  for (const PatternView<float>& pattern : block) {
    EXPECT_EQ(one_by_one.Learn(OnlineOptions(), 0.01, {&pattern, 1}, &expected, &measures, &norm_sum), 1);
  }
  ascent.Finish(&learned);
  one_by_one.Finish(&expected);
  EXPECT_EQ(learned, expected);
  EXPECT_FALSE(learned == begin);
}

TEST(OnlineAscentTest, ABlockEndsAtThePatternThatIsNotLearned) {
  RandomCase c = WideCase(Task::kRegression);
  c.patterns.targets.col(9).setConstant(1e200);
  std::vector<PatternView<double>> block;
  for (int64_t t = 0; t < 20; ++t) block.push_back(ViewOf(c.patterns, t));
  OnlineAscent<double> ascent(c.spec, c.scalings);
  Learned learned{c.parameters};
  EXPECT_EQ(ascent.Learn(OnlineOptions(), 0.01, block, &learned.parameters, &learned.measures, &learned.norm_sum), 9);
  ascent.Finish(&learned.parameters);
  EXPECT_EQ(learned.measures.pattern_count, 9);
  c.patterns = {c.patterns.inputs.leftCols(9), c.patterns.targets.leftCols(9), c.patterns.weights.head(9)};
  TrainingOptions options = OnlineOptions();
  options.step_size = 0.01;
  ExpectSame(learned, LearnByBatches(c, options), kOnlineRounding);
}

// Rows of a layer are taken by fours, inputs by vectors: both with rests.
TEST(OnlineAscentTest, LearnsInLayersWiderThanItsLoops) {
  const RandomCase c = MakeRandomCase({.input_unit_count = 37,
                                       .hidden_layers = {{.unit_count = 23}, {.unit_count = 18}},
                                       .output_unit_count = 11,
                                       .task = Task::kMultiwayClassification,
                                       .precision = Precision::kFloat64},
                                      /*pattern_count=*/40, /*seed=*/3);
  EXPECT_TRUE(AllNear(ToVector(LearnOnline(c, OnlineOptions()).parameters.flat()),
                      ToVector(LearnByBatches(c, OnlineOptions()).parameters.flat()), kOnlineRounding));
}

TEST(OnlineAscentTest, APendingStepHasTheBitsOfOneThatIsTaken) {
  for (int64_t seed = 1; seed <= 20; ++seed) {
    const RandomCase c = MakeRandomCase(seed);
    EXPECT_EQ(LearnOnline(c, OnlineOptions(), /*finish_each=*/true).parameters,
              LearnOnline(c, OnlineOptions()).parameters);
  }
}

TEST(OnlineAscentTest, DoesNotLearnFromAPatternWithoutAFiniteLikelihood) {
  RandomCase c = MakeRandomCase({.input_unit_count = 3, .hidden_layers = {{.unit_count = 2}}, .output_unit_count = 1},
                                /*pattern_count=*/2, /*seed=*/1);
  const PatternView<double> pattern = ViewOf(c.patterns, 0);
  const double far_target = 1e200;
  PatternView<double> far = pattern;
  far.targets = &far_target;
  OnlineAscent<double> ascent(c.spec, c.scalings);
  Measures measures;
  double norm_sum = 0;
  Parameters<double> parameters = c.parameters;
  EXPECT_EQ(ascent.Learn(OnlineOptions(), 0.1, {&far, 1}, &parameters, &measures, &norm_sum), 0);
  ascent.Finish(&parameters);
  EXPECT_EQ(parameters, c.parameters);
  EXPECT_EQ(measures.pattern_count, 0);
  EXPECT_EQ(norm_sum, 0);
  EXPECT_EQ(ascent.Learn(OnlineOptions(), 0.1, {&pattern, 1}, &parameters, &measures, &norm_sum), 1);
}

}  // namespace
}  // namespace backprop
