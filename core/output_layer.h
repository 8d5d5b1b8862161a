// The output layer: for each task its matched activation function and log likelihood, as functions of the output units'
// weighted sums s, so that they stay finite where log(y) would not.
#pragma once

#include "core/matrix.h"
#include "core/network_spec.h"

namespace backprop {

// Weighted sums `s` [output_unit_count x pattern_count] become activations y in place: linear, eq. (7); logistic,
// eq. (32); softmax, eq. (37).
template <typename Scalar>
void ActivateOutputs(Task task, Columns<Scalar> s);

// The same, and the log likelihood of each pattern under `targets` y* [output_unit_count x pattern_count] into
// `log_likelihood` [pattern_count]: eq. (3), (29), (36). Finite where log(y) would not be: whenever
// Scalar can hold it.
template <typename Scalar>
void ActivateOutputs(Task task, Columns<Scalar> s, const ConstColumns<Scalar>& targets,
                     Eigen::Ref<RowVector<Scalar>> log_likelihood);

// d log L / d s = y* - y [output_unit_count x pattern_count] for all three matched pairs: eq. (6) times (8), (31) times
// (33), and (39)-(40), where the targets of a pattern sum to 1.
template <typename Scalar>
void OutputErrorSignals(const ConstColumns<Scalar>& y, const ConstColumns<Scalar>& targets,
                        Columns<Scalar> error_signals) {
  error_signals = targets - y;
}

// Targets of multiway classification become proportions: divided by their sum, which a caller's rounding may leave
// beside 1, so that y* - y is exact. Those of other tasks stay.
template <typename Scalar>
void NormalizeTargets(Task task, Columns<Scalar> targets) {
  if (task != Task::kMultiwayClassification) return;
  for (Eigen::Index t = 0; t < targets.cols(); ++t) {
    const Scalar sum = targets.col(t).sum();
    if (sum != Scalar(1)) targets.col(t) /= sum;
  }
}

// `ds` becomes M ds in place, with M = -d^2 log L / ds ds' = dy / ds at outputs `y`; both
// [output_unit_count x pattern_count]. M is 1 for linear outputs, y (1 - y) unit by unit for logistic ones (33) and
// diag(y) - y y' for softmax (40).
template <typename Scalar>
void MultiplyByOutputDerivative(Task task, const ConstColumns<Scalar>& y, Columns<Scalar> ds);

}  // namespace backprop
