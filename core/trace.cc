#include "core/trace.h"

#include "core/activation.h"
#include "core/output_layer.h"
#include "core/products.h"

// Legend, as in backpropagation.cc: s weighted sums, h or y activations, y* targets, d error signals, W weights; all
// columns of one pattern.

namespace backprop {
namespace {

// a / b, and 0 where a is 0 whatever b: what y* log y with y* = 0 contributes.
template <typename Scalar>
Matrix<Scalar> Ratio(const Matrix<Scalar>& a, const Matrix<Scalar>& b) {
  return (a.array() == Scalar(0)).select(Scalar(0), a.array() / b.array());
}

// The stages of the output layer, whose weighted sums and activations are there.
template <typename Scalar>
void TraceOutputs(Task task, const Matrix<Scalar>& targets, LayerTrace<Scalar>* layer) {
  const Matrix<Scalar>& y = layer->activations;
  const Matrix<Scalar> ones = Matrix<Scalar>::Ones(y.rows(), 1);
  layer->error_signals.resizeLike(y);
  OutputErrorSignals<Scalar>(y, targets, layer->error_signals);
  switch (task) {
    case Task::kRegression:
      layer->activation_gradients = targets - y;  // (6)
      layer->activation_derivatives = ones;       // (8)
      return;
    case Task::kBinaryClassification:
      layer->activation_gradients = Ratio<Scalar>(targets, y) - Ratio<Scalar>(ones - targets, ones - y);  // (31)
      layer->activation_derivatives = y.array() * (Scalar(1) - y.array());                                // (33)
      return;
    case Task::kMultiwayClassification:
      layer->activation_gradients = Ratio<Scalar>(targets, y);              // y*_k / y_k in (40)
      layer->activation_derivatives = y.array() * (Scalar(1) - y.array());  // y_i (delta_ii - y_i)
      // Softmax is not local: each output depends on every weighted sum, d y_k / d s_i = y_k (delta_ik - y_i) (40).
      if (y.rows() > kMaxTracedSoftmaxUnits) return;
      layer->softmax_derivatives = -y * y.transpose();
      layer->softmax_derivatives.diagonal() = layer->activation_derivatives;
      return;
  }
}

}  // namespace

template <typename Scalar>
Trace<Scalar> TraceBackpropagation(const NetworkSpec& spec, const Scalings& scalings,
                                   const Parameters<Scalar>& parameters, const Patterns<Scalar>& pattern) {
  Trace<Scalar> trace(spec);
  Matrix<Scalar> below = pattern.inputs;
  trace.targets = pattern.targets;
  scalings.input.Apply<Scalar>(below);
  scalings.target.Apply<Scalar>(trace.targets);
  NormalizeTargets<Scalar>(spec.task(), trace.targets);
  for (int layer = 1; layer <= spec.layer_count(); ++layer) {
    LayerTrace<Scalar>& l = trace.layers[layer - 1];
    l.inputs = below;
    l.weighted_sums.resize(spec.unit_count(layer), 1);
    MultiplyForward<Scalar>(parameters.weights(layer), below, Into::kAssign, l.weighted_sums);  // (7), (12)
    l.weighted_sums += parameters.biases(layer);
    l.activations = l.weighted_sums;
    if (layer < spec.layer_count()) Activate<Scalar>(spec.activation(layer), l.activations);  // (12)
    below = l.activations;
  }

  const Scalar weight = pattern.weights(0);  // A pattern of weight 2 counts as two patterns.
  LayerTrace<Scalar>& outputs = trace.layers.back();
  RowVector<Scalar> log_likelihood(1);
  ActivateOutputs<Scalar>(spec.task(), outputs.activations, trace.targets, log_likelihood);  // (7), (32), (37)
  trace.log_likelihood = static_cast<double>(weight) * static_cast<double>(log_likelihood(0));
  TraceOutputs(spec.task(), trace.targets, &outputs);
  outputs.activation_gradients *= weight;
  outputs.error_signals *= weight;

  for (int layer = spec.layer_count(); layer >= 1; --layer) {
    LayerTrace<Scalar>& l = trace.layers[layer - 1];
    if (layer < spec.layer_count()) {
      l.activation_gradients.resize(spec.unit_count(layer), 1);
      // d log L / d h_i = sum_k d_k w_ki: the error signals are sent back (10).
      MultiplyBack<Scalar>(parameters.weights(layer + 1), trace.layers[layer].error_signals, Into::kAssign,
                           l.activation_gradients);
      l.activation_derivatives.setOnes(spec.unit_count(layer), 1);
      MultiplyByDerivative<Scalar>(spec.activation(layer), l.activations, l.activation_derivatives);  // (13)
      l.error_signals = l.activation_gradients.cwiseProduct(l.activation_derivatives);
    }
    // d log L / d w_ij = d_i h_j (4), (5); a bias weight's input is always 1.
    MultiplyOuter<Scalar>(l.error_signals, l.inputs, Into::kAssign, trace.gradient.weights(layer));
    trace.gradient.biases(layer) = l.error_signals;
  }
  return trace;
}

template Trace<float> TraceBackpropagation(const NetworkSpec&, const Scalings&, const Parameters<float>&,
                                           const Patterns<float>&);
template Trace<double> TraceBackpropagation(const NetworkSpec&, const Scalings&, const Parameters<double>&,
                                            const Patterns<double>&);

}  // namespace backprop
