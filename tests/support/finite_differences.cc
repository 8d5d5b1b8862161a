#include "tests/support/finite_differences.h"

#include <cmath>
#include <limits>

namespace backprop {

// Truncation: the central difference of width h is off by h^2/6 f'''. The difference of width 2h is off by four times
// that, so a third of what the two differ by estimates it; a factor of 2 is left for the terms behind f'''.
// Rounding: f is a sum of about a hundred terms, each with a relative error of epsilon, so that it is off by at most
// 100 epsilon (1 + |f|), twice, divided by 2h. With h = 1e-5 and |f| about 10 that is 2e-8.
FiniteDifferences Differentiate(const std::function<double(const std::vector<double>&)>& f, std::vector<double> x,
                                double step) {
  const double rounding = 100 * std::numeric_limits<double>::epsilon() * (1 + std::abs(f(x))) / step;
  FiniteDifferences result;
  for (double& coordinate : x) {
    const double at = coordinate;
    const auto difference = [&](double h) {
      coordinate = at + h;
      const double above = f(x);
      coordinate = at - h;
      const double below = f(x);
      coordinate = at;
      return (above - below) / (2 * h);
    };
    const double narrow = difference(step), wide = difference(2 * step);
    result.gradient.push_back(narrow);
    result.tolerances.push_back(2 * std::abs(wide - narrow) / 3 + rounding);
  }
  return result;
}

}  // namespace backprop
