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

}  // namespace backprop
