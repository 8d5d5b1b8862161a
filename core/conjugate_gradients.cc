#include "core/conjugate_gradients.h"

#include <cmath>

namespace backprop {

// Legend. g: gradient, d: solution, p: direction, r: residual g - (B + lambda I) d.

template <typename Scalar>
ConjugateGradients<Scalar>::ConjugateGradients(const Parameters<Scalar>& gradient, double damping, double tolerance,
                                               int max_product_count)
    : damping_(damping),
      max_product_count_(max_product_count),
      gradient_square_(Dot(gradient.flat(), gradient.flat())),
      least_square_(tolerance * tolerance * gradient_square_),
      direction_(gradient),
      residual_(gradient.flat()),
      solution_(Vector<Scalar>::Zero(residual_.size())),
      residual_square_(gradient_square_) {}

template <typename Scalar>
bool ConjugateGradients<Scalar>::Observe(const Vector<Scalar>& product) {
  Vector<Scalar>& p = direction_.flat();
  const double own_curvature = Dot(p, product), p_square = Dot(p, p);
  if (product_count_ == 0) lambda_ = damping_ * std::abs(own_curvature) / gradient_square_;
  const double curvature = own_curvature + lambda_ * p_square;
  ++product_count_;
  if (!(curvature > 0) || !std::isfinite(curvature)) {
    if (product_count_ > 1) return false;
    solution_ = p;
    slope_ = gradient_square_;
    curvature_ = own_curvature;
    return false;
  }
  const double step = residual_square_ / curvature;
  solution_ += static_cast<Scalar>(step) * p;
  residual_ -= static_cast<Scalar>(step) * product + static_cast<Scalar>(step * lambda_) * p;
  // g'p = r'r, and directions are conjugate: both g'd and d'(B + lambda I)d grow by step r'r.
  slope_ += step * residual_square_;
  curvature_ = slope_ - lambda_ * Dot(solution_, solution_);
  const double next_square = Dot(residual_, residual_);
  p = residual_ + static_cast<Scalar>(next_square / residual_square_) * p;
  residual_square_ = next_square;
  return next_square > least_square_ && std::isfinite(next_square) && product_count_ < max_product_count_;
}

template class ConjugateGradients<float>;
template class ConjugateGradients<double>;

}  // namespace backprop
