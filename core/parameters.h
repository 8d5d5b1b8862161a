// The weights and biases of a network as one flat vector with a matrix view of every layer.
#pragma once

#include <memory>
#include <utility>

#include "core/matrix.h"
#include "core/network_spec.h"

namespace backprop {

// Optimisers, checkpoints and sums see flat(); the forward pass sees weights() and biases(). A gradient has the same
// shape and is kept in the same type. A value; not thread-safe while written.
template <typename Scalar>
class Parameters {
 public:
  using WeightsView = Eigen::Map<WeightMatrix<Scalar>>;
  using ConstWeightsView = Eigen::Map<const WeightMatrix<Scalar>>;
  using BiasesView = Eigen::Map<Vector<Scalar>>;
  using ConstBiasesView = Eigen::Map<const Vector<Scalar>>;

  // All zero.
  explicit Parameters(std::shared_ptr<const ParameterLayout> layout)
      : layout_(std::move(layout)), flat_(Vector<Scalar>::Zero(layout_->parameter_count)) {}

  int layer_count() const { return static_cast<int>(layout_->layers.size()); }
  const LayerShape& shape(int layer) const { return layout_->layers[layer - 1]; }

  // [unit_count x input_count] into layer 1 (the first above the inputs) to layer_count(): (i, j) is the note's w_ij.
  WeightsView weights(int layer) {
    const LayerShape& s = shape(layer);
    return {flat_.data() + s.weight_offset, s.unit_count, s.input_count};
  }
  ConstWeightsView weights(int layer) const {
    const LayerShape& s = shape(layer);
    return {flat_.data() + s.weight_offset, s.unit_count, s.input_count};
  }
  // [unit_count] of the same layer.
  BiasesView biases(int layer) { return {flat_.data() + shape(layer).bias_offset, shape(layer).unit_count}; }
  ConstBiasesView biases(int layer) const { return {flat_.data() + shape(layer).bias_offset, shape(layer).unit_count}; }

  // [parameter_count]: layer by layer, weights row by row, then biases.
  Vector<Scalar>& flat() { return flat_; }
  const Vector<Scalar>& flat() const { return flat_; }

  bool operator==(const Parameters& other) const { return SameMatrix(flat_, other.flat_); }

 private:
  std::shared_ptr<const ParameterLayout> layout_;
  Vector<Scalar> flat_;
};

}  // namespace backprop
