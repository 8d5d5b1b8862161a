#include "core/batch_computation.h"

#include <algorithm>
#include <atomic>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/compute.h"
#include "tests/support/near.h"
#include "tests/support/random_network.h"
#include "tests/support/scalar_conversion.h"
#include "tests/support/thread_for.h"
#include "tests/support/training_sets.h"

namespace backprop {
namespace {

// Sums of a few numbers of size 1 to 10 in another order.
constexpr double kRounding = 1e-13;

NetworkSpec::Fields FieldsOf(Task task, std::vector<HiddenLayer> hidden_layers) {
  NetworkSpec::Fields fields;
  fields.input_unit_count = 3;
  fields.hidden_layers = std::move(hidden_layers);
  fields.output_unit_count = 2;
  fields.task = task;
  fields.precision = Precision::kFloat64;
  return fields;
}

class BatchComputationTest : public testing::TestWithParam<Task> {
 protected:
  const RandomCase case_ = MakeRandomCase(FieldsOf(GetParam(), {{4, Activation::kTanh}}), 5, /*seed=*/3);

  Computed<double> Of(const Patterns<double>& patterns) const {
    return Compute(case_.spec, case_.scalings, case_.parameters, patterns);
  }
};

INSTANTIATE_TEST_SUITE_P(EveryTask, BatchComputationTest, testing::ValuesIn(kTasks));

TEST_P(BatchComputationTest, CountsAPatternOfWeightTwoAsTwoPatterns) {
  Patterns<double> heavy = case_.patterns, twice = case_.patterns;
  heavy.weights << 1, 2, 1, 1, 1;
  twice.inputs.conservativeResize(Eigen::NoChange, 6);
  twice.targets.conservativeResize(Eigen::NoChange, 6);
  twice.inputs.col(5) = twice.inputs.col(1);
  twice.targets.col(5) = twice.targets.col(1);
  twice.weights = RowVector<double>::Ones(6);
  const auto a = Of(heavy), b = Of(twice);
  EXPECT_TRUE(AllNear(ToVector(a.gradient.flat()), ToVector(b.gradient.flat()), kRounding));
  EXPECT_NEAR(a.measures.log_likelihood, b.measures.log_likelihood, kRounding);
  EXPECT_NEAR(a.measures.accuracy(), b.measures.accuracy(), kRounding);
  EXPECT_NEAR(a.measures.squared_error, b.measures.squared_error, kRounding);
  EXPECT_EQ(a.measures.weight_sum, 6);
  EXPECT_EQ(a.measures.pattern_count, 5);
}

TEST_P(BatchComputationTest, LeavesPatternsOfWeightZeroOut) {
  Patterns<double> some = case_.patterns;
  some.weights << 1, 0, 1, 1, 0;
  Patterns<double> others = some;
  others.inputs.col(1).setConstant(9);
  others.inputs.col(4).setConstant(-9);
  const auto a = Of(some), b = Of(others);
  EXPECT_EQ(a.gradient, b.gradient);
  EXPECT_EQ(a.measures.log_likelihood, b.measures.log_likelihood);
  EXPECT_EQ(a.measures.weight_sum, 3);
}

TEST_P(BatchComputationTest, IsZeroWhereNoPatternHasWeight) {
  Patterns<double> weightless = case_.patterns;
  weightless.weights.setZero();
  const auto computed = Of(weightless);
  EXPECT_TRUE(computed.gradient.flat().isZero(0));
  EXPECT_EQ(computed.measures.mean_log_likelihood(), 0);
  EXPECT_EQ(computed.measures.accuracy(), 0);
  EXPECT_TRUE(computed.outputs.allFinite());
}

TEST(BatchMeasuresTest, HaveSquaredErrorsInTheCallersUnits) {
  const RandomCase c = MakeRandomCase(FieldsOf(Task::kRegression, {{4}}), 5, /*seed=*/3);
  const auto computed = Compute(c.spec, c.scalings, c.parameters, c.patterns);
  const Matrix<double> errors = c.patterns.targets - computed.outputs;
  EXPECT_NEAR(computed.measures.squared_error, errors.colwise().squaredNorm().dot(c.patterns.weights), 1e-12);
}

// Without hidden layers the gradient is sum_t weight_t (y*_t - y_t) x_t', with inputs and targets scaled, for all
// three: linear, logistic and softmax regression.
TEST_P(BatchComputationTest, HasTheClosedFormGradientWithoutHiddenLayers) {
  const RandomCase c = MakeRandomCase(FieldsOf(GetParam(), {}), 5, /*seed=*/4);
  Matrix<double> x = c.patterns.inputs, targets = c.patterns.targets;
  x = (x.colwise() - c.scalings.input.offset).array().colwise() * c.scalings.input.scale.array();
  Matrix<double> y = (c.parameters.weights(1) * x).colwise() + Vector<double>(c.parameters.biases(1));
  if (GetParam() == Task::kRegression) {
    targets = (targets.colwise() - c.scalings.target.offset).array().colwise() * c.scalings.target.scale.array();
  } else if (GetParam() == Task::kBinaryClassification) {
    y = 1 / (1 + (-y.array()).exp());
  } else {
    y = y.array().exp();
    y = y.array().rowwise() / y.colwise().sum().array();
  }
  const Matrix<double> d = (targets - y) * c.patterns.weights.asDiagonal();
  const auto computed = Compute(c.spec, c.scalings, c.parameters, c.patterns);
  EXPECT_TRUE(computed.gradient.weights(1).isApprox(d * x.transpose(), kRounding));
  EXPECT_TRUE(computed.gradient.biases(1).isApprox(d.rowwise().sum(), kRounding));
  EXPECT_TRUE(computed.input_gradients.isApprox(
      c.scalings.input.scale.asDiagonal() * c.parameters.weights(1).transpose() * d, kRounding));
}

// Large enough for several slices and parts of several chunks, the last ones ragged.
class ParallelBatchTest : public testing::Test {
 protected:
  static NetworkSpec::Fields Fields() {
    NetworkSpec::Fields fields = FieldsOf(Task::kMultiwayClassification, {{40, Activation::kLogistic}, {30}});
    fields.input_unit_count = 61;
    fields.output_unit_count = 5;
    return fields;
  }
  static constexpr int64_t kCount = 7 * 1301;

  const NetworkSpec spec_ = MakeSpec(Fields());
  const Parameters<float> parameters_ =
      Cast<float>(spec_, MakeRandomCase(Fields(), /*pattern_count=*/1, /*seed=*/5).parameters);
  const Patterns<float> patterns_ = Cast<float>(MakePatterns(spec_, kCount, /*seed=*/6));
};

TEST_F(ParallelBatchTest, IsSplitIntoSeveralTasks) {
  std::vector<int> tasks;
  Compute<float>(spec_, {}, parameters_, patterns_, [&](int count, const std::function<void(int)>& task) {
    tasks.push_back(count);
    SequentialFor(count, task);
  });
  // Slices and then parts of nine chunks.
  ASSERT_EQ(tasks.size(), 18);
  EXPECT_GE(*std::min_element(tasks.begin(), tasks.end()), 2);
}

TEST_F(ParallelBatchTest, GivesTheSameBitsWithAnyNumberOfThreads) {
  const auto sequential = Compute<float>(spec_, {}, parameters_, patterns_);
  for (const int threads : {2, 3, 7}) {
    EXPECT_TRUE(SameBits(sequential, Compute<float>(spec_, {}, parameters_, patterns_, ThreadFor(threads))));
  }
}

TEST_F(ParallelBatchTest, GivesTheSameBitsInAnyOrderOfTasks) {
  const ParallelFor backwards = [](int count, const std::function<void(int)>& task) {
    for (int i = count; i-- > 0;) task(i);
  };
  EXPECT_TRUE(SameBits(Compute<float>(spec_, {}, parameters_, patterns_),
                       Compute<float>(spec_, {}, parameters_, patterns_, backwards)));
}

// Against pieces of a hundred patterns, none of which is split. The sums of 9,000 doubles of size 1 lose at most 9,000
// epsilon each.
TEST_F(ParallelBatchTest, SumsAllPatternsOnce) {
  const Parameters<double> parameters = MakeRandomCase(Fields(), /*pattern_count=*/1, /*seed=*/5).parameters;
  const Patterns<double> patterns = MakePatterns(spec_, kCount, /*seed=*/6);
  const PatternSequence<double> sequence = PatternSequence(patterns);
  Parameters<double> gradient(spec_.layout());
  Measures measures;
  for (int64_t begin = 0; begin < kCount; begin += 100) {
    const auto piece = Compute(spec_, {}, parameters, sequence.Slice(begin, std::min<int64_t>(100, kCount - begin)));
    gradient.flat() += piece.gradient.flat();
    measures.Add(piece.measures);
  }
  const auto whole = Compute(spec_, {}, parameters, patterns);
  EXPECT_EQ(whole.measures.pattern_count, kCount);
  EXPECT_EQ(whole.measures.confusion, measures.confusion);
  EXPECT_NEAR(whole.measures.log_likelihood / measures.log_likelihood, 1, 1e-12);
  EXPECT_TRUE(AllNear(ToVector(whole.gradient.flat()), ToVector(gradient.flat()), 1e-12));
}

TEST_F(ParallelBatchTest, TakesGivenErrorSignalsPatternByPattern) {
  const auto by_targets = Compute<float>(spec_, {}, parameters_, patterns_);
  const Matrix<float> signals = patterns_.targets - by_targets.outputs;
  const auto by_signals = Compute<float>(spec_, {}, parameters_, patterns_, SequentialFor, &signals);
  EXPECT_EQ(by_signals.gradient, by_targets.gradient);
  EXPECT_EQ(by_signals.input_gradients, by_targets.input_gradients);
  EXPECT_EQ(by_signals.measures.weight_sum, kCount);
}

// A workspace that has been used for a larger batch, and was stopped there, is as good as new.
TEST_F(ParallelBatchTest, CanBeUsedAgainForASmallerBatchAfterAStop) {
  BatchComputation<float> computation(spec_, {});
  BatchRequest<float> request{.pattern_count = kCount, .source = SourceOf(patterns_)};
  EXPECT_FALSE(computation.Run(parameters_, request, SequentialFor, [] { return true; }));
  ASSERT_TRUE(computation.Run(parameters_, request, SequentialFor, NeverStop));
  request.pattern_count = 10;
  ASSERT_TRUE(computation.Run(parameters_, request, SequentialFor, NeverStop));
  BatchComputation<float> fresh(spec_, {});
  ASSERT_TRUE(fresh.Run(parameters_, request, SequentialFor, NeverStop));
  EXPECT_EQ(computation.gradient(), fresh.gradient());
  EXPECT_EQ(computation.measures().log_likelihood, fresh.measures().log_likelihood);
}

TEST_F(ParallelBatchTest, StopsBetweenChunks) {
  BatchComputation<float> computation(spec_, {});
  const BatchRequest<float> request{.pattern_count = kCount, .source = SourceOf(patterns_)};
  std::atomic<int> asked = 0;
  EXPECT_FALSE(computation.Run(parameters_, request, ThreadFor(2), [&] { return ++asked > 3; }));
  EXPECT_TRUE(computation.Run(parameters_, request, ThreadFor(2), NeverStop));
}

TEST(BatchWorkspaceTest, OfAnEmptyBatchAfterAStopIsNotStopped) {
  const RandomCase c = MakeRandomCase(FieldsOf(Task::kRegression, {}), 3, /*seed=*/8);
  BatchComputation<double> computation(c.spec, c.scalings);
  BatchRequest<double> request{.pattern_count = 3, .source = SourceOf(c.patterns)};
  EXPECT_FALSE(computation.Run(c.parameters, request, SequentialFor, [] { return true; }));
  request.pattern_count = 0;
  EXPECT_TRUE(computation.Run(c.parameters, request, SequentialFor, NeverStop));
  EXPECT_TRUE(computation.gradient().flat().isZero(0));
}

TEST(PredictTest, GivesTheOutputsOfManyPatternsInTheirPlaces) {
  const RandomCase c = MakeRandomCase(FieldsOf(Task::kRegression, {{4}}), 700, /*seed=*/9);
  const Matrix<double> outputs = Predict<double>(c.spec, c.scalings, c.parameters, c.patterns.inputs, NeverStop);
  EXPECT_TRUE(outputs.isApprox(Compute(c.spec, c.scalings, c.parameters, c.patterns).outputs, kRounding));
}

TEST(PredictTest, OfNoPatternsIsEmpty) {
  const RandomCase c = MakeRandomCase(FieldsOf(Task::kRegression, {{4}}), 1, /*seed=*/9);
  EXPECT_EQ(Predict<double>(c.spec, c.scalings, c.parameters, Matrix<double>(3, 0), NeverStop).cols(), 0);
}

}  // namespace
}  // namespace backprop
