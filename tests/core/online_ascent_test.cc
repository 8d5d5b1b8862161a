#include "core/online_ascent.h"

#include <cmath>

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

// `finish_each`: as if every pattern were the last.
Learned LearnOnline(const RandomCase& c, const TrainingOptions& options, bool finish_each = false) {
  Learned learned{c.parameters};
  OnlineAscent<double> ascent(c.spec, c.scalings);
  for (int64_t t = 0; t < c.patterns.count(); ++t) {
    learned.norm_sum +=
        ascent.Learn(options, options.step_size, c.patterns.inputs.col(t).data(), c.patterns.targets.col(t).data(),
                     c.patterns.weights(t), &learned.parameters, &learned.measures);
    if (finish_each) ascent.Finish(&learned.parameters);
  }
  ascent.Finish(&learned.parameters);
  return learned;
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
    const Learned expected = LearnByBatches(c, options), learned = LearnOnline(c, options);
    EXPECT_TRUE(AllNear(ToVector(learned.parameters.flat()), ToVector(expected.parameters.flat()), kOnlineRounding));
    EXPECT_NEAR(learned.norm_sum, expected.norm_sum, kOnlineRounding * expected.norm_sum);
    EXPECT_NEAR(learned.measures.log_likelihood, expected.measures.log_likelihood,
                kOnlineRounding * (1 + std::abs(expected.measures.log_likelihood)));
    EXPECT_NEAR(learned.measures.correct, expected.measures.correct, kOnlineRounding * (1 + expected.measures.correct));
    EXPECT_EQ(learned.measures.pattern_count, c.patterns.count());
  }
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
  const Vector<double> x = c.patterns.inputs.col(0), far = Vector<double>::Constant(1, 1e200);
  OnlineAscent<double> ascent(c.spec, c.scalings);
  Measures measures;
  Parameters<double> parameters = c.parameters;
  EXPECT_TRUE(std::isnan(ascent.Learn(OnlineOptions(), 0.1, x.data(), far.data(), 1, &parameters, &measures)));
  ascent.Finish(&parameters);
  EXPECT_EQ(parameters, c.parameters);
  EXPECT_EQ(measures.pattern_count, 0);
  EXPECT_TRUE(std::isfinite(
      ascent.Learn(OnlineOptions(), 0.1, x.data(), c.patterns.targets.col(0).data(), 1, &parameters, &measures)));
}

}  // namespace
}  // namespace backprop
