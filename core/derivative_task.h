// What derivatives are taken of: the log likelihood of a batch of patterns as a function of the network's parameters.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <limits>

#include "core/batch_computation.h"
#include "core/network_spec.h"
#include "core/parameters.h"
#include "core/scaling.h"

namespace backprop {

// log L(w) = sum over patterns of pattern weight times log likelihood, at w = parameters. As for the gradient, inputs
// and targets are scaled, and derivatives by the parameters are those of the scaled network.
//
// All derivatives are exact, without differences. Those of a relu unit are taken where they exist: all of them are 0
// at a weighted sum of 0, and the second and higher ones everywhere. They are finite for weighted sums of any finite
// size whose log likelihood Scalar can hold. Sums are taken as in BatchComputation: the number of threads changes no
// bit. References are borrowed for the call.
template <typename Scalar>
struct DerivativeTask {
  const NetworkSpec& spec;
  const Scalings& scalings;
  const Parameters<Scalar>& parameters;
  int64_t pattern_count = 0;
  const PatternSource<Scalar>& source;
};

// What a computation of derivatives takes, known before it starts; both saturate.
struct DerivativePrice {
  int64_t multiply_adds = 0;    // Of its matrix products, and what takes as long, over all patterns.
  int64_t workspace_bytes = 0;  // At most; its results included, patterns and directions not.
};

// The product of factors of 0 or more, at most the largest int64.
inline int64_t SaturatingProduct(std::initializer_list<int64_t> factors) {
  int64_t product = 1;
  for (const int64_t factor : factors) {
    if (__builtin_mul_overflow(product, factor, &product)) return std::numeric_limits<int64_t>::max();
  }
  return product;
}

// The sum of two such numbers, likewise.
inline int64_t SaturatingSum(int64_t a, int64_t b) { return std::min(a, std::numeric_limits<int64_t>::max() - b) + b; }

inline int64_t BytesPerNumber(const NetworkSpec& spec) {
  return spec.fields().precision == Precision::kFloat32 ? sizeof(float) : sizeof(double);
}

// What a pass over one pattern takes beside its products, in multiply-adds that take as long: for each layer, whose
// matrices may be too thin for the registers, and for each unit, with its activation. Measured on networks from
// 784-512-512-10 to 1-1-...-1, whose prices a second would otherwise differ by more than a thousand times; with these
// they do by some twenty (scripts/bench.sh core).
inline constexpr int64_t kLayerPassWork = 700, kUnitPassWork = 30;

// Of a pass through layers `first` to the last.
inline int64_t PassWork(const NetworkSpec& spec, int first = 1) {
  int64_t work = 0;
  for (int l = first; l <= spec.layer_count(); ++l) work += kLayerPassWork + kUnitPassWork * spec.unit_count(l);
  return work;
}

// Of a forward and a backward pass of one pattern: three products a layer, but nothing is sent back from layer 1.
inline int64_t GradientWork(const NetworkSpec& spec) {
  return 3 * spec.parameter_count() - int64_t{spec.unit_count(1)} * spec.unit_count(0) + 2 * PassWork(spec);
}

// Which matrix of second derivatives by the parameters.
enum class Curvature {
  // d^2 log L / dw dw'.
  kHessian,
  // -J' M J: of the Hessian the part without second derivatives of weighted sums; Schraudolph (2002). J is
  // d s / d w of the output units' weighted sums and M = -d^2 log L / ds ds' >= 0, so it is negative semidefinite. For
  // the three matched pairs of task and output units it is minus the Fisher information.
  kGaussNewton,
};

}  // namespace backprop
