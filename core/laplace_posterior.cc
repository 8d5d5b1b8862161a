#include "core/laplace_posterior.h"

#include <Eigen/Cholesky>
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/batch_split.h"
#include "core/error.h"
#include "core/hessian.h"
#include "core/output_layer.h"

namespace backprop {
namespace {

// The same patterns in double.
template <typename Scalar>
PatternSource<double> InDouble(const PatternSource<Scalar>& source) {
  return [&source](int64_t begin, int64_t n, Columns<double> inputs, Columns<double> targets,
                   Eigen::Ref<RowVector<double>> weights) {
    Matrix<Scalar> x(inputs.rows(), n), y(targets.rows(), n);
    RowVector<Scalar> w(n);
    source(begin, n, x, y, w);
    inputs = x.template cast<double>();
    targets = y.template cast<double>();
    weights = w.template cast<double>();
  };
}

// Of predictions: a pattern takes its derivatives by all parameters.
BatchSplit PredictionSplit(const NetworkSpec& spec, int64_t prediction_count) {
  return SplitBatch(prediction_count, {.pattern_numbers = 2 * spec.total_unit_count() + spec.parameter_count(),
                                       .pattern_multiply_adds = spec.parameter_count(),
                                       .sum_numbers = 1});
}

// Column t: d_i h_j and d_i in the flat order, of pattern t.
void PatternGradients(const NetworkSpec& spec, const Pass<double>& pass, Columns<double> gradients) {
  for (int layer = 1; layer <= spec.layer_count(); ++layer) {
    const LayerShape& shape = spec.layout()->layers[layer - 1];
    for (Eigen::Index t = 0; t < gradients.cols(); ++t) {
      const auto d = pass.error_signals[layer].col(t);
      Eigen::Map<WeightMatrix<double>> weights(&gradients(shape.weight_offset, t), shape.unit_count, shape.input_count);
      weights.noalias() = d * pass.activations[layer - 1].col(t).transpose();
      gradients.col(t).segment(shape.bias_offset, shape.unit_count) = d;
    }
  }
}

}  // namespace

LaplacePosterior::LaplacePosterior(NetworkSpec spec, Scalings scalings, Parameters<double> parameters,
                                   WeightMatrix<double> factor)
    : spec_(std::move(spec)),
      scalings_(std::move(scalings)),
      parameters_(std::move(parameters)),
      factor_(std::move(factor)) {}

template <typename Scalar>
absl::StatusOr<LaplacePosterior> LaplacePosterior::Fit(const DerivativeTask<Scalar>& task, double prior_precision,
                                                       const ParallelFor& parallel_for, const StopCheck& stopped) {
  if (!(prior_precision > 0) || !std::isfinite(prior_precision)) {
    return InvalidField("prior_precision", absl::StrCat("must be above 0 and finite, but is ", prior_precision));
  }
  Parameters<double> parameters(task.spec.layout());
  parameters.flat() = task.parameters.flat().template cast<double>();
  const PatternSource<double> source = InDouble(task.source);
  auto result = Hessian<double>({.spec = task.spec,
                                 .scalings = task.scalings,
                                 .parameters = parameters,
                                 .pattern_count = task.pattern_count,
                                 .source = source},
                                Curvature::kGaussNewton, std::nullopt, parallel_for, stopped);
  if (!result) return absl::CancelledError("stopped while the Gauss-Newton matrix was computed");
  WeightMatrix<double>& precision = result->hessian;
  precision = -precision;
  precision.diagonal().array() += prior_precision;
  const bool finite = precision.allFinite();
  // The factor takes the place of the matrix.
  const Eigen::LLT<Eigen::Ref<WeightMatrix<double>>> factorized(precision);
  if (!finite || factorized.info() != Eigen::Success ||
      !(factorized.rcond() > std::numeric_limits<double>::epsilon())) {
    return InvalidField("prior_precision", absl::StrCat("is ", prior_precision,
                                                        ", too small beside the Gauss-Newton matrix of these patterns "
                                                        "for its inverse to be computed; take a larger one"));
  }
  return LaplacePosterior(task.spec, task.scalings, std::move(parameters), std::move(precision));
}

Matrix<double> LaplacePosterior::OutputVariances(const ConstColumns<double>& inputs, const StopCheck& stopped) const {
  Matrix<double> variances(spec_.output_unit_count(), inputs.cols());
  const int64_t capacity = PredictionSplit(spec_, inputs.cols()).chunk_capacity;
  Pass<double> pass(spec_, capacity);
  Parameters<double> unused(spec_.layout());
  Matrix<double> all_gradients(spec_.parameter_count(), capacity);
  for (int64_t begin = 0; begin < inputs.cols(); begin += capacity) {
    const int64_t n = std::min<int64_t>(capacity, inputs.cols() - begin);
    auto x = pass.activations.front().leftCols(n);
    auto y = pass.activations.back().leftCols(n);
    x = inputs.middleCols(begin, n);
    scalings_.input.Apply<double>(x);
    Forward(spec_, parameters_, n, &pass);
    ActivateOutputs<double>(spec_.task(), y);
    for (int unit = 0; unit < spec_.output_unit_count(); ++unit) {
      if (stopped()) return variances;
      // dy_unit / ds in place of error signals makes dy_unit / dw of the gradient.
      auto d = pass.error_signals.back().leftCols(n);
      d.setZero();
      d.row(unit).setOnes();
      MultiplyByOutputDerivative<double>(spec_.task(), y, d);
      Backward(spec_, parameters_, n, /*input_gradients=*/false, &pass, &unused);
      auto gradients = all_gradients.leftCols(n);
      PatternGradients(spec_, pass, gradients);
      // g' (L L')^-1 g = |L^-1 g|^2.
      factor_.triangularView<Eigen::Lower>().solveInPlace(gradients);
      variances.row(unit).segment(begin, n) = gradients.colwise().squaredNorm();
    }
  }
  if (!scalings_.target.is_identity()) variances.array().colwise() /= scalings_.target.scale.array().square();
  return variances;
}

DerivativePrice LaplacePosterior::Price(const NetworkSpec& spec, int64_t pattern_count, int64_t prediction_count) {
  const int64_t count = spec.parameter_count();
  const DerivativePrice hessian = HessianPrice(spec, pattern_count, std::nullopt);
  const int64_t factorization = SaturatingProduct({count, count, count}) / 6;
  const int64_t predictions = SaturatingProduct(
      {prediction_count, spec.output_unit_count(), count * count / 2 + 3 * count + 2 * PassWork(spec)});
  const int64_t pattern_numbers = 2 * spec.total_unit_count() + count;
  const int64_t numbers = 2 * count + PredictionSplit(spec, prediction_count).chunk_capacity * pattern_numbers +
                          SaturatingProduct({prediction_count, spec.output_unit_count()});
  constexpr int64_t kBytes = sizeof(double);
  return {.multiply_adds = SaturatingSum(hessian.multiply_adds, SaturatingSum(factorization, predictions)),
          .workspace_bytes = SaturatingSum(SaturatingProduct({hessian.workspace_bytes, kBytes / BytesPerNumber(spec)}),
                                           SaturatingProduct({numbers, kBytes}))};
}

template absl::StatusOr<LaplacePosterior> LaplacePosterior::Fit(const DerivativeTask<float>&, double,
                                                                const ParallelFor&, const StopCheck&);
template absl::StatusOr<LaplacePosterior> LaplacePosterior::Fit(const DerivativeTask<double>&, double,
                                                                const ParallelFor&, const StopCheck&);

}  // namespace backprop
