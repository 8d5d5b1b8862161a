#include "core/initial_parameters.h"

#include <cmath>

#include "core/random.h"

namespace backprop {
namespace {

double Draw(const InitialWeights& initial, const LayerShape& shape, Random* random) {
  switch (initial.distribution) {
    case InitialDistribution::kGlorotUniform:
      return std::sqrt(6.0 / (shape.input_count + shape.unit_count)) * (2 * random->Uniform() - 1);
    case InitialDistribution::kHeNormal:
      return std::sqrt(2.0 / shape.input_count) * random->Normal();
    case InitialDistribution::kUniform:
      return (initial.range == 0 ? 0.5 : initial.range) * (2 * random->Uniform() - 1);
    case InitialDistribution::kZero:
      return 0;
  }
  return 0;
}

}  // namespace

template <typename Scalar>
Parameters<Scalar> InitialParameters(const NetworkSpec& spec) {
  const InitialWeights& initial = spec.fields().initial_weights;
  Parameters<Scalar> parameters(spec.layout());
  Random random(initial.seed);
  for (const LayerShape& shape : spec.layout()->layers) {
    const bool biases = initial.distribution == InitialDistribution::kUniform;
    const int64_t end = biases ? shape.bias_offset + shape.unit_count : shape.bias_offset;
    for (int64_t i = shape.weight_offset; i < end; ++i) {
      parameters.flat()(i) = static_cast<Scalar>(Draw(initial, shape, &random));
    }
  }
  return parameters;
}

template Parameters<float> InitialParameters(const NetworkSpec&);
template Parameters<double> InitialParameters(const NetworkSpec&);

}  // namespace backprop
