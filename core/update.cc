#include "core/update.h"

#include <cmath>

#include "core/denormals.h"

namespace backprop {

template <typename Scalar>
double Update(const TrainingOptions& options, double step_size, double weight_sum, Parameters<Scalar>* gradient,
              OptimizerState<Scalar>* state, Parameters<Scalar>* parameters) {
  const DenormalsAreZero flush;
  // The gradient is large: it is read as it is, and what it is to be multiplied with goes into the step.
  double scale = ReductionScale(options.reduction, weight_sum);
  const double sum_norm = NormOf(gradient->flat()), norm = scale * sum_norm;
  if (!std::isfinite(norm)) return norm;
  if (options.gradient_norm_limit > 0 && norm > options.gradient_norm_limit) {
    // First to a norm of 1: of a huge gradient the factor may be smaller than there are numbers for.
    gradient->flat() = (gradient->flat().template cast<double>() / sum_norm).template cast<Scalar>();
    scale = options.gradient_norm_limit;
  }
  if (options.weight_decay > 0) {
    gradient->flat() *= static_cast<Scalar>(scale);
    scale = 1;
    for (int layer = 1; layer <= parameters->layer_count(); ++layer) {
      gradient->weights(layer) -= static_cast<Scalar>(options.weight_decay) * parameters->weights(layer);
    }
  }
  OptimizerStep(options.optimizer, step_size, scale, gradient->flat(), state, &parameters->flat());
  return norm;
}

template <typename Scalar>
std::optional<double> LearnBatch(const TrainingOptions& options, double step_size, BatchRequest<Scalar> request,
                                 const ParallelFor& parallel_for, const StopCheck& stopped,
                                 BatchComputation<Scalar>* computation, OptimizerState<Scalar>* state,
                                 Parameters<Scalar>* parameters) {
  // Where the step is known before the gradient is, parts of the two are made together.
  const bool ascend =
      IsPlainAscent(options) && options.gradient_norm_limit == 0 && computation->CanAscend(request.pattern_count);
  request.sum_gradient = !ascend;
  if (!computation->Run(*parameters, request, parallel_for, stopped)) return std::nullopt;
  const Measures& measures = computation->measures();
  if (!std::isfinite(measures.log_likelihood)) return std::nan("");
  if (!ascend) return Update(options, step_size, measures.weight_sum, &computation->gradient(), state, parameters);
  ++state->step_count;
  const double scale = ReductionScale(options.reduction, measures.weight_sum);
  return scale * computation->Ascend(scale * step_size, parallel_for, parameters);
}

template double Update(const TrainingOptions&, double, double, Parameters<float>*, OptimizerState<float>*,
                       Parameters<float>*);
template double Update(const TrainingOptions&, double, double, Parameters<double>*, OptimizerState<double>*,
                       Parameters<double>*);
template std::optional<double> LearnBatch(const TrainingOptions&, double, BatchRequest<float>, const ParallelFor&,
                                          const StopCheck&, BatchComputation<float>*, OptimizerState<float>*,
                                          Parameters<float>*);
template std::optional<double> LearnBatch(const TrainingOptions&, double, BatchRequest<double>, const ParallelFor&,
                                          const StopCheck&, BatchComputation<double>*, OptimizerState<double>*,
                                          Parameters<double>*);

}  // namespace backprop
