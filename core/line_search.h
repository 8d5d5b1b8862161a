// How far to go along a line: a step that satisfies Wolfe's conditions.
#pragma once

#include <limits>

namespace backprop {

// Computations that one line search asks for at most.
inline constexpr int kMaxLineSearchEvaluations = 20;

// Searches for a step > 0 by bracketing and cubic interpolation; Nocedal and Wright (2006), section 3.5, with the weak
// conditions, which a maximum with a kink (relu) has too. It asks: evaluate at step(), tell it by Observe, until the
// search is over. Ascending: with f the value along the line and f' its slope, a step t is accepted when
//
//   f(t) >= f(0) + 1e-4 t f'(0)    and    f'(t) <= 0.9 f'(0).
//
// Where f changes by no more than its rounding the first is judged by the slope instead; Hager and Zhang (2005), (4.1).
class LineSearch {
 public:
  enum class Outcome {
    kEvaluate,  // step() is new.
    kAccepted,  // What was told last is at step(), and better than where the line begins.
    kFailed,    // No step was found that is better than 0.
  };

  // `value` and `slope` > 0 are those at step 0, `rounding` is the absolute error of values.
  LineSearch(double value, double slope, double first_step, double rounding);

  double step() const { return step_; }
  // Tells it value and slope at step(). Any that are not finite stand for a step that is too long.
  Outcome Observe(double value, double slope);

 private:
  struct Point {
    double step, value, slope;
  };

  bool IsSufficient(const Point& point) const;
  // The next step inside the bracket, and beyond low_ where none is known; `before` is what low_ was before.
  double StepBetween() const;
  double StepBeyond(const Point& before) const;

  const Point start_;
  const double rounding_;
  double step_;
  int evaluation_count_ = 0;
  Point low_;  // The longest sufficient step so far, or 0.
  Point high_{
      .step = std::numeric_limits<double>::infinity(), .value = 0, .slope = 0};  // The shortest insufficient one.
};

}  // namespace backprop
