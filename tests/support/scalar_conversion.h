// From the core's values to the oracle's plain vectors and between precisions.
#pragma once

#include <vector>

#include "core/parameters.h"
#include "core/patterns.h"
#include "core/scaling.h"
#include "tests/support/scalar_network.h"

namespace backprop {

// The numbers of a vector or matrix in double, column by column.
template <typename Derived>
std::vector<double> ToVector(const Eigen::DenseBase<Derived>& values) {
  std::vector<double> result;
  for (Eigen::Index column = 0; column < values.cols(); ++column) {
    for (Eigen::Index row = 0; row < values.rows(); ++row) result.push_back(double{values.derived()(row, column)});
  }
  return result;
}

// The same of [pattern][unit].
inline std::vector<double> ToVector(const std::vector<std::vector<double>>& patterns) {
  std::vector<double> result;
  for (const auto& pattern : patterns) result.insert(result.end(), pattern.begin(), pattern.end());
  return result;
}

template <typename Scalar>
std::vector<std::vector<double>> ToPatternVectors(const Matrix<Scalar>& values) {
  std::vector<std::vector<double>> result;
  for (Eigen::Index t = 0; t < values.cols(); ++t) result.push_back(ToVector(values.col(t)));
  return result;
}

template <typename Scalar>
std::vector<ScalarPattern> ToScalar(const Patterns<Scalar>& patterns) {
  std::vector<ScalarPattern> result;
  for (Eigen::Index t = 0; t < patterns.inputs.cols(); ++t) {
    result.push_back(
        {ToVector(patterns.inputs.col(t)), ToVector(patterns.targets.col(t)), double{patterns.weights(t)}});
  }
  return result;
}

template <typename Scalar>
ScalarNetwork ToScalar(const NetworkSpec& spec, const Scalings& scalings, const Parameters<Scalar>& parameters) {
  ScalarNetwork network{.task = spec.task(),
                        .layers = {},
                        .input_scaling = {ToVector(scalings.input.offset), ToVector(scalings.input.scale)},
                        .target_scaling = {ToVector(scalings.target.offset), ToVector(scalings.target.scale)}};
  for (int l = 1; l <= spec.layer_count(); ++l) {
    ScalarLayer& layer = network.layers.emplace_back();
    layer.weights.assign(spec.unit_count(l), std::vector<double>(spec.unit_count(l - 1)));
    layer.biases.resize(spec.unit_count(l));
    if (l < spec.layer_count()) layer.activation = spec.activation(l);
  }
  Unflatten(ToVector(parameters.flat()), &network.layers);
  return network;
}

template <typename Scalar>
Patterns<Scalar> Cast(const Patterns<double>& patterns) {
  return {.inputs = patterns.inputs.template cast<Scalar>(),
          .targets = patterns.targets.template cast<Scalar>(),
          .weights = patterns.weights.template cast<Scalar>()};
}

template <typename Scalar>
Parameters<Scalar> Cast(const NetworkSpec& spec, const Parameters<double>& parameters) {
  Parameters<Scalar> result(spec.layout());
  result.flat() = parameters.flat().template cast<Scalar>();
  return result;
}

}  // namespace backprop
