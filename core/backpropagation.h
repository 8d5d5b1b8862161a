// The chain rule: the forward pass and the backward pass over a batch of patterns; Jacobs (2008), eq. (4)-(14),
// (30)-(41).
#pragma once

#include <vector>

#include "core/matrix.h"
#include "core/network_spec.h"
#include "core/parameters.h"

namespace backprop {

// What one pass leaves behind, layer by layer, for up to pattern_capacity patterns; reused from batch to batch.
template <typename Scalar>
struct Pass {
  Pass(const NetworkSpec& spec, int64_t pattern_capacity);

  // [layer 0 .. layer_count][unit_count x pattern_capacity]: layer 0 is the inputs x, the last the outputs.
  std::vector<Matrix<Scalar>> activations;
  // [layer 0 .. layer_count][unit_count x pattern_capacity]: d log L / d s; of layer 0, d log L / d x.
  std::vector<Matrix<Scalar>> error_signals;
};

// Weighted sums and activations of every layer for the first `n` patterns whose inputs stand in activations[0]. The
// output layer is left at its weighted sums: its activation belongs to the task (output_layer.h).
template <typename Scalar>
void Forward(const NetworkSpec& spec, const Parameters<Scalar>& parameters, int64_t n, Pass<Scalar>* pass);

// Adds d log L / d w of the first `n` patterns to `gradient`, given the output layer's error signals in
// error_signals[layer_count]. With `input_gradients` also fills error_signals[0] with d log L / d x.
template <typename Scalar>
void Backward(const NetworkSpec& spec, const Parameters<Scalar>& parameters, int64_t n, bool input_gradients,
              Pass<Scalar>* pass, Parameters<Scalar>* gradient);

}  // namespace backprop
