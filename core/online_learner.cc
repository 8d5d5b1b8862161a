#include "core/online_learner.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/update.h"

namespace backprop {

template <typename Scalar>
std::optional<double> OnlineLearner<Scalar>::Learn(const BatchRequest<Scalar>& request, const ParallelFor& parallel_for,
                                                   const StopCheck& stopped, BatchComputation<Scalar>* computation,
                                                   Parameters<Scalar>* parameters) {
  return LearnBatch(options_, step_size(), request, parallel_for, stopped, computation, &optimizer_, parameters);
}

template <typename Scalar>
bool OnlineLearner<Scalar>::Apply(Parameters<Scalar> gradient, Parameters<Scalar>* parameters) {
  OnlineLearner next_learner = *this;
  Parameters<Scalar> next = *parameters;
  const double norm = Update(options_, step_size(), /*weight_sum=*/1, &gradient, &next_learner.optimizer_, &next);
  if (!std::isfinite(norm) || !next.flat().allFinite()) return false;
  *parameters = std::move(next);
  *this = std::move(next_learner);
  return true;
}

template <typename Scalar>
OnlinePass<Scalar>::OnlinePass(NetworkSpec spec, const Scalings& scalings, const Patterns<Scalar>& patterns,
                               OnlineLearner<Scalar> learner, Parameters<Scalar> parameters)
    : patterns_(patterns),
      computation_(std::move(spec), scalings),
      learner_(std::move(learner)),
      parameters_(std::move(parameters)),
      batch_outputs_(patterns.targets.rows(), std::min<int64_t>(learner_.batch_size(), patterns.count())),
      outputs_(patterns.targets.rows(), patterns.count()) {}

template <typename Scalar>
auto OnlinePass<Scalar>::Step(const ParallelFor& parallel_for, const StopCheck& stopped) -> Outcome {
  if (const int64_t n = std::min<int64_t>(learner_.batch_size(), patterns_.count() - position_); n > 0) {
    BatchRequest<Scalar> request{.pattern_count = n, .outputs = &batch_outputs_};
    request.source = [this, all = SourceOf(patterns_)](int64_t begin, int64_t count, Columns<Scalar> inputs,
                                                       Columns<Scalar> targets, Eigen::Ref<RowVector<Scalar>> weights) {
      all(position_ + begin, count, inputs, targets, weights);
    };
    const std::optional<double> norm = learner_.Learn(request, parallel_for, stopped, &computation_, &parameters_);
    if (!norm) return Outcome::kStopped;
    if (!std::isfinite(*norm)) return Outcome::kDiverged;
    measures_.Add(computation_.measures());
    outputs_.middleCols(position_, n) = batch_outputs_.leftCols(n);
    position_ += n;
    if (position_ < patterns_.count()) return Outcome::kBatchDone;
  }
  return parameters_.flat().allFinite() ? Outcome::kDone : Outcome::kDiverged;
}

template <typename Scalar>
int64_t OnlinePass<Scalar>::WorkspaceBytes(const NetworkSpec& spec, const TrainingOptions& options,
                                           int64_t pattern_count) {
  const int64_t batch = std::min<int64_t>(std::max(options.batch_size, 1), pattern_count);
  const int64_t vectors = 1 + OptimizerVectorCount(options.optimizer);
  return BatchComputation<Scalar>::WorkspaceBytes(spec, batch) +
         (vectors * spec.parameter_count() + (pattern_count + batch) * spec.output_unit_count()) *
             int64_t{sizeof(Scalar)};
}

template class OnlineLearner<float>;
template class OnlineLearner<double>;
template class OnlinePass<float>;
template class OnlinePass<double>;

}  // namespace backprop
