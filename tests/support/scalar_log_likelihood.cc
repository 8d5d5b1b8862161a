#include "tests/support/scalar_log_likelihood.h"

#include <numbers>

namespace backprop {
namespace {

std::vector<double> ScaledTargets(const ScalarScaling& scaling, std::vector<double> targets) {
  for (size_t i = 0; i < scaling.offset.size(); ++i) targets[i] = (targets[i] - scaling.offset[i]) * scaling.scale[i];
  return targets;
}

}  // namespace

double SecondDerivative(const ScalarNetwork& network, const std::vector<ScalarPattern>& patterns,
                        const std::vector<double>& u, const std::vector<double>& v, bool gauss_newton) {
  std::vector<HyperDual> parameters;
  const std::vector<double> flat = Flatten(network.layers);
  for (size_t p = 0; p < flat.size(); ++p) parameters.push_back({flat[p], u[p], v[p], 0});
  double sum = 0;
  for (const ScalarPattern& pattern : patterns) {
    std::vector<HyperDual> s =
        OutputWeightedSums(network, parameters, ScaledInputs<HyperDual>(network.input_scaling, pattern.inputs));
    if (gauss_newton) {
      for (HyperDual& unit : s) unit.e12 = 0;
    }
    const auto targets = ScaledTargets(network.target_scaling, pattern.targets);
    sum += pattern.weight * OutputLogLikelihood(network.task, s, targets).e12;
  }
  return sum;
}

std::vector<std::vector<double>> SecondDerivatives(const ScalarNetwork& network,
                                                   const std::vector<ScalarPattern>& patterns, bool gauss_newton) {
  const size_t count = Flatten(network.layers).size();
  std::vector<std::vector<double>> result(count, std::vector<double>(count));
  std::vector<double> u(count, 0), v(count, 0);
  for (size_t p = 0; p < count; ++p) {
    u[p] = 1;
    for (size_t q = 0; q < count; ++q) {
      v[q] = 1;
      result[p][q] = SecondDerivative(network, patterns, u, v, gauss_newton);
      v[q] = 0;
    }
    u[p] = 0;
  }
  return result;
}

std::vector<double> LineDerivatives(const ScalarNetwork& network, const std::vector<ScalarPattern>& patterns,
                                    const std::vector<double>& v, const std::vector<double>& u, int order,
                                    double radius) {
  using Complex = std::complex<long double>;
  // The trapezoidal rule on a circle is off by the coefficients of order k + kNodes: by (radius / radius of
  // convergence)^kNodes.
  constexpr int kNodes = 64;
  const std::vector<double> flat = Flatten(network.layers);
  std::vector<Complex> coefficients(order + 1);
  for (int node = 0; node < kNodes; ++node) {
    const long double angle = 2 * std::numbers::pi_v<long double> * node / kNodes;
    const Complex t = std::polar(static_cast<long double>(radius), angle);
    std::vector<Complex> parameters(flat.begin(), flat.end());
    for (size_t p = 0; p < v.size(); ++p) parameters[p] += t * Complex(v[p]);
    Complex sum = 0;
    for (const ScalarPattern& pattern : patterns) {
      const auto s =
          OutputWeightedSums(network, parameters, ScaledInputs<Complex>(network.input_scaling, pattern.inputs, u, t));
      const auto targets = ScaledTargets(network.target_scaling, pattern.targets);
      sum += Complex(pattern.weight) * OutputLogLikelihood(network.task, s, targets);
    }
    Complex power = 1;
    for (int k = 0; k <= order; ++k) {
      coefficients[k] += sum / power / Complex(kNodes);
      power *= t;
    }
  }
  std::vector<double> derivatives;
  long double factorial = 1;
  for (int k = 0; k <= order; ++k) {
    if (k > 0) factorial *= k;
    derivatives.push_back(static_cast<double>(factorial * coefficients[k].real()));
  }
  return derivatives;
}

}  // namespace backprop
