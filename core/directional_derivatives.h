// Derivatives of any order along a line, by truncated Taylor series through the network; Griewank and Walther,
// Evaluating Derivatives (2008), chapter 13.
#pragma once

#include <optional>
#include <vector>

#include "core/derivative_task.h"
#include "core/parallel_for.h"
#include "core/taylor_series.h"

namespace backprop {

// The line w + t v, x + t u. A null direction is 0; at least one is not null.
template <typename Scalar>
struct Line {
  const Parameters<Scalar>* parameters = nullptr;  // v, in the scaled network.
  const Vector<Scalar>* inputs = nullptr;          // u [input_unit_count], in the caller's units, for every pattern.
};

// d^k / dt^k log L at t = 0 for k = 0 .. order, with `order` from 0 to kMaxDerivativeOrder (taylor_series.h), in one
// pass. None when
// `stopped` said so.
template <typename Scalar>
std::optional<std::vector<double>> DirectionalDerivatives(const DerivativeTask<Scalar>& task, const Line<Scalar>& line,
                                                          int order, const ParallelFor& parallel_for,
                                                          const StopCheck& stopped);

// At most: for a line of both directions.
DerivativePrice DirectionalDerivativesPrice(const NetworkSpec& spec, int64_t pattern_count, int order);

}  // namespace backprop
