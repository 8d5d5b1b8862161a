// Derivatives without the chain rule: central differences in double.
#pragma once

#include <functional>
#include <vector>

namespace backprop {

struct FiniteDifferences {
  std::vector<double> gradient;
  // How far each may be from the exact derivative; see the .cc for where it comes from.
  std::vector<double> tolerances;
};

// (f(x + step e_i) - f(x - step e_i)) / (2 step) for every i. `f` must have no kink within `step` of x.
FiniteDifferences Differentiate(const std::function<double(const std::vector<double>&)>& f, std::vector<double> x,
                                double step = 1e-5);

}  // namespace backprop
