// The Hessian or the Gauss-Newton matrix itself: of a small network, of one layer's parameters, or the diagonal.
#pragma once

#include <cstdint>
#include <optional>

#include "core/derivative_task.h"
#include "core/measures.h"
#include "core/parallel_for.h"

namespace backprop {

// Parameters whose matrix of second derivatives is computed at most: its numbers are then as many as those of the
// largest network. Quoted in derivative_service.proto.
inline constexpr int64_t kMaxHessianParameters = 4096;

template <typename Scalar>
struct HessianResult {
  // [parameter_count x parameter_count], or of the layer's parameters only: in the flat order (layer by layer, weights
  // row by row, then biases), symmetric to the bit.
  WeightMatrix<Scalar> hessian;
  Measures measures;
};

// The whole matrix, or its block of the parameters into `layer` (1 to layer_count()). These parameters are at most
// kMaxHessianParameters. The second derivatives by all weights into a unit come as one matrix product. None when
// `stopped` said so.
template <typename Scalar>
std::optional<HessianResult<Scalar>> Hessian(const DerivativeTask<Scalar>& task, Curvature curvature,
                                             std::optional<int> layer, const ParallelFor& parallel_for,
                                             const StopCheck& stopped);

DerivativePrice HessianPrice(const NetworkSpec& spec, int64_t pattern_count, std::optional<int> layer);

template <typename Scalar>
struct HessianDiagonalResult {
  Parameters<Scalar> diagonal;  // d^2 log L / dw^2 for every weight and bias.
  Measures measures;
};

// The diagonal of the matrix, exactly, for a network of any size. None when `stopped` said so.
template <typename Scalar>
std::optional<HessianDiagonalResult<Scalar>> HessianDiagonal(const DerivativeTask<Scalar>& task, Curvature curvature,
                                                             const ParallelFor& parallel_for, const StopCheck& stopped);

DerivativePrice HessianDiagonalPrice(const NetworkSpec& spec, int64_t pattern_count);

}  // namespace backprop
