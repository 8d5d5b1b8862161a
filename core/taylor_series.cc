#include "core/taylor_series.h"

#include <algorithm>

#include "core/activation.h"
#include "core/output_layer.h"

namespace backprop {
namespace {

// So many numbers of a layer are taken through all orders at once: their coefficients stay in the nearest cache.
constexpr Eigen::Index kSegment = 128;

// h = f(s) with h' = f'(s) s', and f'(s) = g a polynomial in h: k h_k = sum_j j s_j g_(k-j). Block 0 of `series` is h_0
// already, the others up to s_order are s; all of them become h.
template <typename Scalar>
void ActivateSmoothSeries(const DerivativePolynomial& derivative, int s_order, int order, Columns<Scalar> series) {
  using Values = Eigen::Array<Scalar, Eigen::Dynamic, 1>;
  const auto linear = static_cast<Scalar>(derivative.linear), quadratic = static_cast<Scalar>(derivative.quadratic);
  const Eigen::Index block = series.size() / (order + 1);
  Eigen::Array<Scalar, kSegment, kMaxDerivativeOrder + 1> rate, g;  // Column j: j s_j.
  for (Eigen::Index begin = 0; begin < block; begin += kSegment) {
    const Eigen::Index n = std::min(kSegment, block - begin);
    const auto h = [&](int k) { return Eigen::Map<Values>(series.data() + k * block + begin, n); };
    for (int j = 1; j <= s_order; ++j) rate.col(j).head(n) = Scalar(j) * h(j);
    g.col(0).head(n) = Scalar(derivative.constant) + h(0) * (linear + quadratic * h(0));
    for (int k = 1; k <= order; ++k) {
      auto h_k = h(k);
      h_k = rate.col(1).head(n) * g.col(k - 1).head(n);
      for (int j = 2; j <= std::min(k, s_order); ++j) h_k += rate.col(j).head(n) * g.col(k - j).head(n);
      h_k *= Scalar(1) / Scalar(k);
      if (k == order) break;
      // g_k = linear h_k + quadratic (h^2)_k, ...
      auto g_k = g.col(k).head(n);
      g_k = (linear + 2 * quadratic * h(0)) * h_k;
      // ... of which h_i h_(k-i) with 0 < i < k come twice each, but for the middle one.
      for (int i = 1; 2 * i < k; ++i) g_k += (2 * quadratic) * h(i) * h(k - i);
      if (k % 2 == 0) g_k += quadratic * h(k / 2).square();
    }
  }
}

// y = softmax(s): y' = y (s' - a) with a = sum_i y_i s_i'. Block 0 of `y` is y_0 already.
template <typename Scalar>
void SoftmaxSeries(int order, const ConstColumns<Scalar>& s, Columns<Scalar> y) {
  const Eigen::Index n = s.cols() / (order + 1);
  const auto s_rate = [&](int j) { return Scalar(j) * s.middleCols(j * n, n).array(); };
  Eigen::Array<Scalar, Eigen::Dynamic, Eigen::Dynamic> a = Matrix<Scalar>::Zero(1, order * n);
  for (int k = 1; k <= order; ++k) {
    auto a_k = a.middleCols((k - 1) * n, n);
    for (int j = 1; j <= k; ++j) a_k += (s_rate(j) * y.middleCols((k - j) * n, n).array()).colwise().sum();
    auto y_k = y.middleCols(k * n, n).array();
    y_k.setZero();
    for (int j = 1; j <= k; ++j) {
      y_k += (s_rate(j).rowwise() - a.row(0).segment((j - 1) * n, n)) * y.middleCols((k - j) * n, n).array();
    }
    y_k /= Scalar(k);
  }
}

}  // namespace

template <typename Scalar>
int ActivateSeries(Activation activation, int s_order, int order, Columns<Scalar> s) {
  const Eigen::Index n = s.cols() / (order + 1);
  const auto block = [&](int k) { return s.middleCols(k * n, n); };
  Activate<Scalar>(activation, block(0));
  const DerivativePolynomial derivative = DerivativeOf(activation);
  if (derivative.is_constant()) {
    for (int k = 1; k <= s_order; ++k) MultiplyByDerivative<Scalar>(activation, block(0), block(k));
    return s_order;
  }
  ActivateSmoothSeries<Scalar>(derivative, s_order, order, s);
  return order;
}

template <typename Scalar>
void LogLikelihoodSeries(Task task, int order, const ConstColumns<Scalar>& s, const ConstColumns<Scalar>& targets,
                         Columns<Scalar> y, Columns<Scalar> log_likelihood) {
  const Eigen::Index n = targets.cols();
  y = s;
  auto y_0 = y.leftCols(n);
  RowVector<Scalar> value(n);
  ActivateOutputs<Scalar>(task, y_0, targets, value);
  log_likelihood.row(0) = value;
  if (task == Task::kBinaryClassification) {
    ActivateSmoothSeries<Scalar>(DerivativeOf(Activation::kLogistic), order, order, y);
  } else if (task == Task::kMultiwayClassification) {
    SoftmaxSeries<Scalar>(order, s, y);
  }
  // d log L / dt = sum_i d_i s_i' with the error signals d = y* - y, hence k log L_k = sum_j j sum_i s_ij d_i(k-j).
  const auto s_rate = [&](int j) { return Scalar(j) * s.middleCols(j * n, n).array(); };
  for (int k = 1; k <= order; ++k) {
    auto sum = log_likelihood.row(k).array();
    sum = (s_rate(k) * (targets - y_0).array()).colwise().sum();
    for (int j = 1; j < k; ++j) sum -= (s_rate(j) * y.middleCols((k - j) * n, n).array()).colwise().sum();
    sum /= Scalar(k);
  }
}

template int ActivateSeries(Activation, int, int, Columns<float>);
template int ActivateSeries(Activation, int, int, Columns<double>);
template void LogLikelihoodSeries(Task, int, const ConstColumns<float>&, const ConstColumns<float>&, Columns<float>,
                                  Columns<float>);
template void LogLikelihoodSeries(Task, int, const ConstColumns<double>&, const ConstColumns<double>&, Columns<double>,
                                  Columns<double>);

}  // namespace backprop
