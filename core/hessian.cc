#include "core/hessian.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "core/batch_split.h"
#include "core/products.h"
#include "core/unit_tangents.h"

namespace backprop {
namespace {

// The parameters whose matrix is wanted: those into layers first to last, a contiguous part of the flat order.
struct LayerRange {
  LayerRange(const NetworkSpec& spec, std::optional<int> layer)
      : first(layer.value_or(1)), last(layer.value_or(spec.layer_count())) {
    const auto& layers = spec.layout()->layers;
    begin = layers[first - 1].weight_offset;
    count = layers[last - 1].bias_offset + layers[last - 1].unit_count - begin;
  }

  int first, last;
  int64_t begin, count;
};

BatchSplit HessianSplit(const NetworkSpec& spec, int64_t pattern_count, int64_t count) {
  return SplitBatch(pattern_count, {.pattern_numbers = spec.total_unit_count() + count,
                                    .pattern_multiply_adds = spec.parameter_count() + count * count / 2,
                                    .sum_numbers = count * count});
}

template <typename Scalar>
struct HessianShard {
  HessianShard(const NetworkSpec& spec, int64_t capacity, int64_t count)
      : chunk(spec, capacity),
        tangents(spec, capacity),
        gradient(spec.layout()),
        gradient_tangents(count, capacity),
        hessian(WeightMatrix<Scalar>::Zero(count, count)) {}

  Chunk<Scalar> chunk;
  UnitTangents<Scalar> tangents;
  Parameters<Scalar> gradient;
  Matrix<Scalar> gradient_tangents;  // [parameter x pattern]
  WeightMatrix<Scalar> hessian;
  Measures measures;
};

template <typename Scalar>
class HessianSum {
 public:
  HessianSum(const DerivativeTask<Scalar>& task, Curvature curvature, const LayerRange& range)
      : task_(task), range_(range), curvature_(curvature) {}

  bool AddChunk(int64_t begin, int64_t n, const StopCheck& stopped, HessianShard<Scalar>* shard) const {
    ForwardChunk(task_, begin, n, &shard->chunk, &shard->measures);
    Backward(task_.spec, task_.parameters, n, /*input_gradients=*/false, &shard->chunk.pass, &shard->gradient);
    for (int layer = range_.first; layer <= range_.last; ++layer) {
      for (int unit = 0; unit < task_.spec.unit_count(layer); ++unit) {
        if (stopped()) return false;
        AddUnit(layer, unit, shard);
      }
    }
    return true;
  }

 private:
  // The rows of the weights and of the bias into one unit, from the unit's first weight to the last column.
  void AddUnit(int layer, int unit, HessianShard<Scalar>* shard) const {
    const Chunk<Scalar>& chunk = shard->chunk;
    shard->tangents.Compute(task_, curvature_, chunk, layer, unit);
    shard->tangents.OwnLayer(task_, curvature_, chunk);
    const LayerShape& shape = task_.parameters.shape(layer);
    const int64_t first = shape.weight_offset + int64_t{unit} * shape.input_count - range_.begin;
    const int64_t width = range_.count - first;
    auto rows = shard->gradient_tangents.topLeftCorner(width, chunk.n);
    for (int above = layer; above <= range_.last; ++above) {
      FillGradientTangents(layer, unit, above, shard->chunk, shard->tangents, -first, &shard->gradient_tangents);
    }
    // d^2 log L / dw_kq dw = sum_t h_q R{d log L / dw}, R{.} along the unit's weighted sum.
    MultiplyOuter<Scalar>(chunk.h(layer - 1), rows, Into::kAdd,
                          shard->hessian.block(first, first, shape.input_count, width));
    shard->hessian.row(shape.bias_offset + unit - range_.begin).tail(width) += rows.rowwise().sum().transpose();
  }

  // R{d_i h_j} = R{d_i} h_j + d_i R{h_j} of every pattern, for the weights and biases into layer `above`; those of the
  // layer itself from the unit on.
  void FillGradientTangents(int layer, int unit, int above, const Chunk<Scalar>& chunk,
                            const UnitTangents<Scalar>& tangents, int64_t offset, Matrix<Scalar>* rows) const {
    const LayerShape& shape = task_.parameters.shape(above);
    const int from = above == layer ? unit : 0;
    const int64_t weights = offset + shape.weight_offset - range_.begin + int64_t{from} * shape.input_count;
    const int64_t biases = offset + shape.bias_offset - range_.begin;
    const bool hessian = curvature_ == Curvature::kHessian;
    for (Eigen::Index t = 0; t < chunk.n; ++t) {
      const auto rd = tangents.d(above).col(t).tail(shape.unit_count - from);
      Eigen::Map<WeightMatrix<Scalar>> g(&(*rows)(weights, t), rd.size(), shape.input_count);
      g.noalias() = rd * chunk.h(above - 1).col(t).transpose();
      if (hessian && above == layer + 1) g.col(unit) += chunk.d(above).col(t) * tangents.own_h()(0, t);
      if (hessian && above > layer + 1) g.noalias() += chunk.d(above).col(t) * tangents.h(above - 1).col(t).transpose();
      rows->col(t).segment(biases, shape.unit_count) = tangents.d(above).col(t);
    }
  }

  const DerivativeTask<Scalar>& task_;
  const LayerRange range_;
  const Curvature curvature_;
};

}  // namespace

template <typename Scalar>
std::optional<HessianResult<Scalar>> Hessian(const DerivativeTask<Scalar>& task, Curvature curvature,
                                             std::optional<int> layer, const ParallelFor& parallel_for,
                                             const StopCheck& stopped) {
  const LayerRange range(task.spec, layer);
  const BatchSplit split = HessianSplit(task.spec, task.pattern_count, range.count);
  std::vector<std::unique_ptr<HessianShard<Scalar>>> shards(split.shard_count);
  const HessianSum<Scalar> sum(task, curvature, range);
  const ShardSums sums = {
      .clear =
          [&](int i) {
            shards[i] = std::make_unique<HessianShard<Scalar>>(task.spec, split.chunk_capacity, range.count);
          },
      .add_chunk = [&](int i, int64_t begin, int64_t n) { return sum.AddChunk(begin, n, stopped, shards[i].get()); },
      .add = [&](int into, int from) { shards[into]->hessian += shards[from]->hessian; }};
  if (!SumOverBatch(split, sums, parallel_for, stopped)) return std::nullopt;
  HessianResult<Scalar> result{.hessian = std::move(shards.front()->hessian), .measures = {}};
  result.hessian.template triangularView<Eigen::StrictlyLower>() = result.hessian.transpose();
  for (const auto& shard : shards) result.measures.Add(shard->measures);
  return result;
}

DerivativePrice HessianPrice(const NetworkSpec& spec, int64_t pattern_count, std::optional<int> layer) {
  const LayerRange range(spec, layer);
  int64_t multiply_adds = GradientWork(spec);
  for (int of = range.first; of <= range.last; ++of) {
    const LayerShape& shape = spec.layout()->layers[of - 1];
    // Of every unit: up and back down through the layers above, then its rows from the first weight on.
    const int64_t above = spec.parameter_count() - shape.bias_offset - shape.unit_count;
    // Up, down, and along the rows, which are filled layer by layer.
    const int64_t passes = 3 * PassWork(spec, of);
    for (int unit = 0; unit < shape.unit_count; ++unit) {
      const int64_t width = range.begin + range.count - shape.weight_offset - int64_t{unit} * shape.input_count;
      multiply_adds += 2 * above + (shape.input_count + 1) * width + passes + kUnitPassWork * width;
    }
  }
  const BatchSplit split = HessianSplit(spec, pattern_count, range.count);
  const int64_t pattern_numbers = ChunkNumbers(spec) + UnitTangents<double>::Numbers(spec) + range.count;
  const int64_t shard_numbers =
      range.count * range.count + spec.parameter_count() + split.chunk_capacity * pattern_numbers;
  return {.multiply_adds = SaturatingProduct({pattern_count, multiply_adds}),
          .workspace_bytes = SaturatingProduct({split.shard_count, shard_numbers, BytesPerNumber(spec)})};
}

template std::optional<HessianResult<float>> Hessian(const DerivativeTask<float>&, Curvature, std::optional<int>,
                                                     const ParallelFor&, const StopCheck&);
template std::optional<HessianResult<double>> Hessian(const DerivativeTask<double>&, Curvature, std::optional<int>,
                                                      const ParallelFor&, const StopCheck&);

}  // namespace backprop
