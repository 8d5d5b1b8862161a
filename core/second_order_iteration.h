// The iterations of optimizers that choose where to evaluate the objective: a direction, and a search along it.
#pragma once

#include <optional>

#include "core/conjugate_gradients.h"
#include "core/hessian_vector_product.h"
#include "core/line_search.h"
#include "core/objective.h"
#include "core/optimizer.h"

namespace backprop {

// One iteration after the other, a computation over the set at a time: in between a caller may stop, or turn to others.
// Until an iteration is done it has changed nothing but itself, so that one that is dropped can be begun again, to the
// same bits. Not thread-safe.
template <typename Scalar>
class SecondOrderIteration {
 public:
  enum class Outcome {
    kMore,      // A computation is done, the iteration is not.
    kDone,      // Parameters and state are those of the iteration's end.
    kStopped,   // `stopped` said so; the computation can be done again.
    kDiverged,  // The objective where the iteration began is not finite.
  };

  // `options` are validated and of an optimizer that trains on whole sets.
  SecondOrderIteration(const NetworkSpec& spec, const TrainingOptions& options);

  // The next computation of the iteration that begins at `parameters` with `state`, both of the iteration before. When
  // no step is better than none, the parameters stay, and the optimizer forgets what it had learned of them.
  Outcome Step(const Objective<Scalar>& objective, const ParallelFor& parallel_for, const StopCheck& stopped,
               OptimizerState<Scalar>* state, Parameters<Scalar>* parameters);

  // Of the last iteration that is done: the patterns' measures and the norm of the reduced gradient at the parameters
  // that it began with.
  const Measures& measures() const { return measures_; }
  double gradient_norm() const { return gradient_norm_; }

  // Most bytes that it takes for sets of `pattern_count` patterns, beside the objective's workspace.
  static int64_t WorkspaceBytes(const NetworkSpec& spec, const OptimizerOptions& optimizer, int64_t pattern_count);

 private:
  // Newton-CG: the next product towards the direction.
  Outcome Solve(const NewtonCg& newton_cg, const Objective<Scalar>& objective, const ParallelFor& parallel_for,
                const StopCheck& stopped, const OptimizerState<Scalar>& state, const Parameters<Scalar>& parameters);
  void BeginSearch(Vector<Scalar> direction);
  Outcome Search(const Objective<Scalar>& objective, const ParallelFor& parallel_for, const StopCheck& stopped,
                 OptimizerState<Scalar>* state, Parameters<Scalar>* parameters);
  // Ends the iteration at the trial, or where it began.
  void Accept(OptimizerState<Scalar>* state, Parameters<Scalar>* parameters);
  void GiveUp(OptimizerState<Scalar>* state);
  // `share`: what the step gained, as a share of what was predicted.
  void AdaptDamping(double share, OptimizerState<Scalar>* state) const;
  Outcome End(OptimizerState<Scalar>* state);

  const TrainingOptions options_;
  // At the iteration's parameters; known from the trial that the iteration before accepted.
  Evaluation<Scalar> begin_;
  bool begin_known_ = false;
  Vector<Scalar> direction_;
  double first_step_ = 0;
  std::optional<HessianVectorComputation<Scalar>> products_;  // Newton-CG.
  std::optional<ConjugateGradients<Scalar>> solver_;
  std::optional<LineSearch> search_;
  Parameters<Scalar> trial_parameters_;  // And Newton-CG's products before there is a trial.
  Evaluation<Scalar> trial_;
  Measures measures_;
  double gradient_norm_ = 0;
};

}  // namespace backprop
