// The matrix types of the core. A pattern is a column: [unit_count x pattern_count], column-major, which is byte for
// byte the wire's row-major [pattern x unit]. Weights are row-major, so that the flat order is "row by row" as on the
// wire.
#pragma once

#include <Eigen/Core>
#include <cmath>

namespace backprop {

template <typename Scalar>
using Matrix = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic, Eigen::ColMajor>;

template <typename Scalar>
using WeightMatrix = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

template <typename Scalar>
using Vector = Eigen::Matrix<Scalar, Eigen::Dynamic, 1>;

template <typename Scalar>
using RowVector = Eigen::Matrix<Scalar, 1, Eigen::Dynamic>;

// Some columns of a Matrix, contiguous in memory.
template <typename Scalar>
using Columns = Eigen::Ref<Matrix<Scalar>>;

template <typename Scalar>
using ConstColumns = Eigen::Ref<const Matrix<Scalar>>;

// a'b, in double whatever Scalar is.
template <typename Scalar>
double Dot(const Vector<Scalar>& a, const Vector<Scalar>& b) {
  return a.template cast<double>().dot(b.template cast<double>());
}

// The sum of squares, by as many partial sums as keep a processor busy.
template <typename Scalar>
double SquaredNormOf(const Vector<Scalar>& v) {
  using Sums = Eigen::Array<Scalar, 32, 1>;
  if (v.size() < Sums::SizeAtCompileTime) return double{v.squaredNorm()};
  Sums sums = Sums::Zero();
  Eigen::Index i = 0;
  for (; i + sums.size() <= v.size(); i += sums.size()) sums += Eigen::Map<const Sums>(v.data() + i).square();
  return double{sums.sum()} + double{v.tail(v.size() - i).squaredNorm()};
}

// The Euclidean norm; finite where it is in double, though its square may not be. (Eigen's stableNorm relies on an
// alignment that vectors do not have.)
template <typename Scalar>
double NormOf(const Vector<Scalar>& v) {
  const double norm = std::sqrt(SquaredNormOf(v));
  if (!std::isinf(norm)) return norm;
  const double largest = double{v.cwiseAbs().maxCoeff()};
  return std::isinf(largest) ? largest : largest * (v.template cast<double>() / largest).norm();
}

// Eigen's == asks for equal sizes; values compare whatever their sizes.
template <typename M>
bool SameMatrix(const M& a, const M& b) {
  return a.rows() == b.rows() && a.cols() == b.cols() && a == b;
}

}  // namespace backprop
