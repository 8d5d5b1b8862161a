// The activation functions of hidden units and their derivatives; the only place that switches on Activation.
#pragma once

#include "core/matrix.h"
#include "core/network_spec.h"

namespace backprop {

// Weighted sums `s` become activations in place: h = f(s). Jacobs (2008), eq. (12) for the logistic. Finite for every
// finite s. Matrices and vectors of Eigen.
template <typename Values>
void ActivateValues(Activation activation, Values& s) {
  using Scalar = typename Values::Scalar;
  switch (activation) {
    case Activation::kLogistic:
      s = s.array().logistic();
      return;
    case Activation::kTanh:
      s = s.array().tanh();
      return;
    case Activation::kRelu:
      s = s.array().max(Scalar(0));
      return;
    case Activation::kIdentity:
      return;
  }
}

// Multiplies d log L / d h, in `error_signal`, by d h / d s taken from the activation `h`, which leaves the error
// signal d log L / d s. Eq. (13) for the logistic; relu's derivative at 0 is 0.
template <typename Values, typename Signals>
void MultiplyValuesByDerivative(Activation activation, const Values& h, Signals& error_signal) {
  using Scalar = typename Values::Scalar;
  switch (activation) {
    case Activation::kLogistic:
      error_signal.array() *= h.array() * (Scalar(1) - h.array());
      return;
    case Activation::kTanh:
      error_signal.array() *= Scalar(1) - h.array().square();
      return;
    case Activation::kRelu:
      error_signal = (h.array() > Scalar(0)).select(error_signal, Scalar(0));
      return;
    case Activation::kIdentity:
      return;
  }
}

// The same for whole layers, both [unit_count x pattern_count].
template <typename Scalar>
void Activate(Activation activation, Columns<Scalar> s) {
  ActivateValues(activation, s);
}
template <typename Scalar>
void MultiplyByDerivative(Activation activation, const ConstColumns<Scalar>& h, Columns<Scalar> error_signal) {
  MultiplyValuesByDerivative(activation, h, error_signal);
}

// f'(s) as a polynomial in h = f(s): constant + linear h + quadratic h^2. All higher derivatives follow from it:
// f''(s) = (linear + 2 quadratic h) f'(s), and so on. Of relu that of its linear part above 0.
struct DerivativePolynomial {
  int constant, linear, quadratic;

  bool is_constant() const { return linear == 0 && quadratic == 0; }
};

inline DerivativePolynomial DerivativeOf(Activation activation) {
  switch (activation) {
    case Activation::kLogistic:
      return {0, 1, -1};  // h (1 - h)
    case Activation::kTanh:
      return {1, 0, -1};  // 1 - h^2
    case Activation::kRelu:
    case Activation::kIdentity:
      break;
  }
  return {1, 0, 0};
}

}  // namespace backprop
