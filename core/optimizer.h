// From a gradient to a step: gradient ascent, momentum, Nesterov, Adam, RPROP.
#pragma once

#include <cstdint>
#include <vector>

#include "core/matrix.h"
#include "core/training_options.h"

namespace backprop {

// What one iteration of L-BFGS learned of the objective's curvature. Both are [parameter_count].
template <typename Scalar>
struct CurvaturePair {
  Vector<Scalar> step;           // How the parameters changed,
  Vector<Scalar> gradient_fall;  // and the gradient's change, negated.
};

// What an optimizer remembers from step to step; all there is to save and restore. A value.
template <typename Scalar>
struct OptimizerState {
  int64_t step_count = 0;
  // [parameter_count], or empty where the optimizer needs none.
  Vector<Scalar> first;   // momentum: velocity; Adam: mean of the gradient; RPROP: previous gradient
  Vector<Scalar> second;  // Adam: mean of its square; RPROP: step size of every parameter
  // L-BFGS: the last pairs, oldest first.
  std::vector<CurvaturePair<Scalar>> history = {};
  double damping = 0;    // Newton-CG: of the next iteration; 0 before the first.
  double step_size = 0;  // On whole sets: what the last iteration's search found; 0 where it found none.
};

// Not for optimizers that train on whole sets: second_order_iteration.h has those; of them, this is steepest ascent.
// Moves `parameters` up `scale` (above 0) times `gradient`, both [parameter_count]: eq. (15) and its descendants.
template <typename Scalar>
void OptimizerStep(const OptimizerOptions& options, double step_size, double scale, const Vector<Scalar>& gradient,
                   OptimizerState<Scalar>* state, Vector<Scalar>* parameters);

// Vectors of [parameter_count] that the state of any optimizer that learns on-line holds at most, and of this one.
inline constexpr int64_t kMaxOnlineVectorCount = 2;
int OptimizerVectorCount(const OptimizerOptions& options);

}  // namespace backprop
