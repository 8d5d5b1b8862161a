#include "core/batch_computation.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "core/output_layer.h"

namespace backprop {
namespace {

// A shard is worth a thread only with so many multiply-adds and patterns in it.
constexpr int64_t kMinShardWork = 4'000'000;
constexpr int64_t kMinShardPatterns = 32;
constexpr int64_t kMaxShards = 16;
// All shards' gradients together hold at most so many numbers, unless one alone holds more.
constexpr int64_t kMaxGradientNumbers = 1 << 25;
// A chunk is the patterns that go through the network at once: enough for matrix products at full speed.
constexpr int64_t kMaxChunkPatterns = 256;
constexpr int64_t kMaxChunkActivations = 1 << 22;

int64_t ChunkCapacity(const NetworkSpec& spec, int64_t pattern_count) {
  const int64_t by_memory = kMaxChunkActivations / spec.total_unit_count();
  return std::clamp<int64_t>(std::min(by_memory, pattern_count), 1, kMaxChunkPatterns);
}

int ShardCount(const NetworkSpec& spec, int64_t pattern_count) {
  const int64_t by_work = pattern_count * spec.parameter_count() / kMinShardWork;
  const int64_t by_patterns = pattern_count / kMinShardPatterns;
  const int64_t by_memory = kMaxGradientNumbers / spec.parameter_count();
  return static_cast<int>(std::clamp<int64_t>(std::min({by_work, by_patterns, by_memory}), 1, kMaxShards));
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
  int64_t begin = 0, end = 0;
  bool stopped = false;
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
  const int64_t shards = ShardCount(spec, pattern_count);
  const int64_t gradients = gradient ? shards : 1;
  return (gradients * spec.parameter_count() + shards * ChunkCapacity(spec, pattern_count) * numbers) *
         int64_t{sizeof(Scalar)};
}

template <typename Scalar>
bool BatchComputation<Scalar>::Run(const Parameters<Scalar>& parameters, const BatchRequest<Scalar>& request,
                                   const ParallelFor& parallel_for, const StopCheck& stopped) {
  const int shard_count = ShardCount(spec_, request.pattern_count);
  const int64_t capacity = ChunkCapacity(spec_, request.pattern_count);
  while (request.gradient && std::ssize(gradients_) < shard_count) gradients_.emplace_back(spec_.layout());
  shards_.resize(std::max<size_t>(shards_.size(), shard_count));
  for (int i = 0; i < shard_count; ++i) {
    if (!shards_[i] || shards_[i]->capacity < capacity) shards_[i] = std::make_unique<Shard>(spec_, capacity);
    shards_[i]->begin = request.pattern_count * i / shard_count;
    shards_[i]->end = request.pattern_count * (i + 1) / shard_count;
  }
  const std::function<void(int)> run_shard = [&](int i) { RunShard(parameters, request, i, stopped); };
  if (shard_count == 1) {
    run_shard(0);
  } else {
    parallel_for(shard_count, run_shard);
  }
  measures_ = Measures();
  for (int i = 0; i < shard_count; ++i) {
    if (shards_[i]->stopped) return false;
    measures_.Add(shards_[i]->measures);
  }
  if (!request.gradient) return true;
  for (int stride = 1; stride < shard_count; stride *= 2) {
    for (int i = 0; i + stride < shard_count; i += 2 * stride) gradients_[i].flat() += gradients_[i + stride].flat();
  }
  return true;
}

template <typename Scalar>
void BatchComputation<Scalar>::RunShard(const Parameters<Scalar>& parameters, const BatchRequest<Scalar>& request,
                                        int index, const StopCheck& stopped) {
  Shard& shard = *shards_[index];
  shard.stopped = false;
  shard.measures = Measures();
  if (request.confusion) {
    const int classes = ConfusionClassCount(spec_);
    shard.measures.confusion = Matrix<double>::Zero(classes, classes);
  }
  if (request.gradient) gradients_[index].flat().setZero();
  const int64_t chunk = ChunkCapacity(spec_, request.pattern_count);
  for (int64_t begin = shard.begin; begin < shard.end; begin += chunk) {
    shard.stopped = stopped();
    if (shard.stopped) return;
    RunChunk(parameters, request, begin, std::min(chunk, shard.end - begin), index);
  }
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
  const int64_t chunk = ChunkCapacity(spec, inputs.cols());
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
