// Log likelihood, gradient and outputs of any number of patterns, in parallel and yet in a fixed order of sums.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "core/backpropagation.h"
#include "core/measures.h"
#include "core/network_spec.h"
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
  bool sum_gradient = true;  // False: it is left to Ascend, and gradient() is meaningless.
  bool confusion = false;
  // [output_unit_count x pattern_count]: d log L / d s of the output units in place of targets; measures then have
  // the count and the weights of patterns only.
  const Matrix<Scalar>* output_error_signals = nullptr;
  // [output_unit_count x pattern_count], in the caller's units.
  Matrix<Scalar>* outputs = nullptr;
  // [input_unit_count x pattern_count]: d log L / d x in the caller's units; needs gradient.
  Matrix<Scalar>* input_gradients = nullptr;
};

// The workspace for such computations, reused from call to call, without allocations once a batch of that size has
// been; not thread-safe.
//
// Work is shared without sums of one thread meeting those of another: first slices of patterns go forward and back,
// then parts of the gradient are summed, each over all patterns in their order.
//
// Invariant: slices and parts depend on the batch's size and the network alone, and the sums within them on no other:
// the number of threads changes no bit of a result.
template <typename Scalar>
class BatchComputation {
 public:
  BatchComputation(NetworkSpec spec, Scalings scalings);

  // Computes `request` at `parameters`. False when `stopped` said so; results are then meaningless.
  [[nodiscard]] bool Run(const Parameters<Scalar>& parameters, const BatchRequest<Scalar>& request,
                         const ParallelFor& parallel_for, const StopCheck& stopped);

  // True when Ascend can follow a Run of so many patterns.
  bool CanAscend(int64_t pattern_count) const;
  // After such a Run with a gradient that is not summed: moves `parameters` up `step` times the gradient (15), which is
  // nowhere stored: what a batch costs beside its products is to read and write what is as large as the weights.
  // Returns the gradient's norm. When that is not finite, the parameters may not be either.
  double Ascend(double step, const ParallelFor& parallel_for, Parameters<Scalar>* parameters);

  // Sum over the batch of the last Run of each pattern's gradient times its weight; eq. (4).
  const Parameters<Scalar>& gradient() const { return gradient_; }
  Parameters<Scalar>& gradient() { return gradient_; }
  const Measures& measures() const { return measures_; }

  // Most bytes that the workspace of a batch of `pattern_count` patterns takes, with or without its gradient.
  static int64_t WorkspaceBytes(const NetworkSpec& spec, int64_t pattern_count, Ways ways = Ways::kBoth);

 private:
  // Room for the patterns that go through the network at once.
  struct Chunk {
    Chunk(const NetworkSpec& spec, int64_t capacity, Ways ways);

    int64_t capacity;
    Ways ways;
    Pass<Scalar> pass;
    Matrix<Scalar> targets;
    RowVector<Scalar> weights, log_likelihood;
  };
  // What Run was called with.
  struct Call {
    const Parameters<Scalar>& parameters;
    const BatchRequest<Scalar>& request;
    const ParallelFor& parallel_for;
    const StopCheck& stopped;
  };

  // Patterns [begin, begin + n) of the batch, at most a chunk.
  bool RunChunk(const Call& call, int64_t begin, int64_t n);
  // Patterns of the chunk, which begins at pattern `begin` of the batch.
  void RunSlice(const Call& call, int64_t begin, PatternRange slice, Measures* measures);
  // Their targets and log likelihood into measures, and the output units' error signals.
  void MeasureSlice(const Call& call, PatternRange slice, Measures* measures);
  // Cuts the gradient of a chunk of n patterns into parts.
  void CutGradient(int64_t n);
  // Calls task(i) for slices or parts: in parallel where the chunk of n patterns is worth it.
  template <typename Task>
  void ForEach(int64_t n, int64_t count, const ParallelFor& parallel_for, const Task& task);

  NetworkSpec spec_;
  Scalings scalings_;
  Parameters<Scalar> gradient_;
  Measures measures_;
  std::optional<Chunk> chunk_;
  std::vector<Measures> slice_measures_;
  std::vector<GradientPart> parts_;
  std::vector<double> part_squares_;  // As many.
  int64_t cut_for_ = 0;               // The n of parts_.
};

// The activations of the output units for `inputs` [input_unit_count x pattern_count], both in the caller's units:
// [output_unit_count x pattern_count]. On the calling thread; stops like Run, and the result is then meaningless.
template <typename Scalar>
Matrix<Scalar> Predict(const NetworkSpec& spec, const Scalings& scalings, const Parameters<Scalar>& parameters,
                       const ConstColumns<Scalar>& inputs, const StopCheck& stopped);

}  // namespace backprop
