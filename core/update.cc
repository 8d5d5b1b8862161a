#include "core/update.h"

#include <cmath>

#include "core/denormals.h"

namespace backprop {

template <typename Scalar>
double Update(const TrainingOptions& options, double step_size, double weight_sum, Parameters<Scalar>* gradient,
              OptimizerState<Scalar>* state, Parameters<Scalar>* parameters) {
  const DenormalsAreZero flush;
  // The gradient is large: it is read as it is, and what it is to be multiplied with goes into the step.
  double scale = options.reduction == Reduction::kMean && weight_sum > 0 ? 1 / weight_sum : 1;
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

template double Update(const TrainingOptions&, double, double, Parameters<float>*, OptimizerState<float>*,
                       Parameters<float>*);
template double Update(const TrainingOptions&, double, double, Parameters<double>*, OptimizerState<double>*,
                       Parameters<double>*);

}  // namespace backprop
