// A chunk of patterns on its way through the network, and beside it the directional derivatives of every number on that
// way: R{.} = d/dt (.) along w + t v at t = 0, the R-operator of Pearlmutter (1994).
#pragma once

#include <algorithm>
#include <vector>

#include "core/backpropagation.h"
#include "core/derivative_task.h"
#include "core/measures.h"

namespace backprop {

// Workspace for up to `capacity` patterns, of which the first n are in use.
template <typename Scalar>
struct Chunk {
  Chunk(const NetworkSpec& spec, int64_t capacity);

  int64_t n = 0;
  Pass<Scalar> pass;
  Matrix<Scalar> targets;
  RowVector<Scalar> weights, log_likelihood;

  auto h(int layer) const { return pass.activations[layer].leftCols(n); }
  auto d(int layer) const { return pass.error_signals[layer].leftCols(n); }
};

// The forward pass of patterns [begin, begin + n) of the task: activations up to the outputs y, and the output units'
// error signals times the pattern weights. Adds to `measures`.
template <typename Scalar>
void ForwardChunk(const DerivativeTask<Scalar>& task, int64_t begin, int64_t n, Chunk<Scalar>* chunk,
                  Measures* measures);

// R{s}, R{h} and R{d} of layers 1 to layer_count() [unit_count x capacity]; those of layer 0 have no units.
template <typename Scalar>
struct Tangents {
  Tangents(const NetworkSpec& spec, int64_t capacity);

  // R{d} of one layer, as products are made of it.
  SignalTiles<Scalar> Tiles(const ConstColumns<Scalar>& d);

  std::vector<Matrix<Scalar>> s, h, d;

 private:
  int64_t capacity_;
  Vector<Scalar> tiles_;
};

// Numbers of one pattern in a Chunk and in Tangents.
inline int64_t ChunkNumbers(const NetworkSpec& spec) {
  // In either precision, at most.
  const int64_t pass = std::max(Pass<float>::ByteCount(spec, 1) / int64_t{sizeof(float)},
                                Pass<double>::ByteCount(spec, 1) / int64_t{sizeof(double)});
  return pass + spec.output_unit_count() + 2;
}
inline int64_t TileNumbers(const NetworkSpec& spec) {
  int64_t largest = 0;
  for (int layer = 1; layer <= spec.layer_count(); ++layer) {
    largest = std::max(largest, SignalTiles<float>::Size(spec.unit_count(layer), 1));
  }
  return largest;
}
inline int64_t TangentNumbers(const NetworkSpec& spec) {
  return 3 * (spec.total_unit_count() - spec.unit_count(0)) + TileNumbers(spec);
}

// R{h} = f'(s) R{s} of a hidden layer.
template <typename Scalar>
void ActivateTangents(const NetworkSpec& spec, int layer, const Chunk<Scalar>& chunk, Tangents<Scalar>* tangents);

// R{d} = -M R{s} of the output layer, with M = dy / ds; times the pattern weights.
template <typename Scalar>
void OutputTangents(const NetworkSpec& spec, const Chunk<Scalar>& chunk, Tangents<Scalar>* tangents);

// In d of a hidden layer, R{d log L / dh} becomes R{d} = f'(s) R{d log L / dh} + f''(s) R{s} d log L / dh, the latter
// not in the Gauss-Newton matrix. `chunk` has been through Backward.
template <typename Scalar>
void ErrorSignalTangents(const NetworkSpec& spec, int layer, Curvature curvature, const Chunk<Scalar>& chunk,
                         Tangents<Scalar>* tangents);

// All R{s}, R{h}, R{d} along `direction`. Adds R{d log L / dw}, the product of the curvature with the direction, to
// `product`. `chunk` has been through Backward.
template <typename Scalar>
void AddCurvatureProduct(const DerivativeTask<Scalar>& task, const Parameters<Scalar>& direction, Curvature curvature,
                         const Chunk<Scalar>& chunk, Tangents<Scalar>* tangents, Parameters<Scalar>* product);

}  // namespace backprop
