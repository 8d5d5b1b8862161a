// The three matrix products of backpropagation over a batch of patterns: forward, back, and into the gradient. All the
// arithmetic that grows with a network is in them.
#pragma once

#include "core/matrix.h"

// Legend. W: weights [unit x input], h: activations of the layer below [input x pattern], s: weighted sums, d: error
// signals d log L / d s [unit x pattern], G: gradient by W [unit x input].

namespace backprop {

template <typename Scalar>
using Weights = Eigen::Ref<WeightMatrix<Scalar>>;
template <typename Scalar>
using ConstWeights = Eigen::Ref<const WeightMatrix<Scalar>>;

// Fewer patterns than this go through the network one by one; more at once than the other are not for AscendOuter.
inline constexpr int64_t kFewPatterns = 4, kMaxProductPatterns = 1024;

// What becomes of what the result held before.
enum class Into { kAssign, kAdd };

// s = W h, without biases; Jacobs (2008), eq. (7) and the sum in (12).
template <typename Scalar>
void MultiplyForward(const ConstWeights<Scalar>& w, const ConstColumns<Scalar>& h, Into into, Columns<Scalar> s);

// d log L / d h = W' d: the error signals are sent back; eq. (10).
template <typename Scalar>
void MultiplyBack(const ConstWeights<Scalar>& w, const ConstColumns<Scalar>& d, Into into, Columns<Scalar> dh);

// G = d h', the sum over patterns of d_i(t) h_j(t); eq. (4), (5) with (9), (14), (34), (41).
template <typename Scalar>
void MultiplyOuter(const ConstColumns<Scalar>& d, const ConstColumns<Scalar>& h, Into into, Weights<Scalar> g);

// The error signals of a layer in the order in which they are read again and again as G is made part by part: those
// of a few units of every pattern, then those of the next few units. Room for `pattern_capacity` patterns, borrowed.
template <typename Scalar>
struct SignalTiles {
  static int64_t Size(int64_t unit_count, int64_t pattern_capacity);

  // Of patterns [begin, begin + d.cols()).
  void Copy(int64_t begin, const ConstColumns<Scalar>& d);

  Scalar* data;  // [Size]
  int64_t pattern_capacity;
};

// The same product, of the first h.cols() patterns of d: the fastest way to a part of G.
template <typename Scalar>
void MultiplyOuter(const SignalTiles<Scalar>& d, const ConstColumns<Scalar>& h, Into into, Weights<Scalar> g);

// W += step G (15) of at most kMaxProductPatterns patterns, for which G is not stored. Returns the sum of squares of G,
// in Scalar's range.
template <typename Scalar>
double AscendOuter(const SignalTiles<Scalar>& d, const ConstColumns<Scalar>& h, Scalar step, Weights<Scalar> w);

}  // namespace backprop
