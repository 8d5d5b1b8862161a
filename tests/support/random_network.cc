#include "tests/support/random_network.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "tests/support/scalar_conversion.h"

namespace backprop {
namespace {

constexpr double kLeastKinkDistance = 1e-3;

// Uniform in [low, high), exact in float.
double Draw(Random* random, double low, double high) {
  return double{static_cast<float>(low + (high - low) * random->Uniform())};
}

template <typename Derived>
void Fill(Random* random, double low, double high, Eigen::DenseBase<Derived>* values) {
  for (Eigen::Index i = 0; i < values->size(); ++i) values->derived()(i) = Draw(random, low, high);
}

Scaling MakeScaling(Random* random, int unit_count) {
  Scaling scaling{.offset = Vector<double>(unit_count), .scale = Vector<double>(unit_count)};
  Fill(random, -1, 1, &scaling.offset);
  Fill(random, 0.5, 2, &scaling.scale);
  scaling.scale(0) = -scaling.scale(0);
  return scaling;
}

// Sums of 1 over the classes of each pattern, as the multinomial of eq. (35) has it, exactly: multiples of 1/64.
void FillWithDistributions(Random* random, Matrix<double>* targets) {
  targets->setZero();
  for (Eigen::Index t = 0; t < targets->cols(); ++t) {
    for (int part = 0; part < 64; ++part) (*targets)(random->Below(targets->rows()), t) += 1.0 / 64;
  }
}

RandomCase Draw(const NetworkSpec& spec, int pattern_count, Random* random) {
  RandomCase c{.spec = spec,
               .scalings = {.input = MakeScaling(random, spec.input_unit_count()), .target = {}},
               .parameters = Parameters<double>(spec.layout()),
               .patterns = {.inputs = Matrix<double>(spec.input_unit_count(), pattern_count),
                            .targets = Matrix<double>(spec.output_unit_count(), pattern_count),
                            .weights = RowVector<double>(pattern_count)}};
  for (int layer = 1; layer <= spec.layer_count(); ++layer) {
    // Weighted sums of about 1, whatever the number of units below.
    const double range = 1.5 / std::sqrt(spec.unit_count(layer - 1));
    auto weights = c.parameters.weights(layer).reshaped();
    auto biases = c.parameters.biases(layer);
    Fill(random, -range, range, &weights);
    Fill(random, -range, range, &biases);
  }
  Fill(random, -1, 1, &c.patterns.inputs);
  Fill(random, 0.5, 2, &c.patterns.weights);
  if (spec.task() == Task::kRegression) {
    c.scalings.target = MakeScaling(random, spec.output_unit_count());
    Fill(random, -1, 1, &c.patterns.targets);
  } else if (spec.task() == Task::kBinaryClassification) {
    Fill(random, 0, 1, &c.patterns.targets);
  } else {
    FillWithDistributions(random, &c.patterns.targets);
  }
  return c;
}

// False when relu units let no error signal through to any input: such a case would check nothing.
bool IsAlive(const ScalarResult& result) {
  const std::vector<double> gradients = ToVector(result.input_gradients);
  return std::any_of(gradients.begin(), gradients.end(), [](double gradient) { return std::abs(gradient) > 1e-3; });
}

}  // namespace

NetworkSpec MakeSpec(NetworkSpec::Fields fields) { return NetworkSpec::Create(std::move(fields)).value(); }

RandomCase MakeRandomCase(const NetworkSpec::Fields& fields, int pattern_count, int64_t seed) {
  const NetworkSpec spec = MakeSpec(fields);
  Random random(seed);
  for (;;) {
    RandomCase c = Draw(spec, pattern_count, &random);
    const ScalarNetwork network = ToScalar(spec, c.scalings, c.parameters);
    const std::vector<ScalarPattern> patterns = ToScalar(c.patterns);
    if (KinkDistance(network, patterns) > kLeastKinkDistance && IsAlive(Backpropagate(network, patterns))) return c;
  }
}

RandomCase MakeRandomCase(int64_t seed) {
  Random random(seed, /*stream=*/1);
  const auto from = [&](int least, int most) { return least + static_cast<int>(random.Below(most - least + 1)); };
  NetworkSpec::Fields fields;
  fields.task = kTasks[from(0, 2)];
  fields.precision = Precision::kFloat64;
  fields.input_unit_count = from(1, 9);
  fields.output_unit_count = from(2, 9);
  if (fields.task != Task::kMultiwayClassification) fields.output_unit_count = from(1, 9);
  fields.hidden_layers.resize(from(0, 4));
  for (HiddenLayer& layer : fields.hidden_layers) layer = {from(1, 9), kActivations[from(0, 3)]};
  return MakeRandomCase(fields, from(1, 12), seed);
}

Patterns<double> MakePatterns(const NetworkSpec& spec, int64_t pattern_count, int64_t seed) {
  Random random(seed);
  Patterns<double> patterns{.inputs = Matrix<double>(spec.input_unit_count(), pattern_count),
                            .targets = Matrix<double>::Zero(spec.output_unit_count(), pattern_count),
                            .weights = RowVector<double>::Ones(pattern_count)};
  Fill(&random, -1, 1, &patterns.inputs);
  for (int64_t t = 0; t < pattern_count; ++t) {
    if (spec.task() == Task::kMultiwayClassification) {
      patterns.targets(random.Below(spec.output_unit_count()), t) = 1;
      continue;
    }
    for (int i = 0; i < spec.output_unit_count(); ++i) {
      patterns.targets(i, t) =
          spec.task() == Task::kRegression ? Draw(&random, -1, 1) : static_cast<double>(random.Below(2));
    }
  }
  return patterns;
}

}  // namespace backprop
