// Limited-memory BFGS: an uphill direction from the gradients of the last few iterations; Nocedal and Wright (2006),
// section 7.2.
#pragma once

#include <vector>

#include "core/matrix.h"
#include "core/optimizer.h"

namespace backprop {

// The `gradient` times an approximation of the inverse of the negative Hessian, made of `history` by the two-loop
// recursion (algorithm 7.4). Without history it is steepest ascent, by a vector no longer than 1. [parameter_count]
template <typename Scalar>
Vector<Scalar> LbfgsDirection(const std::vector<CurvaturePair<Scalar>>& history, const Vector<Scalar>& gradient);

// Adds a pair to `history`, oldest first, and drops the oldest above `history_size`. A pair along which the slope did
// not fall, as rounding may have it, would make the approximation indefinite, and is left out.
template <typename Scalar>
void AddCurvaturePair(int history_size, const CurvaturePair<Scalar>& pair, std::vector<CurvaturePair<Scalar>>* history);

}  // namespace backprop
