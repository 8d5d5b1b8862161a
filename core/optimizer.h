// From a gradient to a step: gradient ascent, momentum, Nesterov, Adam, RPROP.
#pragma once

#include <cstdint>

#include "core/matrix.h"
#include "core/training_options.h"

namespace backprop {

// What an optimizer remembers from step to step; all there is to save and restore. A value.
template <typename Scalar>
struct OptimizerState {
  int64_t step_count = 0;
  // [parameter_count], or empty where the optimizer needs none.
  Vector<Scalar> first;   // momentum: velocity; Adam: mean of the gradient; RPROP: previous gradient
  Vector<Scalar> second;  // Adam: mean of its square; RPROP: step size of every parameter
};

// Moves `parameters` up `scale` (above 0) times `gradient`, both [parameter_count]: eq. (15) and its descendants.
template <typename Scalar>
void OptimizerStep(const OptimizerOptions& options, double step_size, double scale, const Vector<Scalar>& gradient,
                   OptimizerState<Scalar>* state, Vector<Scalar>* parameters);

// Vectors of [parameter_count] that the state of any optimizer holds at most, and of this one.
inline constexpr int64_t kMaxOptimizerVectorCount = 2;
int OptimizerVectorCount(const OptimizerOptions& options);

}  // namespace backprop
