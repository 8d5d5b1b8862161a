// Log likelihood, gradient and outputs of any number of patterns, in parallel and yet in a fixed order of sums.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "core/backpropagation.h"
#include "core/measures.h"
#include "core/parallel_for.h"
#include "core/parameters.h"
#include "core/patterns.h"
#include "core/scaling.h"

namespace backprop {

// Fills the first n columns of inputs, targets and weights with patterns [begin, begin + n) of the batch; called from
// several threads at once. With output_error_signals targets are not read, and may be left as they are.
template <typename Scalar>
using PatternSource = std::function<void(int64_t begin, int64_t n, Columns<Scalar> inputs, Columns<Scalar> targets,
                                         Eigen::Ref<RowVector<Scalar>> weights)>;

// A source that reads from `patterns`, which must outlive it.
template <typename Scalar>
PatternSource<Scalar> SourceOf(const Patterns<Scalar>& patterns);

// What to compute. Pointers are borrowed for the call; those that are null are not computed.
template <typename Scalar>
struct BatchRequest {
  int64_t pattern_count = 0;
  PatternSource<Scalar> source = nullptr;
  bool gradient = true;
  bool confusion = false;
  // [output_unit_count x pattern_count]: d log L / d s of the output units in place of targets; measures then have
  // the count and the weights of patterns only.
  const Matrix<Scalar>* output_error_signals = nullptr;
  // [output_unit_count x pattern_count], in the caller's units.
  Matrix<Scalar>* outputs = nullptr;
  // [input_unit_count x pattern_count]: d log L / d x in the caller's units; needs gradient.
  Matrix<Scalar>* input_gradients = nullptr;
};

// The workspace for such computations, reused from call to call; not thread-safe.
//
// Invariant: the batch is split by its size and the network's alone, and summed as batch_split.h says: the number of
// threads changes no bit of a result.
template <typename Scalar>
class BatchComputation {
 public:
  BatchComputation(NetworkSpec spec, Scalings scalings);
  BatchComputation(BatchComputation&& other) noexcept;
  ~BatchComputation();

  // Computes `request` at `parameters`. False when `stopped` said so; results are then meaningless.
  [[nodiscard]] bool Run(const Parameters<Scalar>& parameters, const BatchRequest<Scalar>& request,
                         const ParallelFor& parallel_for, const StopCheck& stopped);

  // Sum over the batch of the last Run of each pattern's gradient times its weight; eq. (4).
  const Parameters<Scalar>& gradient() const { return gradients_.front(); }
  Parameters<Scalar>& gradient() { return gradients_.front(); }
  const Measures& measures() const { return measures_; }

  // Most bytes that the workspace of a batch of `pattern_count` patterns takes, with or without its gradient.
  static int64_t WorkspaceBytes(const NetworkSpec& spec, int64_t pattern_count, bool gradient = true);

 private:
  struct Shard;

  // The shard's sums, to 0.
  void Clear(const BatchRequest<Scalar>& request, int index);
  // Patterns [begin, begin + n) of the batch, at most a chunk.
  void RunChunk(const Parameters<Scalar>& parameters, const BatchRequest<Scalar>& request, int64_t begin, int64_t n,
                int index);

  const NetworkSpec spec_;
  const Scalings scalings_;
  std::vector<std::unique_ptr<Shard>> shards_;
  std::vector<Parameters<Scalar>> gradients_;  // One a shard; the first becomes the sum.
  Measures measures_;
};

// The activations of the output units for `inputs` [input_unit_count x pattern_count], both in the caller's units:
// [output_unit_count x pattern_count]. On the calling thread; stops like Run, and the result is then meaningless.
template <typename Scalar>
Matrix<Scalar> Predict(const NetworkSpec& spec, const Scalings& scalings, const Parameters<Scalar>& parameters,
                       const ConstColumns<Scalar>& inputs, const StopCheck& stopped);

}  // namespace backprop
