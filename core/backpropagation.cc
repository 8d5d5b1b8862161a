#include "core/backpropagation.h"

#include "core/activation.h"
#include "core/products.h"

// Legend. W: weights [unit x input], b: biases [unit], x or h: activations of the layer below [input x pattern],
// s: weighted sums, d: error signals d log L / d s [unit x pattern]. A column is the note's step t.

namespace backprop {

template <typename Scalar>
Pass<Scalar>::Pass(const NetworkSpec& spec, int64_t pattern_capacity) {
  for (int layer = 0; layer <= spec.layer_count(); ++layer) {
    activations.emplace_back(spec.unit_count(layer), pattern_capacity);
    error_signals.emplace_back(spec.unit_count(layer), pattern_capacity);
  }
}

template <typename Scalar>
void Forward(const NetworkSpec& spec, const Parameters<Scalar>& parameters, int64_t n, Pass<Scalar>* pass) {
  for (int layer = 1; layer <= spec.layer_count(); ++layer) {
    const auto below = pass->activations[layer - 1].leftCols(n);
    auto s = pass->activations[layer].leftCols(n);
    // s_i = sum_j w_ij h_j (7), with x_j for h_j in (12), and the bias weight, whose input is always 1.
    MultiplyForward<Scalar>(parameters.weights(layer), below, Into::kAssign, s);
    s.colwise() += parameters.biases(layer);
    if (layer < spec.layer_count()) Activate<Scalar>(spec.activation(layer), s);  // h_i = f(s_i) (12)
  }
}

template <typename Scalar>
void Backward(const NetworkSpec& spec, const Parameters<Scalar>& parameters, int64_t n, bool input_gradients,
              Pass<Scalar>* pass, Parameters<Scalar>* gradient) {
  for (int layer = spec.layer_count(); layer >= 1; --layer) {
    const auto h = pass->activations[layer - 1].leftCols(n);
    const auto d = pass->error_signals[layer].leftCols(n);
    // d log L / d w_ij = sum_t d_i(t) h_j(t), since d s_i / d w_ij = h_j: (4), (5) with (9), (14), (34), (41).
    MultiplyOuter<Scalar>(d, h, Into::kAdd, gradient->weights(layer));
    gradient->biases(layer) += d.rowwise().sum();
    if (layer == 1 && !input_gradients) return;
    // d log L / d h_i = sum_k d_k w_ki: the error signals are sent back (10), ...
    auto d_below = pass->error_signals[layer - 1].leftCols(n);
    MultiplyBack<Scalar>(parameters.weights(layer), d, Into::kAssign, d_below);
    // ... and d log L / d s_i = d log L / d h_i * d h_i / d s_i (13).
    if (layer > 1) MultiplyByDerivative<Scalar>(spec.activation(layer - 1), h, d_below);
  }
}

template struct Pass<float>;
template struct Pass<double>;
template void Forward(const NetworkSpec&, const Parameters<float>&, int64_t, Pass<float>*);
template void Forward(const NetworkSpec&, const Parameters<double>&, int64_t, Pass<double>*);
template void Backward(const NetworkSpec&, const Parameters<float>&, int64_t, bool, Pass<float>*, Parameters<float>*);
template void Backward(const NetworkSpec&, const Parameters<double>&, int64_t, bool, Pass<double>*,
                       Parameters<double>*);

}  // namespace backprop
