#include "core/tangent_pass.h"

#include "core/activation.h"
#include "core/output_layer.h"
#include "core/products.h"

// Legend, beside that of backpropagation.cc. V: the direction's weights [unit x input], c: its biases [unit],
// rs, rh, rd: R{s}, R{h}, R{d} [unit x pattern].

namespace backprop {

template <typename Scalar>
Chunk<Scalar>::Chunk(const NetworkSpec& spec, int64_t capacity)
    : pass(spec, capacity), targets(spec.output_unit_count(), capacity), weights(capacity), log_likelihood(capacity) {}

template <typename Scalar>
Tangents<Scalar>::Tangents(const NetworkSpec& spec, int64_t capacity)
    : capacity_(capacity), tiles_(TileNumbers(spec) * capacity) {
  for (int layer = 0; layer <= spec.layer_count(); ++layer) {
    const int64_t unit_count = layer == 0 ? 0 : spec.unit_count(layer);
    for (auto* of_layers : {&s, &h, &d}) of_layers->emplace_back(unit_count, capacity);
  }
}

template <typename Scalar>
SignalTiles<Scalar> Tangents<Scalar>::Tiles(const ConstColumns<Scalar>& d) {
  SignalTiles<Scalar> tiles{tiles_.data(), capacity_};
  tiles.Copy(0, d);
  return tiles;
}

template <typename Scalar>
void ForwardChunk(const DerivativeTask<Scalar>& task, int64_t begin, int64_t n, Chunk<Scalar>* chunk,
                  Measures* measures) {
  chunk->n = n;
  auto x = chunk->pass.activations.front().leftCols(n);
  auto y = chunk->pass.activations.back().leftCols(n);
  auto d = chunk->pass.error_signals.back().leftCols(n);
  auto targets = chunk->targets.leftCols(n);
  auto weights = chunk->weights.head(n);
  auto log_likelihood = chunk->log_likelihood.head(n);
  task.source(begin, n, x, targets, weights);
  task.scalings.input.template Apply<Scalar>(x);
  task.scalings.target.template Apply<Scalar>(targets);
  NormalizeTargets<Scalar>(task.spec.task(), targets);
  Forward(task.spec, task.parameters, n, &chunk->pass);
  ActivateOutputs<Scalar>(task.spec.task(), y, targets, log_likelihood);
  AddMeasures<Scalar>(task.spec.task(), y, targets, log_likelihood, weights, task.scalings.target.scale, measures);
  OutputErrorSignals<Scalar>(y, targets, d);
  d.array().rowwise() *= weights.array();
}

template <typename Scalar>
void ActivateTangents(const NetworkSpec& spec, int layer, const Chunk<Scalar>& chunk, Tangents<Scalar>* tangents) {
  auto rh = tangents->h[layer].leftCols(chunk.n);
  rh = tangents->s[layer].leftCols(chunk.n);
  MultiplyByDerivative<Scalar>(spec.activation(layer), chunk.h(layer), rh);
}

template <typename Scalar>
void OutputTangents(const NetworkSpec& spec, const Chunk<Scalar>& chunk, Tangents<Scalar>* tangents) {
  auto rd = tangents->d.back().leftCols(chunk.n);
  rd = tangents->s.back().leftCols(chunk.n);
  MultiplyByOutputDerivative<Scalar>(spec.task(), chunk.h(spec.layer_count()), rd);
  rd.array().rowwise() *= -chunk.weights.head(chunk.n).array();
}

template <typename Scalar>
void ErrorSignalTangents(const NetworkSpec& spec, int layer, Curvature curvature, const Chunk<Scalar>& chunk,
                         Tangents<Scalar>* tangents) {
  const auto h = chunk.h(layer);
  auto rd = tangents->d[layer].leftCols(chunk.n);
  MultiplyByDerivative<Scalar>(spec.activation(layer), h, rd);
  const DerivativePolynomial derivative = DerivativeOf(spec.activation(layer));
  if (curvature == Curvature::kGaussNewton || derivative.is_constant()) return;
  // d = f'(s) d log L / dh has the first derivative in it already; f'' = (linear + 2 quadratic h) f'.
  rd.array() += (Scalar(derivative.linear) + Scalar(2 * derivative.quadratic) * h.array()) *
                tangents->s[layer].leftCols(chunk.n).array() * chunk.d(layer).array();
}

template <typename Scalar>
void AddCurvatureProduct(const DerivativeTask<Scalar>& task, const Parameters<Scalar>& direction, Curvature curvature,
                         const Chunk<Scalar>& chunk, Tangents<Scalar>* tangents, Parameters<Scalar>* product) {
  const int layer_count = task.spec.layer_count();
  for (int layer = 1; layer <= layer_count; ++layer) {
    auto rs = tangents->s[layer].leftCols(chunk.n);
    // R{s} = V h + c + W R{h}, where inputs do not change.
    MultiplyForward<Scalar>(direction.weights(layer), chunk.h(layer - 1), Into::kAssign, rs);
    if (layer > 1) {
      const auto rh = tangents->h[layer - 1].leftCols(chunk.n);
      MultiplyForward<Scalar>(task.parameters.weights(layer), rh, Into::kAdd, rs);
    }
    rs.colwise() += direction.biases(layer);
    if (layer < layer_count) ActivateTangents(task.spec, layer, chunk, tangents);
  }
  OutputTangents(task.spec, chunk, tangents);
  const bool hessian = curvature == Curvature::kHessian;
  for (int layer = layer_count; layer >= 1; --layer) {
    const auto rd = tangents->d[layer].leftCols(chunk.n);
    // R{d h'} = R{d} h' + d R{h}'.
    MultiplyOuter<Scalar>(tangents->Tiles(rd), chunk.h(layer - 1), Into::kAdd, product->weights(layer));
    product->biases(layer) += rd.rowwise().sum();
    if (layer == 1) return;
    const auto rh = tangents->h[layer - 1].leftCols(chunk.n);
    if (hessian) MultiplyOuter<Scalar>(chunk.pass.signal_tiles[layer - 1], rh, Into::kAdd, product->weights(layer));
    // R{W' d} = W' R{d} + V' d.
    auto rd_below = tangents->d[layer - 1].leftCols(chunk.n);
    MultiplyBack<Scalar>(task.parameters.weights(layer), rd, Into::kAssign, rd_below);
    if (hessian) MultiplyBack<Scalar>(direction.weights(layer), chunk.d(layer), Into::kAdd, rd_below);
    ErrorSignalTangents(task.spec, layer - 1, curvature, chunk, tangents);
  }
}

template struct Chunk<float>;
template struct Tangents<float>;
template void ForwardChunk(const DerivativeTask<float>&, int64_t, int64_t, Chunk<float>*, Measures*);
template void ActivateTangents(const NetworkSpec&, int, const Chunk<float>&, Tangents<float>*);
template void OutputTangents(const NetworkSpec&, const Chunk<float>&, Tangents<float>*);
template void ErrorSignalTangents(const NetworkSpec&, int, Curvature, const Chunk<float>&, Tangents<float>*);
template void AddCurvatureProduct(const DerivativeTask<float>&, const Parameters<float>&, Curvature,
                                  const Chunk<float>&, Tangents<float>*, Parameters<float>*);
template struct Chunk<double>;
template struct Tangents<double>;
template void ForwardChunk(const DerivativeTask<double>&, int64_t, int64_t, Chunk<double>*, Measures*);
template void ActivateTangents(const NetworkSpec&, int, const Chunk<double>&, Tangents<double>*);
template void OutputTangents(const NetworkSpec&, const Chunk<double>&, Tangents<double>*);
template void ErrorSignalTangents(const NetworkSpec&, int, Curvature, const Chunk<double>&, Tangents<double>*);
template void AddCurvatureProduct(const DerivativeTask<double>&, const Parameters<double>&, Curvature,
                                  const Chunk<double>&, Tangents<double>*, Parameters<double>*);

}  // namespace backprop
