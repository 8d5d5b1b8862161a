#include <memory>
#include <vector>

#include "core/batch_split.h"
#include "core/hessian.h"
#include "core/products.h"
#include "core/unit_tangents.h"

namespace backprop {
namespace {

BatchSplit DiagonalSplit(const NetworkSpec& spec, int64_t pattern_count) {
  return SplitBatch(pattern_count, {.pattern_numbers = 2 * spec.total_unit_count(),
                                    .pattern_multiply_adds = spec.parameter_count(),
                                    .sum_numbers = 2 * spec.parameter_count()});
}

template <typename Scalar>
struct DiagonalShard {
  DiagonalShard(const NetworkSpec& spec, int64_t capacity)
      : chunk(spec, capacity), tangents(spec, capacity), gradient(spec.layout()), diagonal(spec.layout()) {
    for (int layer = 0; layer <= spec.layer_count(); ++layer) scratch.emplace_back(spec.unit_count(layer), capacity);
  }

  Chunk<Scalar> chunk;
  UnitTangents<Scalar> tangents;
  std::vector<Matrix<Scalar>> scratch;  // Of each layer's units.
  Parameters<Scalar> gradient, diagonal;
  Measures measures;
};

template <typename Scalar>
bool AddChunk(const DerivativeTask<Scalar>& task, Curvature curvature, int64_t begin, int64_t n,
              const StopCheck& stopped, DiagonalShard<Scalar>* shard) {
  Chunk<Scalar>& chunk = shard->chunk;
  ForwardChunk(task, begin, n, &chunk, &shard->measures);
  Backward(task.spec, task.parameters, n, /*input_gradients=*/false, &chunk.pass, &shard->gradient);
  for (int layer = 1; layer <= task.spec.layer_count(); ++layer) {
    // d^2 log L / dw_kq^2 = sum_t h_q^2 d^2 log L / ds_k^2.
    auto second = shard->scratch[layer].leftCols(n);
    for (int unit = 0; unit < task.spec.unit_count(layer); ++unit) {
      if (stopped()) return false;
      shard->tangents.Compute(task, curvature, chunk, layer, unit);
      shard->tangents.OwnErrorSignal(task, curvature, chunk, second.row(unit));
    }
    auto squares = shard->scratch[layer - 1].leftCols(n);
    squares = chunk.h(layer - 1).cwiseAbs2();
    MultiplyOuter<Scalar>(second, squares, Into::kAdd, shard->diagonal.weights(layer));
    shard->diagonal.biases(layer) += second.rowwise().sum();
  }
  return true;
}

}  // namespace

template <typename Scalar>
std::optional<HessianDiagonalResult<Scalar>> HessianDiagonal(const DerivativeTask<Scalar>& task, Curvature curvature,
                                                             const ParallelFor& parallel_for,
                                                             const StopCheck& stopped) {
  const BatchSplit split = DiagonalSplit(task.spec, task.pattern_count);
  std::vector<std::unique_ptr<DiagonalShard<Scalar>>> shards(split.shard_count);
  const ShardSums sums = {
      .clear = [&](int i) { shards[i] = std::make_unique<DiagonalShard<Scalar>>(task.spec, split.chunk_capacity); },
      .add_chunk = [&](int i, int64_t begin,
                       int64_t n) { return AddChunk(task, curvature, begin, n, stopped, shards[i].get()); },
      .add = [&](int into, int from) { shards[into]->diagonal.flat() += shards[from]->diagonal.flat(); }};
  if (!SumOverBatch(split, sums, parallel_for, stopped)) return std::nullopt;
  HessianDiagonalResult<Scalar> result{.diagonal = std::move(shards.front()->diagonal), .measures = {}};
  for (const auto& shard : shards) result.measures.Add(shard->measures);
  return result;
}

DerivativePrice HessianDiagonalPrice(const NetworkSpec& spec, int64_t pattern_count) {
  // A unit's pass goes through all layers but the next one above its own, of which it takes two vectors.
  const auto& layers = spec.layout()->layers;
  int64_t multiply_adds = GradientWork(spec) + spec.parameter_count();
  int64_t above_next = 0;  // Parameters of the layers whose products a unit's pass takes.
  for (int layer = spec.layer_count(); layer >= 1; --layer) {
    const auto weights = [&](int of) { return int64_t{layers[of - 1].unit_count} * layers[of - 1].input_count; };
    if (layer + 2 <= spec.layer_count()) above_next += weights(layer + 2);
    const int64_t next_units = layer < spec.layer_count() ? spec.unit_count(layer + 1) : 0;
    // Up and down again, or, of an output unit, through the outputs alone.
    const int64_t passes = layer < spec.layer_count() ? 2 * PassWork(spec, layer + 1) : PassWork(spec, layer);
    multiply_adds += spec.unit_count(layer) * (2 * (above_next + next_units) + passes);
  }
  const BatchSplit split = DiagonalSplit(spec, pattern_count);
  const int64_t pattern_numbers = ChunkNumbers(spec) + UnitTangents<double>::Numbers(spec) + spec.total_unit_count();
  const int64_t shard_numbers = 2 * spec.parameter_count() + split.chunk_capacity * pattern_numbers;
  return {.multiply_adds = SaturatingProduct({pattern_count, multiply_adds}),
          .workspace_bytes = SaturatingProduct({split.shard_count, shard_numbers, BytesPerNumber(spec)})};
}

template std::optional<HessianDiagonalResult<float>> HessianDiagonal(const DerivativeTask<float>&, Curvature,
                                                                     const ParallelFor&, const StopCheck&);
template std::optional<HessianDiagonalResult<double>> HessianDiagonal(const DerivativeTask<double>&, Curvature,
                                                                      const ParallelFor&, const StopCheck&);

}  // namespace backprop
