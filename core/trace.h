// The chain rule spelled out: every stage of backpropagation for one pattern, as Jacobs (2008) derives them. To look
// at; backpropagation.h computes the same gradient, of many patterns at once.
#pragma once

#include <vector>

#include "core/matrix.h"
#include "core/network_spec.h"
#include "core/parameters.h"
#include "core/patterns.h"
#include "core/scaling.h"

namespace backprop {

// Output units up to which the derivatives of softmax outputs by all weighted sums are kept: a matrix of their square.
inline constexpr int kMaxTracedSoftmaxUnits = 1024;

// The stages of one layer, each [unit_count x 1] but where said.
template <typename Scalar>
struct LayerTrace {
  Matrix<Scalar> inputs;  // [input_count x 1] activations of the layer below: d s_i / d w_ij; eq. (9), (14), (34), (41)
  Matrix<Scalar> weighted_sums;           // s; eq. (7) and the sum in (12)
  Matrix<Scalar> activations;             // h, or y of the output layer; eq. (12), (7), (32), (37)
  Matrix<Scalar> activation_gradients;    // d log L / d h, or d y; eq. (10), (6), (31), and y* / y of (39)-(40)
  Matrix<Scalar> activation_derivatives;  // d h_i / d s_i, or d y_i; eq. (13), (8), (33), of (40) those with i = k
  // Softmax outputs, to kMaxTracedSoftmaxUnits: [unit_count x unit_count], (k, i) is d y_k / d s_i; eq. (40). Empty for
  // others, where an activation depends on its own weighted sum alone.
  Matrix<Scalar> softmax_derivatives;
  Matrix<Scalar> error_signals;  // d log L / d s: the product of the two; of softmax outputs the sum of eq. (39)
};

template <typename Scalar>
struct Trace {
  explicit Trace(const NetworkSpec& spec) : layers(spec.layer_count()), gradient(spec.layout()) {}

  Matrix<Scalar> targets;                  // [output_unit_count x 1], scaled
  double log_likelihood = 0;               // Of the pattern, times its weight, as all derivatives are.
  std::vector<LayerTrace<Scalar>> layers;  // From the first above the inputs to the output layer.
  Parameters<Scalar> gradient;             // d log L / d w = error signal times activation below; eq. (4), (5)
};

// Traces the one pattern in `pattern`. Activation gradients of classification outputs are infinite where an output has
// rounded to 0 (binary: or to 1) against its target; the error signals hold all the same, for they are y* - y.
template <typename Scalar>
Trace<Scalar> TraceBackpropagation(const NetworkSpec& spec, const Scalings& scalings,
                                   const Parameters<Scalar>& parameters, const Patterns<Scalar>& pattern);

}  // namespace backprop
