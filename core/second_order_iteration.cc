#include "core/second_order_iteration.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "core/lbfgs.h"

namespace backprop {
namespace {

// Relative error of a value: that of the log likelihood of each pattern, which is computed in Scalar.
template <typename Scalar>
constexpr double kValuePrecision = 4 * double{std::numeric_limits<Scalar>::epsilon()};

// Newton-CG's damping: of the first iteration, how it changes, and its bounds. At the upper one the direction is nearly
// that of the gradient.
constexpr double kFirstDamping = 0.1;
constexpr double kDampingFactor = 4;
constexpr double kMinDamping = 1e-10;
constexpr double kMaxDamping = 10;
// What an iteration gained, as a share of what the curvature had promised, below which there is to be more damping,
// and above which less; Levenberg and Marquardt's rule as in Nocedal and Wright (2006), algorithm 4.1.
constexpr double kPoorShare = 0.25;
constexpr double kGoodShare = 0.75;

}  // namespace

template <typename Scalar>
SecondOrderIteration<Scalar>::SecondOrderIteration(const NetworkSpec& spec, const TrainingOptions& options)
    : options_(options),
      begin_{.gradient = Parameters<Scalar>(spec.layout())},
      trial_parameters_(spec.layout()),
      trial_{.gradient = Parameters<Scalar>(spec.layout())} {
  if (std::holds_alternative<NewtonCg>(options.optimizer)) products_.emplace(spec);
}

template <typename Scalar>
int64_t SecondOrderIteration<Scalar>::WorkspaceBytes(const NetworkSpec& spec, const OptimizerOptions& optimizer,
                                                     int64_t pattern_count) {
  const bool newton_cg = std::holds_alternative<NewtonCg>(optimizer);
  // Two gradients, the trial and the direction. L-BFGS: the pair that is new. Newton-CG: the solver's.
  const int64_t vectors = 4 + (newton_cg ? ConjugateGradients<Scalar>::kVectorCount : 2);
  const int64_t products =
      newton_cg ? HessianVectorComputation<Scalar>::Price(spec, pattern_count, 1, Curvature::kHessian).workspace_bytes
                : 0;
  return products + vectors * spec.parameter_count() * int64_t{sizeof(Scalar)};
}

template <typename Scalar>
auto SecondOrderIteration<Scalar>::Step(const Objective<Scalar>& objective, const ParallelFor& parallel_for,
                                        const StopCheck& stopped, OptimizerState<Scalar>* state,
                                        Parameters<Scalar>* parameters) -> Outcome {
  if (!begin_known_) {
    if (!objective.Evaluate(*parameters, parallel_for, stopped, &begin_)) return Outcome::kStopped;
    if (!begin_.IsFinite()) return Outcome::kDiverged;
    begin_known_ = true;
    return Outcome::kMore;
  }
  if (search_) return Search(objective, parallel_for, stopped, state, parameters);
  measures_ = begin_.measures;
  gradient_norm_ = begin_.gradient_norm;
  if (begin_.gradient.flat().isZero(0)) {
    GiveUp(state);
    return End(state);
  }
  if (const auto* newton_cg = std::get_if<NewtonCg>(&options_.optimizer)) {
    return Solve(*newton_cg, objective, parallel_for, stopped, *state, *parameters);
  }
  BeginSearch(LbfgsDirection(state->history, begin_.gradient.flat()));
  return Search(objective, parallel_for, stopped, state, parameters);
}

template <typename Scalar>
auto SecondOrderIteration<Scalar>::Solve(const NewtonCg& newton_cg, const Objective<Scalar>& objective,
                                         const ParallelFor& parallel_for, const StopCheck& stopped,
                                         const OptimizerState<Scalar>& state, const Parameters<Scalar>& parameters)
    -> Outcome {
  if (!solver_) {
    const double damping = state.damping > 0 ? state.damping : kFirstDamping;
    solver_.emplace(begin_.gradient, damping, newton_cg.tolerance, newton_cg.max_product_count);
  }
  const Curvature curvature = newton_cg.gauss_newton ? Curvature::kGaussNewton : Curvature::kHessian;
  if (!objective.Multiply(parameters, solver_->direction(), curvature, parallel_for, stopped, &*products_,
                          &trial_parameters_)) {
    return Outcome::kStopped;
  }
  if (!solver_->Observe(trial_parameters_.flat())) BeginSearch(solver_->solution());
  return Outcome::kMore;
}

template <typename Scalar>
void SecondOrderIteration<Scalar>::BeginSearch(Vector<Scalar> direction) {
  const Vector<Scalar>& gradient = begin_.gradient.flat();
  direction_ = std::move(direction);
  double slope = Dot(direction_, gradient);
  if (!(slope > 0) || !std::isfinite(slope)) {
    direction_ = LbfgsDirection<Scalar>({}, gradient);  // What rounding made of it leads nowhere.
    slope = Dot(direction_, gradient);
  }
  const double limit = options_.gradient_norm_limit, norm = begin_.gradient_norm;
  first_step_ = options_.step_size * (limit > 0 && norm > limit ? limit / norm : 1);
  search_.emplace(begin_.value, slope, first_step_, kValuePrecision<Scalar> * std::abs(begin_.value));
}

template <typename Scalar>
auto SecondOrderIteration<Scalar>::Search(const Objective<Scalar>& objective, const ParallelFor& parallel_for,
                                          const StopCheck& stopped, OptimizerState<Scalar>* state,
                                          Parameters<Scalar>* parameters) -> Outcome {
  trial_parameters_.flat() = parameters->flat() + static_cast<Scalar>(search_->step()) * direction_;
  if (!objective.Evaluate(trial_parameters_, parallel_for, stopped, &trial_)) return Outcome::kStopped;
  const bool finite = trial_.IsFinite() && trial_parameters_.flat().allFinite();
  const double value = finite ? trial_.value : std::numeric_limits<double>::quiet_NaN();
  switch (search_->Observe(value, finite ? Dot(direction_, trial_.gradient.flat()) : value)) {
    case LineSearch::Outcome::kEvaluate:
      return Outcome::kMore;
    case LineSearch::Outcome::kAccepted:
      Accept(state, parameters);
      return End(state);
    case LineSearch::Outcome::kFailed:
      GiveUp(state);
      return End(state);
  }
  return Outcome::kMore;
}

template <typename Scalar>
void SecondOrderIteration<Scalar>::Accept(OptimizerState<Scalar>* state, Parameters<Scalar>* parameters) {
  state->step_size = search_->step();
  if (const auto* lbfgs = std::get_if<Lbfgs>(&options_.optimizer)) {
    // The step that was taken, not the one that rounding made it of.
    AddCurvaturePair<Scalar>(lbfgs->history_size,
                             {.step = trial_parameters_.flat() - parameters->flat(),
                              .gradient_fall = begin_.gradient.flat() - trial_.gradient.flat()},
                             &state->history);
  }
  if (solver_) {
    const double share = (trial_.value - begin_.value) / solver_->PredictedIncrease(search_->step());
    AdaptDamping(search_->step() < first_step_ ? 0 : share, state);
  }
  std::swap(*parameters, trial_parameters_);
  std::swap(begin_, trial_);
}

template <typename Scalar>
void SecondOrderIteration<Scalar>::AdaptDamping(double share, OptimizerState<Scalar>* state) const {
  if (!std::holds_alternative<NewtonCg>(options_.optimizer)) return;
  if (state->damping == 0) state->damping = kFirstDamping;
  if (share < kPoorShare) {
    state->damping = std::min(state->damping * kDampingFactor, kMaxDamping);
  } else if (share > kGoodShare) {
    state->damping = std::max(state->damping / kDampingFactor, kMinDamping);
  }
}

template <typename Scalar>
void SecondOrderIteration<Scalar>::GiveUp(OptimizerState<Scalar>* state) {
  state->history.clear();
  state->step_size = 0;
  AdaptDamping(/*share=*/0, state);
}

template <typename Scalar>
auto SecondOrderIteration<Scalar>::End(OptimizerState<Scalar>* state) -> Outcome {
  ++state->step_count;
  search_.reset();
  solver_.reset();
  return Outcome::kDone;
}

template class SecondOrderIteration<float>;
template class SecondOrderIteration<double>;

}  // namespace backprop
