#include "core/step_size_schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace backprop {

double StepSizeOf(const TrainingOptions& options, int64_t epoch, int64_t epoch_count, const PlateauState& plateau) {
  const double first = options.step_size;
  if (const auto* exponential = std::get_if<ExponentialSchedule>(&options.schedule)) {
    return first * std::pow(exponential->factor, static_cast<double>(epoch - 1));
  }
  if (const auto* cosine = std::get_if<CosineSchedule>(&options.schedule)) {
    const int64_t epochs = cosine->epoch_count > 0 ? cosine->epoch_count : epoch_count;
    const double done =
        epochs > 1 ? std::min(1.0, static_cast<double>(epoch - 1) / static_cast<double>(epochs - 1)) : 0;
    const double last = cosine->final_step_size;
    return last + (first - last) * (1 + std::cos(std::numbers::pi * done)) / 2;
  }
  if (const auto* on_plateau = std::get_if<OnPlateauSchedule>(&options.schedule)) {
    return std::max(first * plateau.factor, std::min(first, on_plateau->min_step_size));
  }
  return first;
}

void ObserveEpoch(const TrainingOptions& options, double mean_log_likelihood, PlateauState* plateau) {
  const auto* on_plateau = std::get_if<OnPlateauSchedule>(&options.schedule);
  if (on_plateau == nullptr) return;
  if (mean_log_likelihood > plateau->best + on_plateau->min_improvement) {
    plateau->best = mean_log_likelihood;
    plateau->epochs_without_improvement = 0;
  } else if (++plateau->epochs_without_improvement >= on_plateau->patience) {
    plateau->factor *= on_plateau->factor;
    plateau->epochs_without_improvement = 0;
  }
}

}  // namespace backprop
