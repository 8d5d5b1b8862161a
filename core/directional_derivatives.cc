#include "core/directional_derivatives.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include "core/batch_split.h"
#include "core/output_layer.h"
#include "core/products.h"

namespace backprop {
namespace {

// Of one product of coefficients, as kUnitPassWork.
constexpr int64_t kCoefficientWork = 8;

BatchSplit SeriesSplit(const NetworkSpec& spec, int64_t pattern_count, int order) {
  return SplitBatch(pattern_count, {.pattern_numbers = (order + 1) * spec.total_unit_count(),
                                    .pattern_multiply_adds = spec.parameter_count(),
                                    .sum_numbers = kMaxDerivativeOrder + 1});
}

// A chunk's series, layer by layer, and the sums over the shard.
template <typename Scalar>
struct SeriesShard {
  SeriesShard(const NetworkSpec& spec, int64_t capacity, int order)
      : outputs(spec.output_unit_count(), (order + 1) * capacity),
        targets(spec.output_unit_count(), capacity),
        log_likelihood(order + 1, capacity),
        weights(capacity),
        sums(Vector<double>::Zero(order + 1)) {
    for (int layer = 0; layer <= spec.layer_count(); ++layer) {
      series.emplace_back(spec.unit_count(layer), (order + 1) * capacity);
    }
  }

  std::vector<Matrix<Scalar>> series;
  Matrix<Scalar> outputs, targets, log_likelihood;
  RowVector<Scalar> weights;
  Vector<double> sums;  // [order + 1]: coefficients of log L.
};

template <typename Scalar>
class LineSeries {
 public:
  LineSeries(const DerivativeTask<Scalar>& task, const Line<Scalar>& line, int order) : task_(task), order_(order) {
    if (line.parameters != nullptr) parameters_ = *line.parameters;
    if (line.inputs != nullptr) inputs_ = ScaledInputDirection(*line.inputs);
    MeasureLine();
  }

  // The coefficient of t^k from that of order k in AddChunk's sums.
  double Coefficient(int k, double sum) const { return std::ldexp(sum, exponent_ * k); }

  void AddChunk(int64_t begin, int64_t n, SeriesShard<Scalar>* shard) const {
    auto x = shard->series.front().leftCols((order_ + 1) * n);
    auto targets = shard->targets.leftCols(n);
    auto weights = shard->weights.head(n);
    task_.source(begin, n, x.leftCols(n), targets, weights);
    task_.scalings.input.template Apply<Scalar>(x.leftCols(n));
    task_.scalings.target.template Apply<Scalar>(targets);
    NormalizeTargets<Scalar>(task_.spec.task(), targets);
    int below_order = 0;
    if (inputs_ && order_ > 0) {
      below_order = 1;
      x.middleCols(n, n).colwise() = *inputs_;
    }
    for (int layer = 1; layer <= task_.spec.layer_count(); ++layer) {
      const auto below = shard->series[layer - 1].leftCols((order_ + 1) * n);
      auto s = shard->series[layer].leftCols((order_ + 1) * n);
      below_order = Layer(layer, below_order, n, below, s);
    }
    auto s = shard->series.back().leftCols((order_ + 1) * n);
    s.rightCols((order_ - below_order) * n).setZero();
    auto log_likelihood = shard->log_likelihood.leftCols(n);
    LogLikelihoodSeries<Scalar>(task_.spec.task(), order_, s, targets, shard->outputs.leftCols(s.cols()),
                                log_likelihood);
    for (Eigen::Index t = 0; t < n; ++t) {
      shard->sums += double{weights(t)} * log_likelihood.col(t).template cast<double>();
    }
  }

 private:
  Vector<Scalar> ScaledInputDirection(const Vector<Scalar>& u) const {
    if (task_.scalings.input.is_identity()) return u;
    return u.cwiseProduct(task_.scalings.input.scale.template cast<Scalar>());
  }

  // Measures t in a power of two that makes the largest number of the direction one from 0.5 to 1. No digit changes by
  // it, but coefficients of high order, which have that power of the direction, stay in the range of Scalar: denormal
  // numbers took ten times as long, and had lost their digits.
  void MeasureLine() {
    Scalar largest = 0;
    if (parameters_) largest = parameters_->flat().template lpNorm<Eigen::Infinity>();
    if (inputs_) largest = std::max(largest, inputs_->template lpNorm<Eigen::Infinity>());
    constexpr int kMost = std::numeric_limits<Scalar>::max_exponent - 2;
    std::frexp(largest, &exponent_);
    exponent_ = std::clamp(exponent_, -kMost, kMost);
    const Scalar unit = std::ldexp(Scalar(1), -exponent_);
    if (parameters_) parameters_->flat() *= unit;
    if (inputs_) *inputs_ *= unit;
  }

  // (W + t V) h(t) + b + t c: coefficient k is W h_k + V h_(k-1); and its activations, of which the order is returned.
  int Layer(int layer, int below_order, int64_t n, const ConstColumns<Scalar>& below, Columns<Scalar> s) const {
    auto same = s.leftCols((below_order + 1) * n);
    MultiplyForward<Scalar>(task_.parameters.weights(layer), below.leftCols(same.cols()), Into::kAssign, same);
    s.leftCols(n).colwise() += task_.parameters.biases(layer);
    int s_order = below_order;
    if (parameters_ && order_ > 0) {
      s_order = std::min(below_order + 1, order_);
      s.middleCols(same.cols(), (s_order - below_order) * n).setZero();
      auto next = s.middleCols(n, s_order * n);
      MultiplyForward<Scalar>(parameters_->weights(layer), below.leftCols(next.cols()), Into::kAdd, next);
      next.leftCols(n).colwise() += parameters_->biases(layer);
    }
    if (layer == task_.spec.layer_count()) return s_order;
    return ActivateSeries<Scalar>(task_.spec.activation(layer), s_order, order_, s);
  }

  const DerivativeTask<Scalar>& task_;
  const int order_;
  std::optional<Parameters<Scalar>> parameters_;
  std::optional<Vector<Scalar>> inputs_;
  int exponent_ = 0;
};

}  // namespace

template <typename Scalar>
std::optional<std::vector<double>> DirectionalDerivatives(const DerivativeTask<Scalar>& task, const Line<Scalar>& line,
                                                          int order, const ParallelFor& parallel_for,
                                                          const StopCheck& stopped) {
  const BatchSplit split = SeriesSplit(task.spec, task.pattern_count, order);
  std::vector<std::unique_ptr<SeriesShard<Scalar>>> shards(split.shard_count);
  const LineSeries<Scalar> series(task, line, order);
  const ShardSums sums = {
      .clear =
          [&](int i) { shards[i] = std::make_unique<SeriesShard<Scalar>>(task.spec, split.chunk_capacity, order); },
      .add_chunk =
          [&](int i, int64_t begin, int64_t n) {
            series.AddChunk(begin, n, shards[i].get());
            return true;
          },
      .add = [&](int into, int from) { shards[into]->sums += shards[from]->sums; }};
  if (!SumOverBatch(split, sums, parallel_for, stopped)) return std::nullopt;
  std::vector<double> derivatives;
  double factorial = 1;
  for (int k = 0; k <= order; ++k) {
    factorial *= std::max(k, 1);
    derivatives.push_back(factorial * series.Coefficient(k, shards.front()->sums(k)));
  }
  return derivatives;
}

DerivativePrice DirectionalDerivativesPrice(const NetworkSpec& spec, int64_t pattern_count, int order) {
  const BatchSplit split = SeriesSplit(spec, pattern_count, order);
  // W by order + 1 blocks of columns and V by order; in layer 1 by at most two, x and u.
  const int64_t first = int64_t{spec.unit_count(1)} * (spec.unit_count(0) + 1);
  const int64_t products = std::min(2 * order + 1, 4) * first + (2 * order + 1) * (spec.parameter_count() - first);
  // The coefficients of a unit's activation take each the product of two series.
  const int64_t multiply_adds = products + (order + 1) * PassWork(spec) +
                                kCoefficientWork * order * order * (spec.total_unit_count() - spec.input_unit_count());
  const int64_t pattern_numbers =
      (order + 1) * (spec.total_unit_count() + spec.output_unit_count() + 1) + spec.output_unit_count() + 1;
  const int64_t shard_numbers = split.chunk_capacity * pattern_numbers + 2 * (order + 1);
  const int64_t line_bytes = (spec.parameter_count() + spec.input_unit_count()) * BytesPerNumber(spec);
  return {.multiply_adds = SaturatingProduct({pattern_count, multiply_adds}),
          .workspace_bytes =
              SaturatingSum(SaturatingProduct({split.shard_count, shard_numbers, BytesPerNumber(spec)}), line_bytes)};
}

template std::optional<std::vector<double>> DirectionalDerivatives(const DerivativeTask<float>&, const Line<float>&,
                                                                   int, const ParallelFor&, const StopCheck&);
template std::optional<std::vector<double>> DirectionalDerivatives(const DerivativeTask<double>&, const Line<double>&,
                                                                   int, const ParallelFor&, const StopCheck&);

}  // namespace backprop
