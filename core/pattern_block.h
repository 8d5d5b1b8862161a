// The first layer of on-line training, a block of patterns at a time.
#pragma once

#include <cstdint>

#include "core/matrix.h"
#include "core/network_spec.h"
#include "core/parameters.h"

namespace backprop {

// What pattern t of a block meets in the first layer is what the block began with and the steps (15) of the patterns
// before it. Since inputs x do not depend on weights, these are known from inner products of patterns:
//
//   W(t) x(t) = W(0) x(t) + sum over s < t of steps(s) (x(s)' x(t)),   b(t) = b(0) + sum over s < t of steps(s)
//
// so that each weight is read and written once a block, by matrix products, and not once a pattern. Not thread-safe.
template <typename Scalar>
class PatternBlock {
 public:
  static constexpr int kPatterns = 32;

  // True where the first layer is too large for the first level of the cache.
  static bool Serves(const NetworkSpec& spec);
  static int64_t WorkspaceBytes(const NetworkSpec& spec);

  explicit PatternBlock(const NetworkSpec& spec);

  // [input_unit_count x kPatterns]: the patterns' inputs x, as the network takes them, the caller's to write.
  Matrix<Scalar>& inputs() { return x_; }
  // Begins with the first `n` of them. False when an inner product is beyond Scalar's range.
  [[nodiscard]] bool Begin(int64_t n, const Parameters<Scalar>& parameters);

  // Weighted sums of pattern `t`, after the steps that were taken.
  void WeightedSums(int64_t t, Vector<Scalar>* s) const;
  // |x|^2 + 1, the latter of the bias weights' input.
  double SquaredInput(int64_t t) const { return double{inner_products_(t, t)}; }
  // Step size times error signals of pattern `t`, which follows the one before.
  void Take(int64_t t, const Vector<Scalar>& steps) { steps_.col(t) = steps; }

  // The steps of the first `n` patterns become those of `parameters`.
  void Finish(int64_t n, Parameters<Scalar>* parameters) const;

 private:
  Matrix<Scalar> x_, sums_, steps_;  // A column a pattern.
  Matrix<Scalar> inner_products_;    // x(s)' x(t) + 1
};

}  // namespace backprop
