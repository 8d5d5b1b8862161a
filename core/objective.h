// What training maximises, as a function of the parameters: for optimizers that evaluate it where they choose.
#pragma once

#include <utility>

#include "core/batch_computation.h"
#include "core/hessian_vector_product.h"
#include "core/measures.h"
#include "core/parallel_for.h"
#include "core/parameters.h"
#include "core/training_options.h"

namespace backprop {

// The objective at some parameters.
template <typename Scalar>
struct Evaluation {
  double value = 0;
  Parameters<Scalar> gradient;  // Of the value.
  Measures measures = {};       // Of the patterns.
  double gradient_norm = 0;     // Of the reduced gradient, without weight decay.

  // False where the log likelihood or a gradient left the range of its numbers.
  bool IsFinite() const;
};

// The log likelihood of all patterns of a batch, as mean or sum (options.reduction), less
// options.weight_decay / 2 * |weights|^2. A view: what it is made of is borrowed. Not thread-safe.
template <typename Scalar>
class Objective {
 public:
  // `batch` asks for no more than pattern_count and source.
  Objective(const NetworkSpec& spec, const Scalings& scalings, const TrainingOptions& options,
            BatchRequest<Scalar> batch, BatchComputation<Scalar>* computation)
      : spec_(spec), scalings_(scalings), options_(options), batch_(std::move(batch)), computation_(*computation) {}

  // Computes value and gradient at `parameters`. False when `stopped` said so; the evaluation is then meaningless.
  [[nodiscard]] bool Evaluate(const Parameters<Scalar>& parameters, const ParallelFor& parallel_for,
                              const StopCheck& stopped, Evaluation<Scalar>* evaluation) const;

  // Computes the `product` of `direction` with the negated `curvature` matrix at `parameters`. Stops likewise.
  [[nodiscard]] bool Multiply(const Parameters<Scalar>& parameters, const Parameters<Scalar>& direction,
                              Curvature curvature, const ParallelFor& parallel_for, const StopCheck& stopped,
                              HessianVectorComputation<Scalar>* products, Parameters<Scalar>* product) const;

 private:
  const NetworkSpec& spec_;
  const Scalings& scalings_;
  const TrainingOptions& options_;
  const BatchRequest<Scalar> batch_;
  BatchComputation<Scalar>& computation_;
};

}  // namespace backprop
