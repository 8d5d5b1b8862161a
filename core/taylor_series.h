// Truncated Taylor series through activation functions and the output layer. Every number is a series c_0 + c_1 t + ...
// + c_order t^order; the coefficients of all numbers of a layer stand in one matrix [unit_count x (order + 1)
// pattern_count], in blocks of columns: first all c_0, then all c_1. So one matrix product takes them all.
#pragma once

#include "core/matrix.h"
#include "core/network_spec.h"

namespace backprop {

// The highest order; quoted in derivative_service.proto.
inline constexpr int kMaxDerivativeOrder = 16;

// Weighted sums become activations in place, as by Activate. Coefficients of `s` above s_order are 0 and need not be
// written. Returns the order of the activations: that of `s` for relu and identity, otherwise `order`.
template <typename Scalar>
int ActivateSeries(Activation activation, int s_order, int order, Columns<Scalar> s);

// Weighted sums `s` of the output units, all coefficients written, and targets [output_unit_count x pattern_count]
// give the log likelihood of each pattern, coefficient k in row k of `log_likelihood` [order + 1 x pattern_count].
// `y` becomes the series of the outputs, up to the coefficient order - 1 at least.
template <typename Scalar>
void LogLikelihoodSeries(Task task, int order, const ConstColumns<Scalar>& s, const ConstColumns<Scalar>& targets,
                         Columns<Scalar> y, Columns<Scalar> log_likelihood);

}  // namespace backprop
