#include "core/line_search.h"

#include <algorithm>
#include <cmath>

namespace backprop {
namespace {

// The constants of Wolfe's conditions.
constexpr double kSufficientIncrease = 1e-4;
constexpr double kSlopeDecrease = 0.9;
// A next step is so many times the last where no bound is known,
constexpr double kLeastExpansion = 2;
constexpr double kMostExpansion = 10;
// and keeps this share of the interval from both its ends where one is.
constexpr double kMargin = 0.1;

}  // namespace

LineSearch::LineSearch(double value, double slope, double first_step, double rounding)
    : start_{.step = 0, .value = value, .slope = slope}, rounding_(rounding), step_(first_step), low_(start_) {}

bool LineSearch::IsSufficient(const Point& point) const {
  if (!std::isfinite(point.value) || !std::isfinite(point.slope)) return false;
  if (point.value >= start_.value + kSufficientIncrease * point.step * start_.slope) return true;
  return point.value >= start_.value - rounding_ && point.slope >= (2 * kSufficientIncrease - 1) * start_.slope;
}

double LineSearch::StepBetween() const {
  const double width = high_.step - low_.step;
  const double least = low_.step + kMargin * width, most = high_.step - kMargin * width;
  if (!std::isfinite(high_.value) || !std::isfinite(high_.slope)) return least;
  // The maximum of the cubic through both points; Nocedal and Wright (2006), (3.59), ascending.
  const double d1 = -low_.slope - high_.slope + 3 * (high_.value - low_.value) / width;
  const double root = std::sqrt(std::max(0.0, d1 * d1 - low_.slope * high_.slope));
  const double step = high_.step - width * (-high_.slope + root - d1) / (low_.slope - high_.slope + 2 * root);
  return std::isfinite(step) ? std::clamp(step, least, most) : (least + most) / 2;
}

double LineSearch::StepBeyond(const Point& before) const {
  const double least = kLeastExpansion * low_.step, most = kMostExpansion * low_.step;
  if (before.slope <= low_.slope) return most;
  // Where the slope is 0 if it goes on falling as it did.
  const double root = low_.step + low_.slope * (low_.step - before.step) / (before.slope - low_.slope);
  return std::clamp(root, least, most);
}

auto LineSearch::Observe(double value, double slope) -> Outcome {
  const Point point{.step = step_, .value = value, .slope = slope};
  const bool sufficient = IsSufficient(point);
  ++evaluation_count_;
  if (sufficient && (slope <= kSlopeDecrease * start_.slope || evaluation_count_ == kMaxLineSearchEvaluations)) {
    return Outcome::kAccepted;
  }
  if (evaluation_count_ == kMaxLineSearchEvaluations) return Outcome::kFailed;
  const Point before = low_;
  (sufficient ? low_ : high_) = point;
  step_ = std::isfinite(high_.step) ? StepBetween() : StepBeyond(before);
  const bool out_of_steps = !(step_ > low_.step && step_ < high_.step);  // By overflow or rounding.
  if (evaluation_count_ < kMaxLineSearchEvaluations - 1 && !out_of_steps) return Outcome::kEvaluate;
  // The last evaluation is of the best step there is.
  evaluation_count_ = kMaxLineSearchEvaluations - 1;
  if (low_.step > 0) step_ = low_.step;
  return low_.step > 0 || !out_of_steps ? Outcome::kEvaluate : Outcome::kFailed;
}

}  // namespace backprop
