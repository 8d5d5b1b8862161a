#include "core/objective.h"

#include <cmath>
#include <span>
#include <utility>

namespace backprop {
template <typename Scalar>
bool Evaluation<Scalar>::IsFinite() const {
  return std::isfinite(value) && std::isfinite(gradient_norm) && gradient.flat().allFinite();
}

template <typename Scalar>
bool Objective<Scalar>::Evaluate(const Parameters<Scalar>& parameters, const ParallelFor& parallel_for,
                                 const StopCheck& stopped, Evaluation<Scalar>* evaluation) const {
  if (!computation_.Run(parameters, batch_, parallel_for, stopped)) return false;
  Parameters<Scalar>& gradient = evaluation->gradient;
  std::swap(gradient, computation_.gradient());
  evaluation->measures = computation_.measures();
  const bool by_mean = options_.reduction == Reduction::kMean;
  evaluation->value = by_mean ? evaluation->measures.mean_log_likelihood() : evaluation->measures.log_likelihood;
  const double scale = ReductionScale(options_.reduction, evaluation->measures.weight_sum);
  if (scale != 1) gradient.flat() *= static_cast<Scalar>(scale);
  evaluation->gradient_norm = NormOf(gradient.flat());
  if (options_.weight_decay > 0) {
    for (int layer = 1; layer <= parameters.layer_count(); ++layer) {
      gradient.weights(layer) -= static_cast<Scalar>(options_.weight_decay) * parameters.weights(layer);
      evaluation->value -= options_.weight_decay / 2 * parameters.weights(layer).template cast<double>().squaredNorm();
    }
  }
  return true;
}

template <typename Scalar>
bool Objective<Scalar>::Multiply(const Parameters<Scalar>& parameters, const Parameters<Scalar>& direction,
                                 Curvature curvature, const ParallelFor& parallel_for, const StopCheck& stopped,
                                 HessianVectorComputation<Scalar>* products, Parameters<Scalar>* product) const {
  const DerivativeTask<Scalar> task{.spec = spec_,
                                    .scalings = scalings_,
                                    .parameters = parameters,
                                    .pattern_count = batch_.pattern_count,
                                    .source = batch_.source};
  if (!products->Run(task, std::span(&direction, 1), curvature, parallel_for, stopped)) return false;
  const double scale = ReductionScale(options_.reduction, products->measures().weight_sum);
  product->flat() = static_cast<Scalar>(-scale) * products->product(0).flat();
  for (int layer = 1; layer <= parameters.layer_count(); ++layer) {
    product->weights(layer) += static_cast<Scalar>(options_.weight_decay) * direction.weights(layer);
  }
  return true;
}

template struct Evaluation<float>;
template struct Evaluation<double>;
template class Objective<float>;
template class Objective<double>;

}  // namespace backprop
