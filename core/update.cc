#include "core/update.h"

#include <cmath>

namespace backprop {

template <typename Scalar>
double Update(const TrainingOptions& options, double step_size, double weight_sum, Parameters<Scalar>* gradient,
              OptimizerState<Scalar>* state, Parameters<Scalar>* parameters) {
  if (options.reduction == Reduction::kMean && weight_sum > 0) {
    gradient->flat() *= static_cast<Scalar>(1 / weight_sum);
  }
  // The square may overflow where the norm itself does not.
  double norm = double{gradient->flat().norm()};
  if (!std::isfinite(norm)) norm = gradient->flat().template cast<double>().stableNorm();
  if (!std::isfinite(norm)) return norm;
  if (options.gradient_norm_limit > 0 && norm > options.gradient_norm_limit) {
    gradient->flat() *= static_cast<Scalar>(options.gradient_norm_limit / norm);
  }
  if (options.weight_decay > 0) {
    for (int layer = 1; layer <= parameters->layer_count(); ++layer) {
      gradient->weights(layer) -= static_cast<Scalar>(options.weight_decay) * parameters->weights(layer);
    }
  }
  OptimizerStep(options.optimizer, step_size, gradient->flat(), state, &parameters->flat());
  return norm;
}

template double Update(const TrainingOptions&, double, double, Parameters<float>*, OptimizerState<float>*,
                       Parameters<float>*);
template double Update(const TrainingOptions&, double, double, Parameters<double>*, OptimizerState<double>*,
                       Parameters<double>*);

}  // namespace backprop
