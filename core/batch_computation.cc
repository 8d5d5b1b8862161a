#include "core/batch_computation.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <numeric>
#include <utility>

#include "core/denormals.h"
#include "core/output_layer.h"

namespace backprop {
namespace {

// Patterns that go through the network at once: so many that all workers have a part, and so few that what they leave
// behind fits into the caches.
constexpr int64_t kMaxPatternsAtOnce = kMaxProductPatterns;
constexpr int64_t kMaxNumbersAtOnce = 1 << 22;
// A slice of a chunk, or a part of its gradient, is worth a thread only with so many multiply-adds and patterns or
// inputs in it.
constexpr int64_t kMinSliceWork = 1'000'000;
constexpr int64_t kMinSlicePatterns = 16, kMaxSlicePatterns = 64;
constexpr int64_t kMinPartWork = 1'000'000;
constexpr int64_t kPartInputs = 16;  // Parts are multiples of it: whole vectors of a product's tile.
constexpr int64_t kMaxSlices = 16;   // A power of two.
// Patterns that are predicted at once: what one layer leaves behind is in the cache when the next one reads it.
constexpr int64_t kPredictedPatterns = 64;

int64_t ChunkCapacity(const NetworkSpec& spec, int64_t pattern_count) {
  const int64_t by_memory = kMaxNumbersAtOnce / spec.total_unit_count();
  return std::clamp<int64_t>(std::min(by_memory, pattern_count), 1, kMaxPatternsAtOnce);
}

// At most `count` pieces of work, so many that two or four workers get equal shares.
int64_t EvenCount(int64_t count) {
  return static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(std::clamp<int64_t>(count, 1, kMaxSlices))));
}

int64_t SliceCount(const NetworkSpec& spec, int64_t n) {
  // Long slices read the weights less often; there should be a few of them all the same.
  const int64_t patterns = std::clamp<int64_t>(n / 4, kMinSlicePatterns, kMaxSlicePatterns);
  return EvenCount(std::min(n * spec.parameter_count() / kMinSliceWork, n / patterns));
}

}  // namespace

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
BatchComputation<Scalar>::Chunk::Chunk(const NetworkSpec& spec, int64_t capacity, Ways ways)
    : capacity(capacity),
      ways(ways),
      pass(spec, capacity, ways),
      targets(spec.output_unit_count(), capacity),
      weights(capacity),
      log_likelihood(capacity) {}

template <typename Scalar>
BatchComputation<Scalar>::BatchComputation(NetworkSpec spec, Scalings scalings)
    : spec_(std::move(spec)), scalings_(std::move(scalings)), gradient_(spec_.layout()) {}

template <typename Scalar>
int64_t BatchComputation<Scalar>::WorkspaceBytes(const NetworkSpec& spec, int64_t pattern_count, Ways ways) {
  const int64_t capacity = ChunkCapacity(spec, pattern_count);
  // Of a pattern beside its pass: targets, weight and log likelihood.
  const int64_t numbers = spec.parameter_count() + capacity * (spec.output_unit_count() + 2);
  return Pass<Scalar>::ByteCount(spec, capacity, ways) + numbers * int64_t{sizeof(Scalar)};
}

template <typename Scalar>
bool BatchComputation<Scalar>::Run(const Parameters<Scalar>& parameters, const BatchRequest<Scalar>& request,
                                   const ParallelFor& parallel_for, const StopCheck& stopped) {
  const int64_t capacity = ChunkCapacity(spec_, request.pattern_count);
  const Ways ways = request.gradient || (chunk_ && chunk_->ways == Ways::kBoth) ? Ways::kBoth : Ways::kForward;
  if (!chunk_ || chunk_->capacity < capacity || chunk_->ways != ways) {
    chunk_.emplace(spec_, std::max(capacity, chunk_ ? chunk_->capacity : 0), ways);
  }
  measures_ = Measures();
  if (request.pattern_count == 0) gradient_.flat().setZero();
  const Call call{parameters, request, parallel_for, stopped};
  for (int64_t begin = 0; begin < request.pattern_count; begin += capacity) {
    if (!RunChunk(call, begin, std::min(capacity, request.pattern_count - begin))) return false;
  }
  return true;
}

template <typename Scalar>
bool BatchComputation<Scalar>::RunChunk(const Call& call, int64_t begin, int64_t n) {
  const int64_t slice_count = SliceCount(spec_, n);
  slice_measures_.resize(std::max<size_t>(slice_measures_.size(), slice_count));
  std::atomic<bool> stop = false;
  const auto run_slice = [&](int64_t i) {
    if (stop || call.stopped()) {
      stop = true;
      return;
    }
    const DenormalsAreZero flush;
    const int64_t first = n * i / slice_count;
    RunSlice(call, begin, {first, n * (i + 1) / slice_count - first}, &slice_measures_[i]);
  };
  ForEach(n, slice_count, call.parallel_for, run_slice);
  if (stop) return false;
  for (int64_t i = 0; i < slice_count; ++i) measures_.Add(slice_measures_[i]);
  if (!call.request.gradient) return true;
  CutGradient(n);
  if (!call.request.sum_gradient) return true;
  const Into into = begin == 0 ? Into::kAssign : Into::kAdd;
  ForEach(n, std::ssize(parts_), call.parallel_for, [&](int64_t i) {
    const DenormalsAreZero flush;
    SumGradient(parts_[i], n, chunk_->pass, into, &gradient_);
  });
  return true;
}

template <typename Scalar>
template <typename Task>
void BatchComputation<Scalar>::ForEach(int64_t n, int64_t count, const ParallelFor& parallel_for, const Task& task) {
  if (SliceCount(spec_, n) > 1) {
    // A function of one reference: such is kept without an allocation.
    parallel_for(static_cast<int>(count), [&task](int i) { task(i); });
  } else {
    for (int64_t i = 0; i < count; ++i) task(i);
  }
}

template <typename Scalar>
bool BatchComputation<Scalar>::CanAscend(int64_t pattern_count) const {
  return pattern_count <= ChunkCapacity(spec_, pattern_count);
}

template <typename Scalar>
double BatchComputation<Scalar>::Ascend(double step, const ParallelFor& parallel_for, Parameters<Scalar>* parameters) {
  const int64_t n = cut_for_;
  ForEach(n, std::ssize(parts_), parallel_for, [&](int64_t i) {
    const DenormalsAreZero flush;
    part_squares_[i] = AscendGradient(parts_[i], n, chunk_->pass, static_cast<Scalar>(step), parameters);
  });
  const double norm = std::sqrt(std::accumulate(part_squares_.begin(), part_squares_.end(), 0.0));
  if (std::isfinite(norm)) return norm;
  // Squares may be beyond Scalar's range where the gradient is not.
  for (const GradientPart& part : parts_) SumGradient(part, n, chunk_->pass, Into::kAssign, &gradient_);
  return NormOf(gradient_.flat());
}

template <typename Scalar>
void BatchComputation<Scalar>::CutGradient(int64_t n) {
  if (cut_for_ == n) return;
  cut_for_ = n;
  parts_.clear();
  for (int layer = 1; layer <= spec_.layer_count(); ++layer) {
    const int64_t inputs = spec_.unit_count(layer - 1);
    const int64_t count = EvenCount(n * inputs * spec_.unit_count(layer) / kMinPartWork);
    const int64_t tiles = (inputs + kPartInputs - 1) / kPartInputs;
    const int64_t width = (tiles + count - 1) / count * kPartInputs;
    for (int64_t first = 0; first < inputs; first += width) {
      parts_.push_back({layer, first, std::min(width, inputs - first)});
    }
  }
  part_squares_.resize(parts_.size());
}

template <typename Scalar>
void BatchComputation<Scalar>::RunSlice(const Call& call, int64_t begin, PatternRange slice, Measures* measures) {
  const BatchRequest<Scalar>& request = call.request;
  *measures = Measures();
  if (request.confusion) {
    const int classes = ConfusionClassCount(spec_);
    measures->confusion = Matrix<double>::Zero(classes, classes);
  }
  Pass<Scalar>& pass = chunk_->pass;
  auto x = pass.activations.front().middleCols(slice.begin, slice.count);
  auto y = pass.activations.back().middleCols(slice.begin, slice.count);
  auto weights = chunk_->weights.segment(slice.begin, slice.count);

  request.source(begin + slice.begin, slice.count, x, chunk_->targets.middleCols(slice.begin, slice.count), weights);
  scalings_.input.Apply<Scalar>(x);
  Forward(spec_, call.parameters, slice, &pass);
  if (request.output_error_signals != nullptr) {
    ActivateOutputs<Scalar>(spec_.task(), y);
    measures->pattern_count += slice.count;
    measures->weight_sum += weights.template cast<double>().sum();
  } else {
    MeasureSlice(call, slice, measures);
  }
  if (request.gradient) {
    auto error_signals = pass.error_signals.back().middleCols(slice.begin, slice.count);
    if (request.output_error_signals != nullptr) {
      error_signals = request.output_error_signals->middleCols(begin + slice.begin, slice.count);
    }
    error_signals.array().rowwise() *= weights.array();  // A pattern of weight 2 counts as two patterns.
    SendBack(spec_, call.parameters, slice, request.input_gradients != nullptr, &pass);
  }
  if (request.input_gradients != nullptr) {
    auto dx = request.input_gradients->middleCols(begin + slice.begin, slice.count);
    dx = pass.error_signals.front().middleCols(slice.begin, slice.count);
    // The chain rule through the scaling: d scaled / d value = scale.
    if (!scalings_.input.is_identity()) {
      dx.array().colwise() *= scalings_.input.scale.template cast<Scalar>().array();
    }
  }
  if (request.outputs != nullptr) {
    scalings_.target.Undo<Scalar>(y);
    request.outputs->middleCols(begin + slice.begin, slice.count) = y;
  }
}

template <typename Scalar>
void BatchComputation<Scalar>::MeasureSlice(const Call& call, PatternRange slice, Measures* measures) {
  auto y = chunk_->pass.activations.back().middleCols(slice.begin, slice.count);
  auto targets = chunk_->targets.middleCols(slice.begin, slice.count);
  auto log_likelihood = chunk_->log_likelihood.segment(slice.begin, slice.count);
  scalings_.target.Apply<Scalar>(targets);
  NormalizeTargets<Scalar>(spec_.task(), targets);
  ActivateOutputs<Scalar>(spec_.task(), y, targets, log_likelihood);
  AddMeasures<Scalar>(spec_.task(), y, targets, log_likelihood, chunk_->weights.segment(slice.begin, slice.count),
                      scalings_.target.scale, measures);
  if (call.request.gradient) {
    OutputErrorSignals<Scalar>(y, targets, chunk_->pass.error_signals.back().middleCols(slice.begin, slice.count));
  }
}

template <typename Scalar>
Matrix<Scalar> Predict(const NetworkSpec& spec, const Scalings& scalings, const Parameters<Scalar>& parameters,
                       const ConstColumns<Scalar>& inputs, const StopCheck& stopped) {
  Matrix<Scalar> outputs(spec.output_unit_count(), inputs.cols());
  const int64_t chunk = std::min(kPredictedPatterns, ChunkCapacity(spec, inputs.cols()));
  Pass<Scalar> pass(spec, chunk, Ways::kForward);
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
