#include "core/optimizer.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace backprop {
namespace {

// Legend. w: parameters, g: gradient, to be taken times c, v: velocity, m and u: Adam's means of g and g^2, e: step
// size.

template <typename Scalar>
void Step(const GradientAscent& options, Scalar e, Scalar c, const Vector<Scalar>& g, OptimizerState<Scalar>* state,
          Vector<Scalar>* w) {
  if (options.momentum == 0) {
    *w += e * c * g;  // w(n+1) = w(n) + e d log L / d w (15)
    return;
  }
  Vector<Scalar>& v = state->first;
  if (v.size() == 0) v.setZero(g.size());
  const Scalar momentum = static_cast<Scalar>(options.momentum);
  v = momentum * v + c * g;
  if (options.nesterov) {
    *w += e * (c * g + momentum * v);
  } else {
    *w += e * v;
  }
}

template <typename Scalar>
void Step(const Adam& options, Scalar e, Scalar c, const Vector<Scalar>& g, OptimizerState<Scalar>* state,
          Vector<Scalar>* w) {
  Vector<Scalar>&m = state->first, &u = state->second;
  if (m.size() == 0) {
    m.setZero(g.size());
    u.setZero(g.size());
  }
  const double n = static_cast<double>(state->step_count);
  const Scalar beta1 = static_cast<Scalar>(options.beta1), beta2 = static_cast<Scalar>(options.beta2);
  // In double: in float 1 - 0.999f is off by 5e-5, and an epsilon below the least float would be 0.
  const Scalar rest1 = static_cast<Scalar>(1 - options.beta1), rest2 = static_cast<Scalar>(1 - options.beta2);
  const Scalar epsilon = static_cast<Scalar>(std::max(options.epsilon, double{std::numeric_limits<Scalar>::min()}));
  const Scalar m_correction = static_cast<Scalar>(1 / (1 - std::pow(options.beta1, n)));
  const Scalar u_correction = static_cast<Scalar>(1 / (1 - std::pow(options.beta2, n)));
  m = beta1 * m + rest1 * c * g;
  u.array() = beta2 * u.array() + rest2 * (c * g.array()).square();
  w->array() += e * (m_correction * m.array()) / ((u_correction * u.array()).sqrt() + epsilon);
}

// Signs of the gradient are all it looks at.
template <typename Scalar>
void Step(const Rprop& options, Scalar e, Scalar /*c*/, const Vector<Scalar>& g, OptimizerState<Scalar>* state,
          Vector<Scalar>* w) {
  Vector<Scalar>&previous = state->first, &steps = state->second;
  const Scalar least = static_cast<Scalar>(options.min_step_size), most = static_cast<Scalar>(options.max_step_size);
  if (previous.size() == 0) {
    previous.setZero(g.size());
    steps.setConstant(g.size(), std::min(std::max(e, least), most));
  }
  for (Eigen::Index i = 0; i < g.size(); ++i) {
    Scalar gradient = g(i);
    // Signs, not the product of the gradients, which could underflow.
    const int agreement = (previous(i) > 0) - (previous(i) < 0);
    const int sign = (gradient > 0) - (gradient < 0);
    if (agreement * sign > 0) {
      steps(i) = std::min(steps(i) * static_cast<Scalar>(options.increase_factor), most);
    } else if (agreement * sign < 0) {
      steps(i) = std::max(steps(i) * static_cast<Scalar>(options.decrease_factor), least);
      gradient = 0;  // Past the maximum: stand still once, and do not shrink again next time.
    }
    (*w)(i) += static_cast<Scalar>((gradient > 0) - (gradient < 0)) * steps(i);
    previous(i) = gradient;
  }
}

template <typename Scalar>
void Step(const Lbfgs&, Scalar e, Scalar c, const Vector<Scalar>& g, OptimizerState<Scalar>*, Vector<Scalar>* w) {
  *w += e * c * g;
}

template <typename Scalar>
void Step(const NewtonCg&, Scalar e, Scalar c, const Vector<Scalar>& g, OptimizerState<Scalar>*, Vector<Scalar>* w) {
  *w += e * c * g;
}

}  // namespace

template <typename Scalar>
void OptimizerStep(const OptimizerOptions& options, double step_size, double scale, const Vector<Scalar>& gradient,
                   OptimizerState<Scalar>* state, Vector<Scalar>* parameters) {
  ++state->step_count;
  std::visit(
      [&](const auto& o) {
        Step(o, static_cast<Scalar>(step_size), static_cast<Scalar>(scale), gradient, state, parameters);
      },
      options);
}

int OptimizerVectorCount(const OptimizerOptions& options) {
  if (const auto* lbfgs = std::get_if<Lbfgs>(&options)) return 2 * lbfgs->history_size;
  if (std::holds_alternative<NewtonCg>(options)) return 0;
  if (const auto* ascent = std::get_if<GradientAscent>(&options)) return ascent->momentum == 0 ? 0 : 1;
  return 2;
}

template void OptimizerStep(const OptimizerOptions&, double, double, const Vector<float>&, OptimizerState<float>*,
                            Vector<float>*);
template void OptimizerStep(const OptimizerOptions&, double, double, const Vector<double>&, OptimizerState<double>*,
                            Vector<double>*);

}  // namespace backprop
