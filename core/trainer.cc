#include "core/trainer.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>
#include <utility>

#include "core/denormals.h"
#include "core/random.h"
#include "core/update.h"

namespace backprop {
namespace {

// The order in which `epoch` presents `count` patterns: Fisher and Yates' shuffle, of seed and epoch alone.
std::vector<int32_t> ShuffledOrder(int64_t seed, int64_t epoch, int64_t count) {
  std::vector<int32_t> order(count);
  std::iota(order.begin(), order.end(), 0);
  Random random(seed, epoch);
  for (int64_t i = count - 1; i > 0; --i) std::swap(order[i], order[random.Below(static_cast<uint64_t>(i) + 1)]);
  return order;
}

// On-line training looks up from its patterns after so many multiply-adds.
constexpr int64_t kOnlineWork = 1'000'000;

}  // namespace

template <typename Scalar>
Trainer<Scalar>::Trainer(TrainingTask<Scalar> task, TrainerState<Scalar> state)
    : task_(std::move(task)),
      batch_size_(task_.options.batch_size == 0 ? task_.patterns.count()
                                                : std::min<int64_t>(task_.options.batch_size, task_.patterns.count())),
      computation_(task_.spec, task_.scalings),
      state_(std::move(state)) {
  if (OnlineAscent<Scalar>::Serves(task_.options)) {
    online_.emplace(task_.spec, task_.scalings);
    views_.reserve(online_->block_size());
  }
  if (TrainsOnWholeSets(task_.options.optimizer)) iteration_.emplace(task_.spec, task_.options);
  ShuffleOrder();
}

template <typename Scalar>
int64_t Trainer<Scalar>::WorkspaceBytes(const NetworkSpec& spec, const TrainingOptions& options,
                                        int64_t pattern_count) {
  // The parameters, and the best of them.
  const int64_t vectors = 2 + OptimizerVectorCount(options.optimizer);
  const int64_t iteration = TrainsOnWholeSets(options.optimizer)
                                ? SecondOrderIteration<Scalar>::WorkspaceBytes(spec, options.optimizer, pattern_count)
                                : 0;
  // The validation set may be of any size.
  return BatchComputation<Scalar>::WorkspaceBytes(spec, kMaxPatternsPerSet) +
         OnlineAscent<Scalar>::WorkspaceBytes(spec) + iteration +
         vectors * spec.parameter_count() * int64_t{sizeof(Scalar)} +
         (options.shuffle ? pattern_count * int64_t{sizeof(int32_t)} : 0);
}

template <typename Scalar>
void Trainer<Scalar>::ShuffleOrder() {
  // A whole-set batch has one sum, whose order stays that of the patterns.
  if (task_.options.shuffle && task_.options.batch_size != 0) {
    order_ = ShuffledOrder(task_.options.seed, state_.epoch, task_.patterns.count());
  }
}

template <typename Scalar>
auto Trainer<Scalar>::Step(const ParallelFor& parallel_for, const StopCheck& stopped) -> Outcome {
  if (state_.position == task_.patterns.count()) return EndEpoch(parallel_for, stopped);
  if (iteration_) return Iterate(parallel_for, stopped);
  return online_ ? TrainOnline(stopped) : TrainBatch(parallel_for, stopped);
}

template <typename Scalar>
auto Trainer<Scalar>::Iterate(const ParallelFor& parallel_for, const StopCheck& stopped) -> Outcome {
  const int64_t count = task_.patterns.count();
  const PatternSource<Scalar> source = [this](int64_t begin, int64_t n, Columns<Scalar> inputs, Columns<Scalar> targets,
                                              Eigen::Ref<RowVector<Scalar>> weights) {
    task_.patterns.Read(begin, n, inputs, targets, weights);
  };
  const Objective<Scalar> objective(task_.spec, task_.scalings, task_.options,
                                    {.pattern_count = count, .source = source}, &computation_);
  using Iteration = typename SecondOrderIteration<Scalar>::Outcome;
  switch (iteration_->Step(objective, parallel_for, stopped, &state_.optimizer, &state_.parameters)) {
    case Iteration::kMore:
      return Outcome::kBatchDone;
    case Iteration::kStopped:
      return Outcome::kStopped;
    case Iteration::kDiverged:
      return Outcome::kDiverged;
    case Iteration::kDone:
      break;
  }
  state_.measures.Add(iteration_->measures());
  state_.gradient_norm_sum += iteration_->gradient_norm();
  ++state_.batch_count;
  state_.position = count;
  return Outcome::kEpochTrained;
}

template <typename Scalar>
auto Trainer<Scalar>::TrainBatch(const ParallelFor& parallel_for, const StopCheck& stopped) -> Outcome {
  BatchRequest<Scalar> request;
  request.pattern_count = std::min(batch_size_, task_.patterns.count() - state_.position);
  request.source = [this](int64_t begin, int64_t n, Columns<Scalar> inputs, Columns<Scalar> targets,
                          Eigen::Ref<RowVector<Scalar>> weights) {
    if (order_.empty()) {
      task_.patterns.Read(state_.position + begin, n, inputs, targets, weights);
    } else {
      task_.patterns.Gather(std::span(order_).subspan(state_.position + begin, n), inputs, targets, weights);
    }
  };
  const double step_size = StepSizeOf(task_.options, state_.epoch, task_.epoch_count, state_.plateau);
  const std::optional<double> norm = LearnBatch(task_.options, step_size, request, parallel_for, stopped, &computation_,
                                                &state_.optimizer, &state_.parameters);
  if (!norm) return Outcome::kStopped;
  if (!std::isfinite(*norm)) return Outcome::kDiverged;
  state_.measures.Add(computation_.measures());
  state_.gradient_norm_sum += *norm;
  ++state_.batch_count;
  state_.position += request.pattern_count;
  return state_.position < task_.patterns.count() ? Outcome::kBatchDone : Outcome::kEpochTrained;
}

template <typename Scalar>
auto Trainer<Scalar>::TrainOnline(const StopCheck& stopped) -> Outcome {
  const DenormalsAreZero flush;
  const double step_size = StepSizeOf(task_.options, state_.epoch, task_.epoch_count, state_.plateau);
  const int64_t begin = state_.position;
  const int64_t count =
      std::min(std::max<int64_t>(kOnlineWork / task_.spec.parameter_count(), 1), task_.patterns.count() - begin);
  const auto index = [&](int64_t position) { return order_.empty() ? position : order_[position]; };
  bool diverged = false;
  while (state_.position < begin + count && !diverged && !stopped()) {
    const int64_t n = std::min(online_->block_size(), task_.patterns.count() - state_.position);
    views_.clear();
    for (int64_t position = state_.position; position < state_.position + n; ++position) {
      views_.push_back(task_.patterns[index(position)]);
      task_.patterns.Prefetch(views_.back());
    }
    const int64_t learned = online_->Learn(task_.options, step_size, views_, &state_.parameters, &state_.measures,
                                           &state_.gradient_norm_sum);
    diverged = learned < n;
    state_.batch_count += learned;
    state_.position += learned;
  }
  online_->Finish(&state_.parameters);
  state_.optimizer.step_count += state_.position - begin;
  if (diverged) return Outcome::kDiverged;
  if (state_.position == begin) return Outcome::kStopped;
  return state_.position < task_.patterns.count() ? Outcome::kBatchDone : Outcome::kEpochTrained;
}

template <typename Scalar>
auto Trainer<Scalar>::EndEpoch(const ParallelFor& parallel_for, const StopCheck& stopped) -> Outcome {
  if (!state_.parameters.flat().allFinite()) return Outcome::kDiverged;
  std::optional<Measures> validation;
  if (task_.validation) {
    BatchRequest<Scalar> request{.pattern_count = task_.validation->count(), .gradient = false};
    request.source = [this](int64_t begin, int64_t n, Columns<Scalar> inputs, Columns<Scalar> targets,
                            Eigen::Ref<RowVector<Scalar>> weights) {
      task_.validation->Read(begin, n, inputs, targets, weights);
    };
    if (!computation_.Run(state_.parameters, request, parallel_for, stopped)) return Outcome::kStopped;
    validation = computation_.measures();
    if (!std::isfinite(validation->log_likelihood)) return Outcome::kDiverged;
  }
  const double observed = (validation ? *validation : state_.measures).mean_log_likelihood();
  last_epoch_ = {.epoch = state_.epoch,
                 .training = state_.measures,
                 .validation = std::move(validation),
                 .gradient_norm = state_.gradient_norm_sum / static_cast<double>(state_.batch_count),
                 .step_size = iteration_ ? state_.optimizer.step_size
                                         : StepSizeOf(task_.options, state_.epoch, task_.epoch_count, state_.plateau),
                 .best = ObserveEpoch(task_.options.early_stopping, state_.epoch, observed, &state_.stopping)};
  ObserveEpoch(task_.options, observed, &state_.plateau);
  const auto& early_stopping = task_.options.early_stopping;
  if (last_epoch_.best && early_stopping && early_stopping->restore_best) state_.best_parameters = state_.parameters;
  ++state_.epoch;
  state_.position = 0;
  state_.measures = Measures();
  state_.gradient_norm_sum = 0;
  state_.batch_count = 0;
  ShuffleOrder();
  return Outcome::kEpochDone;
}

template class Trainer<float>;
template class Trainer<double>;

}  // namespace backprop
