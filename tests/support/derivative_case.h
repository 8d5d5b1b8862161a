// A random case as the task of a computation of derivatives, in either precision.
#pragma once

#include <limits>
#include <string>
#include <tuple>
#include <vector>

#include "core/derivative_task.h"
#include "core/hessian_vector_product.h"
#include "gtest/gtest.h"
#include "tests/support/random_network.h"
#include "tests/support/scalar_conversion.h"

namespace backprop {

template <typename Scalar>
class DerivativeCase {
 public:
  explicit DerivativeCase(const RandomCase& c)
      : scalings_(c.scalings),
        spec(c.spec),
        parameters(Cast<Scalar>(c.spec, c.parameters)),
        patterns(Cast<Scalar>(c.patterns)) {}
  DerivativeCase(const DerivativeCase&) = delete;

  DerivativeTask<Scalar> task() const {
    return {.spec = spec,
            .scalings = scalings_,
            .parameters = parameters,
            .pattern_count = patterns.count(),
            .source = source_};
  }

 private:
  Scalings scalings_;

 public:
  NetworkSpec spec;
  Parameters<Scalar> parameters;
  Patterns<Scalar> patterns;

 private:
  PatternSource<Scalar> source_ = SourceOf(patterns);
};

// Several shards of several chunks, the last ones ragged.
inline RandomCase MakeLargeCase() {
  const NetworkSpec::Fields fields{.input_unit_count = 61,
                                   .hidden_layers = {{40, Activation::kLogistic}, {30, Activation::kTanh}},
                                   .output_unit_count = 5,
                                   .task = Task::kMultiwayClassification};
  RandomCase large = MakeRandomCase(fields, /*pattern_count=*/1, /*seed=*/5);
  large.patterns = MakePatterns(large.spec, 7 * 1301, /*seed=*/6);
  return large;
}

inline constexpr Curvature kCurvatures[] = {Curvature::kHessian, Curvature::kGaussNewton};

// Of products with them, against an oracle. Some dozen roundings a layer, there and back, of numbers of either sign,
// which partly cancel: less than 32 epsilon of the largest number were seen.
template <typename Scalar>
constexpr double kCurvatureTolerance = 64 * double{std::numeric_limits<Scalar>::epsilon()};

// Directions of numbers from -1 to 1, exact in float.
inline std::vector<Parameters<double>> MakeDirections(const NetworkSpec& spec, int count, int64_t seed) {
  Random random(seed, /*stream=*/3);
  std::vector<Parameters<double>> directions(count, Parameters<double>(spec.layout()));
  for (auto& direction : directions) {
    for (double& number : direction.flat()) number = double{static_cast<float>(2 * random.Uniform() - 1)};
  }
  return directions;
}

template <typename Scalar>
HessianVectorComputation<Scalar> ComputeProducts(const DerivativeTask<Scalar>& task,
                                                 const std::vector<Parameters<Scalar>>& directions, Curvature curvature,
                                                 const ParallelFor& parallel_for = SequentialFor) {
  HessianVectorComputation<Scalar> computation(task.spec);
  EXPECT_TRUE(computation.Run(task, directions, curvature, parallel_for, NeverStop));
  return computation;
}

// Every task, activation function and number of hidden layers.
using Shape = std::tuple<Task, Activation, int>;

inline NetworkSpec::Fields FieldsOfShape(const Shape& shape, Precision precision = Precision::kFloat64) {
  const auto [task, activation, depth] = shape;
  NetworkSpec::Fields fields{.input_unit_count = 3, .output_unit_count = 3, .task = task, .precision = precision};
  for (int layer = 0; layer < depth; ++layer) fields.hidden_layers.push_back({4 + layer % 2, activation});
  return fields;
}

inline std::string NameOfShape(const testing::TestParamInfo<Shape>& info) {
  static constexpr const char* kTaskNames[] = {"Regression", "Binary", "Multiway"};
  static constexpr const char* kActivationNames[] = {"Logistic", "Tanh", "Relu", "Identity"};
  const auto [task, activation, depth] = info.param;
  return std::string(kTaskNames[static_cast<int>(task)]) + kActivationNames[static_cast<int>(activation)] +
         std::to_string(depth) + "Deep";
}

inline auto EveryShape(int most_hidden_layers) {
  return testing::Combine(testing::ValuesIn(kTasks), testing::ValuesIn(kActivations),
                          testing::Range(0, most_hidden_layers + 1));
}

}  // namespace backprop
