#include "core/pattern_block.h"

#include "core/products.h"

namespace backprop {
namespace {

// Of 4 bytes, they fill half of a first level of 32 KiB.
constexpr int64_t kFewWeights = 4096;

}  // namespace

template <typename Scalar>
bool PatternBlock<Scalar>::Serves(const NetworkSpec& spec) {
  return spec.unit_count(0) * spec.unit_count(1) > kFewWeights;
}

template <typename Scalar>
int64_t PatternBlock<Scalar>::WorkspaceBytes(const NetworkSpec& spec) {
  return kPatterns * (spec.unit_count(0) + 2 * spec.unit_count(1) + kPatterns) * int64_t{sizeof(Scalar)};
}

template <typename Scalar>
PatternBlock<Scalar>::PatternBlock(const NetworkSpec& spec)
    : x_(spec.unit_count(0), kPatterns),
      sums_(spec.unit_count(1), kPatterns),
      steps_(spec.unit_count(1), kPatterns),
      inner_products_(kPatterns, kPatterns) {}

template <typename Scalar>
bool PatternBlock<Scalar>::Begin(int64_t n, const Parameters<Scalar>& parameters) {
  // Columns of x are rows of x'.
  const Eigen::Map<const WeightMatrix<Scalar>> transposed(x_.data(), n, x_.rows());
  MultiplyForward<Scalar>(transposed, x_.leftCols(n), Into::kAssign, inner_products_.topLeftCorner(n, n));
  inner_products_.array() += Scalar(1);
  if (!inner_products_.topLeftCorner(n, n).allFinite()) return false;
  MultiplyForward<Scalar>(parameters.weights(1), x_.leftCols(n), Into::kAssign, sums_.leftCols(n));
  sums_.leftCols(n).colwise() += parameters.biases(1);
  return true;
}

template <typename Scalar>
void PatternBlock<Scalar>::WeightedSums(int64_t t, Vector<Scalar>* s) const {
  *s = sums_.col(t);
  s->noalias() += steps_.leftCols(t) * inner_products_.col(t).head(t);
}

template <typename Scalar>
void PatternBlock<Scalar>::Finish(int64_t n, Parameters<Scalar>* parameters) const {
  MultiplyOuter<Scalar>(steps_.leftCols(n), x_.leftCols(n), Into::kAdd, parameters->weights(1));
  parameters->biases(1) += steps_.leftCols(n).rowwise().sum();
}

template class PatternBlock<float>;
template class PatternBlock<double>;

}  // namespace backprop
