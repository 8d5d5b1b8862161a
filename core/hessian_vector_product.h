// Products of the Hessian or the Gauss-Newton matrix with directions, by the R-operator; Pearlmutter (1994).
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "core/derivative_task.h"
#include "core/measures.h"
#include "core/parallel_for.h"

namespace backprop {

// The workspace for such products, reused from call to call as by a conjugate gradient method; not thread-safe.
template <typename Scalar>
class HessianVectorComputation {
 public:
  explicit HessianVectorComputation(NetworkSpec spec);
  HessianVectorComputation(HessianVectorComputation&& other) noexcept;
  ~HessianVectorComputation();

  // The products with all `directions` (any number, also none), which share one forward and one backward pass, each
  // with one forward and one backward pass of directional derivatives beside. `task` has this workspace's spec. False
  // when `stopped` said so; results are then meaningless.
  [[nodiscard]] bool Run(const DerivativeTask<Scalar>& task, std::span<const Parameters<Scalar>> directions,
                         Curvature curvature, const ParallelFor& parallel_for, const StopCheck& stopped);

  // Of the last Run: (d^2 log L / dw dw') v of direction v = directions[index], in the shape of the parameters.
  const Parameters<Scalar>& product(int index) const;
  // The gradient d log L / dw and the measures (without confusion), which come with it.
  const Parameters<Scalar>& gradient() const;
  const Measures& measures() const { return measures_; }

  static DerivativePrice Price(const NetworkSpec& spec, int64_t pattern_count, int direction_count,
                               Curvature curvature);

 private:
  struct Shard;

  const NetworkSpec spec_;
  std::vector<std::unique_ptr<Shard>> shards_;  // The first becomes the sum.
  Measures measures_;
};

}  // namespace backprop
