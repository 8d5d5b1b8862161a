#include "core/lbfgs.h"

#include <algorithm>
#include <cmath>

namespace backprop {
namespace {

// Legend. s: change of the parameters, y: fall of the gradient, rho: 1 / s'y, g: gradient, d: direction.

// The least s'y of a pair that is kept, as a share of |s| |y|.
constexpr double kLeastCurvature = 1e-8;

}  // namespace

template <typename Scalar>
Vector<Scalar> LbfgsDirection(const std::vector<CurvaturePair<Scalar>>& history, const Vector<Scalar>& gradient) {
  Vector<Scalar> d = gradient;
  if (history.empty()) {
    d *= static_cast<Scalar>(1 / std::max(1.0, NormOf(gradient)));
    return d;
  }
  std::vector<double> alphas(history.size());
  for (size_t i = history.size(); i-- > 0;) {
    const auto& [s, y] = history[i];
    alphas[i] = Dot(s, d) / Dot(s, y);
    d -= static_cast<Scalar>(alphas[i]) * y;
  }
  const auto& [last_s, last_y] = history.back();
  d *= static_cast<Scalar>(Dot(last_s, last_y) / Dot(last_y, last_y));  // (7.20)
  for (size_t i = 0; i < history.size(); ++i) {
    const auto& [s, y] = history[i];
    d += static_cast<Scalar>(alphas[i] - Dot(y, d) / Dot(s, y)) * s;
  }
  return d;
}

template <typename Scalar>
void AddCurvaturePair(int history_size, const CurvaturePair<Scalar>& pair,
                      std::vector<CurvaturePair<Scalar>>* history) {
  const double curvature = Dot(pair.step, pair.gradient_fall);
  const double lengths = std::sqrt(Dot(pair.step, pair.step)) * std::sqrt(Dot(pair.gradient_fall, pair.gradient_fall));
  if (!(curvature > kLeastCurvature * lengths) || !std::isfinite(lengths)) return;
  if (history->size() < static_cast<size_t>(history_size)) {
    history->push_back(pair);
  } else {
    // The oldest one's memory is used again.
    std::rotate(history->begin(), history->begin() + 1, history->end());
    history->back() = pair;
  }
}

template Vector<float> LbfgsDirection(const std::vector<CurvaturePair<float>>&, const Vector<float>&);
template Vector<double> LbfgsDirection(const std::vector<CurvaturePair<double>>&, const Vector<double>&);
template void AddCurvaturePair(int, const CurvaturePair<float>&, std::vector<CurvaturePair<float>>*);
template void AddCurvaturePair(int, const CurvaturePair<double>&, std::vector<CurvaturePair<double>>*);

}  // namespace backprop
