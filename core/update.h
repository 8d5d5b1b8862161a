// One change of the parameters: reduction, norm limit and weight decay of the batch's gradient, then the optimizer's
// step.
#pragma once

#include "core/optimizer.h"
#include "core/parameters.h"
#include "core/training_options.h"

namespace backprop {

// Changes `parameters` by the `gradient` of a batch (a sum; changed in place) with `weight_sum` the sum of its pattern
// weights; a batch without weight has mean gradient 0. Returns the norm of the reduced gradient, before limit and
// decay. When that is not finite nothing is changed.
template <typename Scalar>
double Update(const TrainingOptions& options, double step_size, double weight_sum, Parameters<Scalar>* gradient,
              OptimizerState<Scalar>* state, Parameters<Scalar>* parameters);

}  // namespace backprop
