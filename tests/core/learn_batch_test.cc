#include <cmath>
#include <limits>

#include "core/update.h"
#include "gtest/gtest.h"
#include "tests/support/near.h"
#include "tests/support/random_network.h"
#include "tests/support/scalar_conversion.h"
#include "tests/support/thread_for.h"

namespace backprop {
namespace {

template <typename Scalar>
struct LearnedBatch {
  Parameters<Scalar> parameters;
  std::optional<double> norm = 0;
  int64_t step_count = 0;
};

// A step by LearnBatch over all of `patterns`.
template <typename Scalar>
LearnedBatch<Scalar> Learn(const NetworkSpec& spec, const Scalings& scalings, const Parameters<Scalar>& parameters,
                           const Patterns<Scalar>& patterns, const TrainingOptions& options,
                           const ParallelFor& parallel_for = SequentialFor, const StopCheck& stopped = NeverStop) {
  LearnedBatch<Scalar> learned{parameters};
  BatchComputation<Scalar> computation(spec, scalings);
  OptimizerState<Scalar> state;
  const BatchRequest<Scalar> request{.pattern_count = patterns.count(), .source = SourceOf(patterns)};
  learned.norm =
      LearnBatch(options, options.step_size, request, parallel_for, stopped, &computation, &state, &learned.parameters);
  learned.step_count = state.step_count;
  return learned;
}

// The same in two steps: the gradient first.
template <typename Scalar>
LearnedBatch<Scalar> LearnByUpdate(const NetworkSpec& spec, const Scalings& scalings,
                                   const Parameters<Scalar>& parameters, const Patterns<Scalar>& patterns,
                                   const TrainingOptions& options) {
  LearnedBatch<Scalar> learned{parameters};
  BatchComputation<Scalar> computation(spec, scalings);
  OptimizerState<Scalar> state;
  const BatchRequest<Scalar> request{.pattern_count = patterns.count(), .source = SourceOf(patterns)};
  EXPECT_TRUE(computation.Run(parameters, request, SequentialFor, NeverStop));
  learned.norm = Update(options, options.step_size, computation.measures().weight_sum, &computation.gradient(), &state,
                        &learned.parameters);
  learned.step_count = state.step_count;
  return learned;
}

TrainingOptions OptionsOf(int64_t seed) {
  TrainingOptions options{.reduction = seed % 2 == 0 ? Reduction::kSum : Reduction::kMean, .step_size = 0.5};
  if (seed % 5 == 1) options.gradient_norm_limit = 0.1;
  if (seed % 5 == 2) options.weight_decay = 0.1;
  if (seed % 5 == 3) options.optimizer = Adam{};
  return options;
}

// Whether or not the gradient is stored on the way. Some epsilons of rounding: the same products in the same order.
TEST(LearnBatchTest, IsTheUpdateByTheGradientOfTheBatch) {
  for (int64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    const RandomCase c = MakeRandomCase(seed);
    const TrainingOptions options = OptionsOf(seed);
    const auto learned = Learn(c.spec, c.scalings, c.parameters, c.patterns, options);
    const auto expected = LearnByUpdate(c.spec, c.scalings, c.parameters, c.patterns, options);
    EXPECT_TRUE(AllNear(ToVector(learned.parameters.flat()), ToVector(expected.parameters.flat()), 1e-13));
    ASSERT_TRUE(learned.norm.has_value());
    EXPECT_NEAR(*learned.norm, *expected.norm, 1e-13 * *expected.norm);
    EXPECT_EQ(learned.step_count, 1);
  }
}

// A network and a batch that are cut into many parts and slices, and one batch that is more than a chunk.
TEST(LearnBatchTest, HasTheSameBitsForAnyNumberOfThreads) {
  const NetworkSpec spec = MakeSpec({.input_unit_count = 203,
                                     .hidden_layers = {{.unit_count = 150}, {.unit_count = 61}},
                                     .output_unit_count = 7,
                                     .task = Task::kMultiwayClassification});
  Parameters<float> parameters(spec.layout());
  for (Eigen::Index i = 0; i < parameters.flat().size(); ++i) parameters.flat()(i) = std::sin(static_cast<float>(i));
  for (const int64_t count : {256, 1024, 1025}) {
    const Patterns<float> patterns = Cast<float>(MakePatterns(spec, count, /*seed=*/4));
    const auto one = Learn<float>(spec, {}, parameters, patterns, {});
    ASSERT_TRUE(std::isfinite(*one.norm));
    EXPECT_NE(one.parameters, parameters);
    for (const int threads : {2, 3}) {
      const auto more = Learn<float>(spec, {}, parameters, patterns, {}, ThreadFor(threads));
      EXPECT_EQ(more.parameters, one.parameters) << count << " patterns, " << threads << " threads";
      EXPECT_EQ(*more.norm, *one.norm);
    }
    // In float; sums of a thousand terms.
    const auto expected = LearnByUpdate<float>(spec, {}, parameters, patterns, {});
    EXPECT_TRUE(AllNear(ToVector(one.parameters.flat()), ToVector(expected.parameters.flat()), 1e-6));
    EXPECT_NEAR(*one.norm / *expected.norm, 1, 1e-5);
  }
}

TEST(LearnBatchTest, ChangesNothingWhenItIsStopped) {
  const RandomCase c = MakeRandomCase(/*seed=*/4);
  const auto stopped =
      Learn(c.spec, c.scalings, c.parameters, c.patterns, {}, SequentialFor, /*stopped=*/[] { return true; });
  EXPECT_FALSE(stopped.norm.has_value());
  EXPECT_EQ(stopped.parameters, c.parameters);
  EXPECT_EQ(stopped.step_count, 0);
}

// One linear unit with the error `error` at inputs of `input`: the gradient is error * input.
LearnedBatch<float> LearnLinear(float input, float error) {
  const NetworkSpec spec = MakeSpec({.input_unit_count = 2, .output_unit_count = 1, .task = Task::kRegression});
  const Patterns<float> patterns{.inputs = Matrix<float>::Constant(2, 5, input),
                                 .targets = Matrix<float>::Constant(1, 5, error),
                                 .weights = RowVector<float>::Ones(5)};
  return Learn<float>(spec, {}, Parameters<float>(spec.layout()), patterns, {.step_size = 1e-20});
}

TEST(LearnBatchTest, KnowsTheNormOfAGradientWhoseSquareIsBeyondFloat) {
  const auto learned = LearnLinear(1e15F, 1e10F);
  EXPECT_NEAR(*learned.norm / (1e25 * std::sqrt(2)), 1, 1e-6);
  EXPECT_NEAR(learned.parameters.flat()(0) / 1e5, 1, 1e-6);
}

TEST(LearnBatchTest, SaysThatAGradientIsNotFinite) {
  EXPECT_FALSE(std::isfinite(*LearnLinear(1e30F, 1e15F).norm));
  EXPECT_TRUE(std::isnan(*LearnLinear(1, 1e30F).norm));  // The log likelihood is not.
}

}  // namespace
}  // namespace backprop
