#include "core/output_layer.h"

#include <cmath>

namespace backprop {
namespace {

// log(1 + u) for u >= 0, to the last digits of a small u too: what 1 + u loses of u, the quotient makes good (Kahan).
// std::log1p would take a seventh of an on-line step of a network of two units.
template <typename Scalar>
Scalar LogOnePlus(Scalar u) {
  const Scalar sum = 1 + u;
  return sum == 1 ? u : std::log(sum) * (u / (sum - 1));
}

}  // namespace

template <typename Scalar>
void ActivateOutputs(Task task, Columns<Scalar> s) {
  switch (task) {
    case Task::kRegression:
      return;
    case Task::kBinaryClassification:
      s = s.array().logistic();
      return;
    case Task::kMultiwayClassification:
      for (Eigen::Index t = 0; t < s.cols(); ++t) {
        auto column = s.col(t).array();
        column = (column - column.maxCoeff()).exp();
        column /= column.sum();
      }
      return;
  }
}

template <typename Scalar>
void ActivateOutputs(Task task, Columns<Scalar> s, const ConstColumns<Scalar>& targets,
                     Eigen::Ref<RowVector<Scalar>> log_likelihood) {
  switch (task) {
    case Task::kRegression:
      log_likelihood = Scalar(-0.5) * (targets - s).colwise().squaredNorm();
      return;
    case Task::kBinaryClassification:
      // y* log y + (1 - y*) log(1 - y) = y* s - softplus(s), and softplus(s) = max(s, 0) + log(1 + exp(-|s|)).
      log_likelihood =
          (targets.array() * s.array() - s.array().max(Scalar(0)) - (-s.array().abs()).exp().log1p()).colwise().sum();
      ActivateOutputs<Scalar>(task, s);
      return;
    case Task::kMultiwayClassification:
      // sum_k y*_k log y_k = sum_k y*_k (s_k - max) - log sum_k exp(s_k - max), where the largest is 1 and the others
      // may be less than 1 has digits for.
      for (Eigen::Index t = 0; t < s.cols(); ++t) {
        auto column = s.col(t).array();
        Eigen::Index largest;
        column -= column.maxCoeff(&largest);
        const Scalar explained = (targets.col(t).array() * column).sum();
        column = column.exp();
        column(largest) = 0;
        const Scalar others = column.sum();
        column(largest) = 1;
        log_likelihood(t) = explained - targets.col(t).sum() * LogOnePlus(others);
        column /= 1 + others;
      }
      return;
  }
}

template <typename Scalar>
void MultiplyByOutputDerivative(Task task, const ConstColumns<Scalar>& y, Columns<Scalar> ds) {
  switch (task) {
    case Task::kRegression:
      return;
    case Task::kBinaryClassification:
      ds.array() *= y.array() * (Scalar(1) - y.array());
      return;
    case Task::kMultiwayClassification:
      ds.rowwise() -= (y.array() * ds.array()).colwise().sum().matrix().eval();
      ds.array() *= y.array();
      return;
  }
}

template void ActivateOutputs<float>(Task, Columns<float>);
template void ActivateOutputs<double>(Task, Columns<double>);
template void ActivateOutputs<float>(Task, Columns<float>, const ConstColumns<float>&, Eigen::Ref<RowVector<float>>);
template void ActivateOutputs<double>(Task, Columns<double>, const ConstColumns<double>&,
                                      Eigen::Ref<RowVector<double>>);
template void MultiplyByOutputDerivative(Task, const ConstColumns<float>&, Columns<float>);
template void MultiplyByOutputDerivative(Task, const ConstColumns<double>&, Columns<double>);

}  // namespace backprop
