#include "core/unit_tangents.h"

#include "core/activation.h"
#include "core/products.h"

namespace backprop {

template <typename Scalar>
void UnitTangents<Scalar>::Compute(const DerivativeTask<Scalar>& task, Curvature curvature, const Chunk<Scalar>& chunk,
                                   int layer, int unit) {
  const NetworkSpec& spec = task.spec;
  n_ = chunk.n;
  layer_ = layer;
  unit_ = unit;
  if (layer == spec.layer_count()) {
    auto s = tangents_.s[layer].leftCols(n_);
    s.setZero();
    s.row(unit).setOnes();
    OutputTangents(spec, chunk, &tangents_);
    return;
  }
  auto own_h = own_.leftCols(n_);
  own_h.setOnes();
  MultiplyByDerivative<Scalar>(spec.activation(layer), chunk.h(layer).row(unit), own_h);
  tangents_.s[layer + 1].leftCols(n_).noalias() = task.parameters.weights(layer + 1).col(unit) * own_h.row(0);
  for (int above = layer + 2; above <= spec.layer_count(); ++above) {
    ActivateTangents(spec, above - 1, chunk, &tangents_);
    MultiplyForward<Scalar>(task.parameters.weights(above), h(above - 1), Into::kAssign,
                            tangents_.s[above].leftCols(n_));
  }
  OutputTangents(spec, chunk, &tangents_);
  for (int above = spec.layer_count(); above >= layer + 2; --above) {
    MultiplyBack<Scalar>(task.parameters.weights(above), d(above), Into::kAssign, tangents_.d[above - 1].leftCols(n_));
    ErrorSignalTangents(spec, above - 1, curvature, chunk, &tangents_);
  }
}

template <typename Scalar>
auto UnitTangents<Scalar>::OwnSecondDerivative(const DerivativeTask<Scalar>& task, const Chunk<Scalar>& chunk) const {
  const DerivativePolynomial derivative = DerivativeOf(task.spec.activation(layer_));
  const auto linear = static_cast<Scalar>(derivative.linear), quadratic = static_cast<Scalar>(derivative.quadratic);
  // As in ErrorSignalTangents, with R{s} = 1.
  return (linear + 2 * quadratic * chunk.h(layer_).row(unit_).array()) * chunk.d(layer_).row(unit_).array();
}

template <typename Scalar>
void UnitTangents<Scalar>::OwnErrorSignal(const DerivativeTask<Scalar>& task, Curvature curvature,
                                          const Chunk<Scalar>& chunk,
                                          Eigen::Ref<RowVector<Scalar>, 0, Eigen::InnerStride<>> own) const {
  if (layer_ == task.spec.layer_count()) {
    own = d(layer_).row(unit_);
    return;
  }
  const Vector<Scalar> w = task.parameters.weights(layer_ + 1).col(unit_);
  own = (w.transpose() * d(layer_ + 1)).cwiseProduct(own_h());
  if (curvature == Curvature::kHessian) own.array() += OwnSecondDerivative(task, chunk);
}

template <typename Scalar>
void UnitTangents<Scalar>::OwnLayer(const DerivativeTask<Scalar>& task, Curvature curvature,
                                    const Chunk<Scalar>& chunk) {
  if (layer_ == task.spec.layer_count()) return;
  auto own = tangents_.d[layer_].leftCols(n_);
  MultiplyBack<Scalar>(task.parameters.weights(layer_ + 1), d(layer_ + 1), Into::kAssign, own);
  MultiplyByDerivative<Scalar>(task.spec.activation(layer_), chunk.h(layer_), own);
  if (curvature == Curvature::kHessian) own.row(unit_).array() += OwnSecondDerivative(task, chunk);
}

template class UnitTangents<float>;
template class UnitTangents<double>;

}  // namespace backprop
