#include "core/hessian_vector_product.h"

#include <algorithm>
#include <utility>

#include "core/batch_split.h"
#include "core/tangent_pass.h"

namespace backprop {
namespace {

// Beside those of the gradient. A direction's pass takes two products for each of the gradient's: V h and W R{h},
// R{d} h' and d R{h}', W' R{d} and V' d; the Gauss-Newton matrix has neither d R{h}' nor V' d. Layer 1 has V h and
// R{d} h' only.
int64_t DirectionMultiplyAdds(const NetworkSpec& spec, Curvature curvature) {
  const int64_t first = int64_t{spec.unit_count(1)} * (spec.unit_count(0) + 1);
  return 2 * first + (curvature == Curvature::kHessian ? 6 : 4) * (spec.parameter_count() - first) + 2 * PassWork(spec);
}

int64_t SumNumbers(const NetworkSpec& spec, int direction_count) {
  return (1 + int64_t{direction_count}) * spec.parameter_count();
}

BatchSplit ProductSplit(const NetworkSpec& spec, int64_t pattern_count, int direction_count) {
  return SplitBatch(pattern_count, {.pattern_numbers = spec.total_unit_count(),
                                    .pattern_multiply_adds = spec.parameter_count(),
                                    .sum_numbers = SumNumbers(spec, direction_count)});
}

}  // namespace

template <typename Scalar>
struct HessianVectorComputation<Scalar>::Shard {
  Shard(const NetworkSpec& spec, int64_t capacity)
      : capacity(capacity), chunk(spec, capacity), tangents(spec, capacity), gradient(spec.layout()) {}

  int64_t capacity;
  Chunk<Scalar> chunk;
  Tangents<Scalar> tangents;
  Parameters<Scalar> gradient;
  std::vector<Parameters<Scalar>> products;
  Measures measures;
};

template <typename Scalar>
HessianVectorComputation<Scalar>::HessianVectorComputation(NetworkSpec spec) : spec_(std::move(spec)) {
  shards_.push_back(std::make_unique<Shard>(spec_, /*capacity=*/1));
}

template <typename Scalar>
HessianVectorComputation<Scalar>::HessianVectorComputation(HessianVectorComputation&& other) noexcept = default;

template <typename Scalar>
HessianVectorComputation<Scalar>::~HessianVectorComputation() = default;

template <typename Scalar>
const Parameters<Scalar>& HessianVectorComputation<Scalar>::product(int index) const {
  return shards_.front()->products[index];
}

template <typename Scalar>
const Parameters<Scalar>& HessianVectorComputation<Scalar>::gradient() const {
  return shards_.front()->gradient;
}

template <typename Scalar>
bool HessianVectorComputation<Scalar>::Run(const DerivativeTask<Scalar>& task,
                                           std::span<const Parameters<Scalar>> directions, Curvature curvature,
                                           const ParallelFor& parallel_for, const StopCheck& stopped) {
  const BatchSplit split = ProductSplit(spec_, task.pattern_count, static_cast<int>(directions.size()));
  shards_.resize(std::max<size_t>(shards_.size(), split.shard_count));
  for (int i = 0; i < split.shard_count; ++i) {
    auto& shard = shards_[i];
    if (!shard || shard->capacity < split.chunk_capacity) shard = std::make_unique<Shard>(spec_, split.chunk_capacity);
    shard->products.resize(directions.size(), Parameters<Scalar>(spec_.layout()));
  }
  const ShardSums sums = {
      .clear =
          [&](int index) {
            Shard& shard = *shards_[index];
            shard.measures = Measures();
            shard.gradient.flat().setZero();
            for (Parameters<Scalar>& product : shard.products) product.flat().setZero();
          },
      .add_chunk =
          [&](int index, int64_t begin, int64_t n) {
            Shard& shard = *shards_[index];
            ForwardChunk(task, begin, n, &shard.chunk, &shard.measures);
            Backward(spec_, task.parameters, n, /*input_gradients=*/false, &shard.chunk.pass, &shard.gradient);
            for (size_t i = 0; i < directions.size(); ++i) {
              if (i > 0 && stopped()) return false;
              AddCurvatureProduct(task, directions[i], curvature, shard.chunk, &shard.tangents, &shard.products[i]);
            }
            return true;
          },
      .add =
          [&](int into, int from) {
            shards_[into]->gradient.flat() += shards_[from]->gradient.flat();
            for (size_t i = 0; i < directions.size(); ++i) {
              shards_[into]->products[i].flat() += shards_[from]->products[i].flat();
            }
          }};
  if (!SumOverBatch(split, sums, parallel_for, stopped)) return false;
  measures_ = Measures();
  for (int i = 0; i < split.shard_count; ++i) measures_.Add(shards_[i]->measures);
  return true;
}

template <typename Scalar>
DerivativePrice HessianVectorComputation<Scalar>::Price(const NetworkSpec& spec, int64_t pattern_count,
                                                        int direction_count, Curvature curvature) {
  const BatchSplit split = ProductSplit(spec, pattern_count, direction_count);
  const int64_t multiply_adds = GradientWork(spec) + direction_count * DirectionMultiplyAdds(spec, curvature);
  const int64_t shard_numbers =
      SumNumbers(spec, direction_count) + split.chunk_capacity * (ChunkNumbers(spec) + TangentNumbers(spec));
  return {.multiply_adds = SaturatingProduct({pattern_count, multiply_adds}),
          .workspace_bytes = SaturatingProduct({split.shard_count, shard_numbers, BytesPerNumber(spec)})};
}

template class HessianVectorComputation<float>;
template class HessianVectorComputation<double>;

}  // namespace backprop
