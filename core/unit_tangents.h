// Directional derivatives along a change of one unit's weighted sum: the columns of which Hessians consist.
#pragma once

#include "core/tangent_pass.h"

namespace backprop {

// R{.} along an increase of the weighted sum of one unit by 1, in every pattern at once. A weight w_kq adds h_q to that
// sum, so that R{.} along the weight is h_q R{.} along the unit: one pass serves all weights into a unit.
template <typename Scalar>
class UnitTangents {
 public:
  UnitTangents(const NetworkSpec& spec, int64_t capacity) : tangents_(spec, capacity), own_(1, capacity) {}

  // Unit `unit` of `layer`, for the patterns in `chunk`, which has been through Backward.
  void Compute(const DerivativeTask<Scalar>& task, Curvature curvature, const Chunk<Scalar>& chunk, int layer,
               int unit);

  // Then: R{d} [unit_count x n] of any layer above, and R{h} of any hidden layer above.
  auto d(int above) const { return tangents_.d[above].leftCols(n_); }
  auto h(int above) const { return tangents_.h[above].leftCols(n_); }
  // R{h} of the unit itself [1 x n], where the layer is hidden: f'(s).
  auto own_h() const { return own_.leftCols(n_); }
  // R{d} of the unit itself into `own` [n].
  void OwnErrorSignal(const DerivativeTask<Scalar>& task, Curvature curvature, const Chunk<Scalar>& chunk,
                      Eigen::Ref<RowVector<Scalar>, 0, Eigen::InnerStride<>> own) const;
  // R{d} of all units of the layer; from here on d(layer).
  void OwnLayer(const DerivativeTask<Scalar>& task, Curvature curvature, const Chunk<Scalar>& chunk);

  // Numbers of one pattern.
  static int64_t Numbers(const NetworkSpec& spec) { return TangentNumbers(spec) + 1; }

 private:
  // f''(s) d log L / dh of the unit, times its R{s} = 1.
  auto OwnSecondDerivative(const DerivativeTask<Scalar>& task, const Chunk<Scalar>& chunk) const;

  Tangents<Scalar> tangents_;
  Matrix<Scalar> own_;
  int64_t n_ = 0;
  int layer_ = 0, unit_ = 0;
};

}  // namespace backprop
