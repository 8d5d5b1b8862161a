// The oracle of derivatives beyond the gradient: the log likelihood in plain loops, written from Jacobs (2008) alone,
// over any kind of number. Numbers that carry derivatives give its derivatives, and complex ones those of any order.
#pragma once

#include <cmath>
#include <complex>
#include <vector>

#include "tests/support/scalar_network.h"

namespace backprop {

// f + e1 de1 + e2 de2 + e12 de1 de2 with de1^2 = de2^2 = 0: after any computation on x + u de1 + v de2, e12 is
// u' (d^2 f / dx dx') v; Fike and Alonso (2011).
struct HyperDual {
  double f = 0, e1 = 0, e2 = 0, e12 = 0;

  // The function with value g, first derivative g1 and second derivative g2 at f.
  HyperDual Apply(double g, double g1, double g2) const { return {g, g1 * e1, g1 * e2, g1 * e12 + g2 * e1 * e2}; }
};

inline HyperDual operator+(HyperDual a, HyperDual b) { return {a.f + b.f, a.e1 + b.e1, a.e2 + b.e2, a.e12 + b.e12}; }
inline HyperDual operator-(HyperDual a) { return {-a.f, -a.e1, -a.e2, -a.e12}; }
inline HyperDual operator-(HyperDual a, HyperDual b) { return a + -b; }
inline HyperDual operator*(HyperDual a, HyperDual b) {
  return {a.f * b.f, a.e1 * b.f + a.f * b.e1, a.e2 * b.f + a.f * b.e2,
          a.e12 * b.f + a.e1 * b.e2 + a.e2 * b.e1 + a.f * b.e12};
}
inline HyperDual operator/(HyperDual a, HyperDual b) {
  return a * b.Apply(1 / b.f, -1 / (b.f * b.f), 2 / (b.f * b.f * b.f));
}
inline HyperDual exp(HyperDual a) { return a.Apply(std::exp(a.f), std::exp(a.f), std::exp(a.f)); }
inline HyperDual log(HyperDual a) { return a.Apply(std::log(a.f), 1 / a.f, -1 / (a.f * a.f)); }

inline double RealPart(HyperDual a) { return a.f; }
inline long double RealPart(std::complex<long double> a) { return a.real(); }

template <typename T>
T ActivationOf(Activation activation, T s) {
  using std::exp;
  const T one{1};
  switch (activation) {
    case Activation::kLogistic:
      return one / (one + exp(-s));  // (12)
    case Activation::kTanh:
      return one - (one + one) / (one + exp(s + s));
    case Activation::kRelu:
      return RealPart(s) > 0 ? s : T{0};
    case Activation::kIdentity:
      return s;
  }
  return s;
}

// The weighted sums of the output units for scaled inputs x; `parameters` in the flat order of Flatten.
template <typename T>
std::vector<T> OutputWeightedSums(const ScalarNetwork& network, const std::vector<T>& parameters, std::vector<T> x) {
  auto next = parameters.begin();
  for (size_t l = 0; l < network.layers.size(); ++l) {
    std::vector<T> s(network.layers[l].biases.size(), T{0});
    for (T& unit : s) {
      for (const T& below : x) unit = unit + *next++ * below;  // (7), (12)
    }
    for (T& unit : s) unit = unit + *next++;
    if (l + 1 == network.layers.size()) return s;
    for (T& unit : s) unit = ActivationOf(network.layers[l].activation, unit);
    x = s;
  }
  return x;
}

// Of one pattern with scaled targets, from its output units' weighted sums.
template <typename T>
T OutputLogLikelihood(Task task, const std::vector<T>& s, const std::vector<double>& targets) {
  using std::exp;
  using std::log;
  const T one{1};
  T sum{0}, softmax_sum{0};
  for (const T& unit : s) softmax_sum = softmax_sum + exp(unit);
  for (size_t i = 0; i < s.size(); ++i) {
    const T target{targets[i]};
    if (task == Task::kRegression) {
      sum = sum - (target - s[i]) * (target - s[i]) / (one + one);  // (3)
    } else if (task == Task::kBinaryClassification) {
      const T y = ActivationOf(Activation::kLogistic, s[i]);        // (32)
      sum = sum + target * log(y) + (one - target) * log(one - y);  // (29)
    } else {
      sum = sum + target * log(exp(s[i]) / softmax_sum);  // (36), (37)
    }
  }
  return sum;
}

// Values, scaled. `direction`, if not empty, is that of the values, in the caller's units, times `t`.
template <typename T>
std::vector<T> ScaledInputs(const ScalarScaling& scaling, const std::vector<double>& values,
                            const std::vector<double>& direction = {}, T t = T{0}) {
  std::vector<T> result;
  for (size_t i = 0; i < values.size(); ++i) {
    T value{values[i]};
    if (!direction.empty()) value = value + t * T{direction[i]};
    if (!scaling.offset.empty()) value = (value - T{scaling.offset[i]}) * T{scaling.scale[i]};
    result.push_back(value);
  }
  return result;
}

// u' C v by hyper-dual numbers, with C the Hessian of the log likelihood of the patterns by the parameters or, with
// `gauss_newton`, that matrix without the second derivatives of the output units' weighted sums.
double SecondDerivative(const ScalarNetwork& network, const std::vector<ScalarPattern>& patterns,
                        const std::vector<double>& u, const std::vector<double>& v, bool gauss_newton);

// C itself, number by number: [parameter][parameter].
std::vector<std::vector<double>> SecondDerivatives(const ScalarNetwork& network,
                                                   const std::vector<ScalarPattern>& patterns, bool gauss_newton);

// d^k / dt^k, k = 0 .. order, of the log likelihood at parameters + t v and inputs + t u (both may be empty): Cauchy's
// integral over the circle |t| = radius in complex long double, in which the log likelihood must be analytic.
std::vector<double> LineDerivatives(const ScalarNetwork& network, const std::vector<ScalarPattern>& patterns,
                                    const std::vector<double>& v, const std::vector<double>& u, int order,
                                    double radius);

}  // namespace backprop
