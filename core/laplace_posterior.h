// Error bars on predictions by the Laplace approximation; MacKay (1992), with the Gauss-Newton matrix for the Hessian.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "core/derivative_task.h"
#include "core/parallel_for.h"

namespace backprop {

// The normal distribution of the parameters around those given: covariance (prior_precision I - G)^-1, G the
// Gauss-Newton matrix of the log likelihood of the patterns, prior_precision that of a normal prior of every weight and
// bias of the scaled network. In double, whatever the network's precision. A value, thread-safe when const.
class LaplacePosterior {
 public:
  // For a network of at most kMaxHessianParameters parameters. INVALID_ARGUMENT naming `prior_precision` when it is
  // not finite and above 0, or so small beside G that the covariance cannot be computed; CANCELLED when `stopped` said
  // so.
  template <typename Scalar>
  static absl::StatusOr<LaplacePosterior> Fit(const DerivativeTask<Scalar>& task, double prior_precision,
                                              const ParallelFor& parallel_for, const StopCheck& stopped);

  // The variances of the outputs' activations for `inputs` [input_unit_count x pattern_count]:
  // [output_unit_count x pattern_count], both in the caller's units (squared, for variances). Linearised: (dy/dw)'
  // covariance (dy/dw). It is what is not known of the parameters; the noise of the targets, in regression of variance
  // 1 in scaled units, is not in it. Stops like Predict, and the result is then meaningless.
  Matrix<double> OutputVariances(const ConstColumns<double>& inputs, const StopCheck& stopped) const;

  // Fitting and then the variances of `prediction_count` patterns.
  static DerivativePrice Price(const NetworkSpec& spec, int64_t pattern_count, int64_t prediction_count);

 private:
  LaplacePosterior(NetworkSpec spec, Scalings scalings, Parameters<double> parameters, WeightMatrix<double> factor);

  NetworkSpec spec_;
  Scalings scalings_;
  Parameters<double> parameters_;
  WeightMatrix<double> factor_;  // Lower triangular, times its transpose the inverse covariance.
};

}  // namespace backprop
