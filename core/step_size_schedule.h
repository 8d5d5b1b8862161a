// The step size of each epoch.
#pragma once

#include <cstdint>
#include <limits>

#include "core/training_options.h"

namespace backprop {

// What a plateau schedule remembers; all there is to save and restore. A value.
struct PlateauState {
  double best = -std::numeric_limits<double>::infinity();
  int epochs_without_improvement = 0;
  double factor = 1;
};

// Step size of `epoch` (from 1) of a run of `epoch_count` epochs.
double StepSizeOf(const TrainingOptions& options, int64_t epoch, int64_t epoch_count, const PlateauState& plateau);

// Tells a plateau schedule an epoch's mean log likelihood; others ignore it.
void ObserveEpoch(const TrainingOptions& options, double mean_log_likelihood, PlateauState* plateau);

}  // namespace backprop
