// The conjugate gradient method for a matrix that is known by its products with vectors only, truncated; Nocedal and
// Wright (2006), algorithm 7.1.
#pragma once

#include "core/matrix.h"
#include "core/parameters.h"

namespace backprop {

// Solves (B + lambda I) d = g for d from 0 on, B symmetric: it asks for the product of B with direction(), takes it by
// Observe, until it is over. lambda is `damping` times the curvature of B along g, |g'Bg| / g'g, so that damping has no
// unit. d is an ascent direction of whatever g is the gradient of, also when B is indefinite: then it is what was found
// before the first direction whose curvature is not positive, and g if that was the first.
template <typename Scalar>
class ConjugateGradients {
 public:
  // Over when |g - (B + lambda I) d| <= tolerance |g|, and after `max_product_count` products.
  ConjugateGradients(const Parameters<Scalar>& gradient, double damping, double tolerance, int max_product_count);

  const Parameters<Scalar>& direction() const { return direction_; }
  // Takes B times direction(), [parameter_count]; true when there is a new direction.
  bool Observe(const Vector<Scalar>& product);

  // When it is over: d, and by how much going along it a step of `step` adds to the value, if B is its curvature:
  // step g'd - step^2 / 2 d'Bd.
  const Vector<Scalar>& solution() const { return solution_; }
  double PredictedIncrease(double step) const { return step * slope_ - step * step / 2 * curvature_; }

  // Vectors of [parameter_count] that it holds.
  static constexpr int kVectorCount = 3;

 private:
  const double damping_;
  const int max_product_count_;
  const double gradient_square_;  // |g|^2.
  const double least_square_;     // Of the residual at which it is over.
  Parameters<Scalar> direction_;
  Vector<Scalar> residual_;
  Vector<Scalar> solution_;
  double residual_square_;
  double lambda_ = 0;
  double slope_ = 0;      // g'd
  double curvature_ = 0;  // d'Bd
  int product_count_ = 0;
};

}  // namespace backprop
