#include "core/batch_computation.h"

#include <algorithm>
#include <utility>

#include "core/batch_split.h"
#include "core/output_layer.h"

namespace backprop {
namespace {

BatchSplit SplitOf(const NetworkSpec& spec, int64_t pattern_count) {
  return SplitBatch(pattern_count, {.pattern_numbers = spec.total_unit_count(),
                                    .pattern_multiply_adds = spec.parameter_count(),
                                    .sum_numbers = spec.parameter_count()});
}

}  // namespace

template <typename Scalar>
struct BatchComputation<Scalar>::Shard {
  Shard(const NetworkSpec& spec, int64_t capacity)
      : pass(spec, capacity),
        targets(spec.output_unit_count(), capacity),
        weights(capacity),
        log_likelihood(capacity),
        capacity(capacity) {}

  Pass<Scalar> pass;
  Matrix<Scalar> targets;
  RowVector<Scalar> weights, log_likelihood;
  int64_t capacity;
  Measures measures;
};

template <typename Scalar>
PatternSource<Scalar> SourceOf(const Patterns<Scalar>& patterns) {
  return [&patterns](int64_t begin, int64_t n, Columns<Scalar> inputs, Columns<Scalar> targets,
                     Eigen::Ref<RowVector<Scalar>> weights) {
    inputs = patterns.inputs.middleCols(begin, n);
    if (patterns.targets.cols() > 0) targets = patterns.targets.middleCols(begin, n);
    weights = patterns.weights.segment(begin, n);
  };
}

template <typename Scalar>
BatchComputation<Scalar>::BatchComputation(NetworkSpec spec, Scalings scalings)
    : spec_(std::move(spec)), scalings_(std::move(scalings)) {
  gradients_.emplace_back(spec_.layout());
}

template <typename Scalar>
BatchComputation<Scalar>::BatchComputation(BatchComputation&& other) noexcept = default;

template <typename Scalar>
BatchComputation<Scalar>::~BatchComputation() = default;

template <typename Scalar>
int64_t BatchComputation<Scalar>::WorkspaceBytes(const NetworkSpec& spec, int64_t pattern_count, bool gradient) {
  // Of a pattern: activations, error signals, targets, weight and log likelihood.
  const int64_t numbers = 2 * spec.total_unit_count() + spec.output_unit_count() + 2;
  const BatchSplit split = SplitOf(spec, pattern_count);
  const int64_t gradients = gradient ? split.shard_count : 1;
  return (gradients * spec.parameter_count() + split.shard_count * split.chunk_capacity * numbers) *
         int64_t{sizeof(Scalar)};
}

template <typename Scalar>
bool BatchComputation<Scalar>::Run(const Parameters<Scalar>& parameters, const BatchRequest<Scalar>& request,
                                   const ParallelFor& parallel_for, const StopCheck& stopped) {
  const BatchSplit split = SplitOf(spec_, request.pattern_count);
  while (request.gradient && std::ssize(gradients_) < split.shard_count) gradients_.emplace_back(spec_.layout());
  shards_.resize(std::max<size_t>(shards_.size(), split.shard_count));
  for (int i = 0; i < split.shard_count; ++i) {
    if (!shards_[i] || shards_[i]->capacity < split.chunk_capacity) {
      shards_[i] = std::make_unique<Shard>(spec_, split.chunk_capacity);
    }
  }
  const ShardSums sums = {.clear = [&](int shard) { Clear(request, shard); },
                          .add_chunk =
                              [&](int shard, int64_t begin, int64_t n) {
                                RunChunk(parameters, request, begin, n, shard);
                                return true;
                              },
                          .add =
                              [&](int into, int from) {
                                if (request.gradient) gradients_[into].flat() += gradients_[from].flat();
                              }};
  if (!SumOverBatch(split, sums, parallel_for, stopped)) return false;
  measures_ = Measures();
  for (int i = 0; i < split.shard_count; ++i) measures_.Add(shards_[i]->measures);
  return true;
}

template <typename Scalar>
void BatchComputation<Scalar>::Clear(const BatchRequest<Scalar>& request, int index) {
  Shard& shard = *shards_[index];
  shard.measures = Measures();
  if (request.confusion) {
    const int classes = ConfusionClassCount(spec_);
    shard.measures.confusion = Matrix<double>::Zero(classes, classes);
  }
  if (request.gradient) gradients_[index].flat().setZero();
}

template <typename Scalar>
void BatchComputation<Scalar>::RunChunk(const Parameters<Scalar>& parameters, const BatchRequest<Scalar>& request,
                                        int64_t begin, int64_t n, int index) {
  Shard& shard = *shards_[index];
  auto x = shard.pass.activations.front().leftCols(n);
  auto y = shard.pass.activations.back().leftCols(n);
  auto targets = shard.targets.leftCols(n);
  auto weights = shard.weights.head(n);
  auto error_signals = shard.pass.error_signals.back().leftCols(n);

  request.source(begin, n, x, targets, weights);
  scalings_.input.Apply<Scalar>(x);
  Forward(spec_, parameters, n, &shard.pass);
  if (request.output_error_signals != nullptr) {
    ActivateOutputs<Scalar>(spec_.task(), y);
    error_signals = request.output_error_signals->middleCols(begin, n);
    shard.measures.pattern_count += n;
    shard.measures.weight_sum += weights.template cast<double>().sum();
  } else {
    scalings_.target.Apply<Scalar>(targets);
    auto log_likelihood = shard.log_likelihood.head(n);
    ActivateOutputs<Scalar>(spec_.task(), y, targets, log_likelihood);
    AddMeasures<Scalar>(spec_.task(), y, targets, log_likelihood, weights, scalings_.target.scale, &shard.measures);
    OutputErrorSignals<Scalar>(y, targets, error_signals);
  }
  if (request.gradient) {
    error_signals.array().rowwise() *= weights.array();  // A pattern of weight 2 counts as two patterns.
    Backward(spec_, parameters, n, request.input_gradients != nullptr, &shard.pass, &gradients_[index]);
  }
  if (request.input_gradients != nullptr) {
    auto dx = request.input_gradients->middleCols(begin, n);
    dx = shard.pass.error_signals.front().leftCols(n);
    // The chain rule through the scaling: d scaled / d value = scale.
    if (!scalings_.input.is_identity()) {
      dx.array().colwise() *= scalings_.input.scale.template cast<Scalar>().array();
    }
  }
  if (request.outputs != nullptr) {
    scalings_.target.Undo<Scalar>(y);
    request.outputs->middleCols(begin, n) = y;
  }
}

template <typename Scalar>
Matrix<Scalar> Predict(const NetworkSpec& spec, const Scalings& scalings, const Parameters<Scalar>& parameters,
                       const ConstColumns<Scalar>& inputs, const StopCheck& stopped) {
  Matrix<Scalar> outputs(spec.output_unit_count(), inputs.cols());
  const int64_t chunk = SplitOf(spec, inputs.cols()).chunk_capacity;
  Pass<Scalar> pass(spec, chunk);
  for (int64_t begin = 0; begin < inputs.cols() && !stopped(); begin += chunk) {
    const int64_t n = std::min<int64_t>(chunk, inputs.cols() - begin);
    pass.activations.front().leftCols(n) = inputs.middleCols(begin, n);
    scalings.input.Apply<Scalar>(pass.activations.front().leftCols(n));
    Forward(spec, parameters, n, &pass);
    auto y = pass.activations.back().leftCols(n);
    ActivateOutputs<Scalar>(spec.task(), y);
    scalings.target.Undo<Scalar>(y);
    outputs.middleCols(begin, n) = y;
  }
  return outputs;
}

template PatternSource<float> SourceOf(const Patterns<float>&);
template PatternSource<double> SourceOf(const Patterns<double>&);
template class BatchComputation<float>;
template class BatchComputation<double>;
template Matrix<float> Predict(const NetworkSpec&, const Scalings&, const Parameters<float>&,
                               const ConstColumns<float>&, const StopCheck&);
template Matrix<double> Predict(const NetworkSpec&, const Scalings&, const Parameters<double>&,
                                const ConstColumns<double>&, const StopCheck&);

}  // namespace backprop
