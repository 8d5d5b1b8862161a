#include "core/backpropagation.h"

#include <algorithm>

#include "core/activation.h"

// Legend. W: weights [unit x input], b: biases [unit], x or h: activations of the layer below [input x pattern],
// s: weighted sums, d: error signals d log L / d s [unit x pattern]. A column is the note's step t.

namespace backprop {
namespace {

// Elements from one pattern of a layer to the next: whole cache lines, and an odd number of them, so that the
// patterns of a batch do not compete for the same few places of a cache.
template <typename Scalar>
int64_t PatternStride(int64_t unit_count) {
  constexpr int64_t kLine = 64 / sizeof(Scalar);
  return ((unit_count + kLine - 1) / kLine | 1) * kLine;
}

}  // namespace

template <typename Scalar>
int64_t Pass<Scalar>::ByteCount(const NetworkSpec& spec, int64_t pattern_capacity, Ways ways) {
  int64_t numbers = 0;
  for (int layer = 0; layer <= spec.layer_count(); ++layer) {
    const int64_t values = PatternStride<Scalar>(spec.unit_count(layer)) * pattern_capacity;
    numbers += values;
    if (ways == Ways::kForward) continue;
    numbers += values;
    if (layer > 0) numbers += SignalTiles<Scalar>::Size(spec.unit_count(layer), pattern_capacity);
  }
  return numbers * int64_t{sizeof(Scalar)};
}

template <typename Scalar>
Pass<Scalar>::Pass(const NetworkSpec& spec, int64_t pattern_capacity, Ways ways)
    : storage_(ByteCount(spec, pattern_capacity, ways) / int64_t{sizeof(Scalar)}) {
  Scalar* next = storage_.data();
  const auto add_values = [&](std::vector<Activations>* values) {
    for (int layer = 0; layer <= spec.layer_count(); ++layer) {
      const int64_t stride = PatternStride<Scalar>(spec.unit_count(layer));
      values->emplace_back(next, spec.unit_count(layer), pattern_capacity, Eigen::OuterStride<>(stride));
      next += stride * pattern_capacity;
    }
  };
  add_values(&activations);
  if (ways == Ways::kForward) return;
  add_values(&error_signals);
  for (int layer = 1; layer <= spec.layer_count(); ++layer) {
    signal_tiles.push_back({next, pattern_capacity});
    next += SignalTiles<Scalar>::Size(spec.unit_count(layer), pattern_capacity);
  }
}

template <typename Scalar>
void Forward(const NetworkSpec& spec, const Parameters<Scalar>& parameters, PatternRange range, Pass<Scalar>* pass) {
  for (int layer = 1; layer <= spec.layer_count(); ++layer) {
    const auto below = pass->activations[layer - 1].middleCols(range.begin, range.count);
    auto s = pass->activations[layer].middleCols(range.begin, range.count);
    // s_i = sum_j w_ij h_j (7), with x_j for h_j in (12), and the bias weight, whose input is always 1.
    MultiplyForward<Scalar>(parameters.weights(layer), below, Into::kAssign, s);
    s.colwise() += parameters.biases(layer);
    if (layer < spec.layer_count()) Activate<Scalar>(spec.activation(layer), s);  // h_i = f(s_i) (12)
  }
}

template <typename Scalar>
void SendBack(const NetworkSpec& spec, const Parameters<Scalar>& parameters, PatternRange range, bool input_gradients,
              Pass<Scalar>* pass) {
  for (int layer = spec.layer_count(); layer >= 1; --layer) {
    const auto h = pass->activations[layer - 1].middleCols(range.begin, range.count);
    const auto d = pass->error_signals[layer].middleCols(range.begin, range.count);
    pass->signal_tiles[layer - 1].Copy(range.begin, d);
    if (layer == 1 && !input_gradients) return;
    // d log L / d h_i = sum_k d_k w_ki: the error signals are sent back (10), ...
    auto d_below = pass->error_signals[layer - 1].middleCols(range.begin, range.count);
    MultiplyBack<Scalar>(parameters.weights(layer), d, Into::kAssign, d_below);
    // ... and d log L / d s_i = d log L / d h_i * d h_i / d s_i (13).
    if (layer > 1) MultiplyByDerivative<Scalar>(spec.activation(layer - 1), h, d_below);
  }
}

template <typename Scalar>
void SumGradient(const GradientPart& part, int64_t n, const Pass<Scalar>& pass, Into into,
                 Parameters<Scalar>* gradient) {
  const auto h = pass.activations[part.layer - 1].block(part.first_input, 0, part.input_count, n);
  const auto d = pass.error_signals[part.layer].leftCols(n);
  auto weights = gradient->weights(part.layer).middleCols(part.first_input, part.input_count);
  // d log L / d w_ij = sum_t d_i(t) h_j(t), since d s_i / d w_ij = h_j: (4), (5) with (9), (14), (34), (41).
  if (n < kFewPatterns) {
    MultiplyOuter<Scalar>(d, h, into, weights);
  } else {
    MultiplyOuter<Scalar>(pass.signal_tiles[part.layer - 1], h, into, weights);
  }
  if (part.first_input > 0) return;
  if (into == Into::kAssign) gradient->biases(part.layer).setZero();
  gradient->biases(part.layer) += d.rowwise().sum();
}

template <typename Scalar>
double AscendGradient(const GradientPart& part, int64_t n, const Pass<Scalar>& pass, Scalar step,
                      Parameters<Scalar>* parameters) {
  const auto h = pass.activations[part.layer - 1].block(part.first_input, 0, part.input_count, n);
  double squares = AscendOuter<Scalar>(pass.signal_tiles[part.layer - 1], h, step,
                                       parameters->weights(part.layer).middleCols(part.first_input, part.input_count));
  if (part.first_input > 0) return squares;
  const auto d = pass.error_signals[part.layer].leftCols(n);
  auto biases = parameters->biases(part.layer);
  constexpr int64_t kUnits = 64;  // At a time, so that their sums need no memory.
  for (int64_t i = 0; i < d.rows(); i += kUnits) {
    const int64_t units = std::min<int64_t>(kUnits, d.rows() - i);
    const Eigen::Matrix<Scalar, Eigen::Dynamic, 1, 0, kUnits, 1> sums = d.middleRows(i, units).rowwise().sum();
    squares += double{sums.squaredNorm()};
    biases.segment(i, units) += step * sums;
  }
  return squares;
}

template <typename Scalar>
void Backward(const NetworkSpec& spec, const Parameters<Scalar>& parameters, int64_t n, bool input_gradients,
              Pass<Scalar>* pass, Parameters<Scalar>* gradient) {
  SendBack(spec, parameters, PatternRange{0, n}, input_gradients, pass);
  for (int layer = 1; layer <= spec.layer_count(); ++layer) {
    SumGradient({layer, 0, spec.unit_count(layer - 1)}, n, *pass, Into::kAdd, gradient);
  }
}

template struct Pass<float>;
template void Forward(const NetworkSpec&, const Parameters<float>&, PatternRange, Pass<float>*);
template void SendBack(const NetworkSpec&, const Parameters<float>&, PatternRange, bool, Pass<float>*);
template void SumGradient(const GradientPart&, int64_t, const Pass<float>&, Into, Parameters<float>*);
template double AscendGradient(const GradientPart&, int64_t, const Pass<float>&, float, Parameters<float>*);
template void Backward(const NetworkSpec&, const Parameters<float>&, int64_t, bool, Pass<float>*, Parameters<float>*);
template struct Pass<double>;
template void Forward(const NetworkSpec&, const Parameters<double>&, PatternRange, Pass<double>*);
template void SendBack(const NetworkSpec&, const Parameters<double>&, PatternRange, bool, Pass<double>*);
template void SumGradient(const GradientPart&, int64_t, const Pass<double>&, Into, Parameters<double>*);
template double AscendGradient(const GradientPart&, int64_t, const Pass<double>&, double, Parameters<double>*);
template void Backward(const NetworkSpec&, const Parameters<double>&, int64_t, bool, Pass<double>*,
                       Parameters<double>*);

}  // namespace backprop
