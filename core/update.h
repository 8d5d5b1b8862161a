// One change of the parameters: reduction, norm limit and weight decay of the batch's gradient, then the optimizer's
// step.
#pragma once

#include <optional>

#include "core/batch_computation.h"
#include "core/optimizer.h"
#include "core/parameters.h"
#include "core/training_options.h"

namespace backprop {

// Changes `parameters` by the `gradient` of a batch (a sum; changed in place) with `weight_sum` the sum of its pattern
// weights. Returns the norm of the reduced gradient, before limit and
// decay. When that is not finite nothing is changed.
template <typename Scalar>
double Update(const TrainingOptions& options, double step_size, double weight_sum, Parameters<Scalar>* gradient,
              OptimizerState<Scalar>* state, Parameters<Scalar>* parameters);

// Runs the batch of `request` through the network at `parameters` and changes them by its gradient, summed or not as
// that takes. Returns the norm, as Update does; nothing when `stopped` said so, and then nothing is changed. When the
// norm is not finite, or NaN as the log likelihood is not, parameters and state are meaningless.
template <typename Scalar>
std::optional<double> LearnBatch(const TrainingOptions& options, double step_size, BatchRequest<Scalar> request,
                                 const ParallelFor& parallel_for, const StopCheck& stopped,
                                 BatchComputation<Scalar>* computation, OptimizerState<Scalar>* state,
                                 Parameters<Scalar>* parameters);

}  // namespace backprop
