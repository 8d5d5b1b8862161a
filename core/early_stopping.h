// The best epoch so far, and whether it is time to stop.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>

#include "core/training_options.h"

namespace backprop {

// What early stopping remembers; all there is to save and restore. A value.
struct EarlyStoppingState {
  double best = -std::numeric_limits<double>::infinity();           // Mean log likelihood of the best epoch.
  double improved_over = -std::numeric_limits<double>::infinity();  // The one that the next must beat to go on.
  int64_t best_epoch = 0;
  int epochs_without_improvement = 0;
};

// Tells it an epoch's mean log likelihood (of the validation set where there is one). True when the epoch is the best.
bool ObserveEpoch(const std::optional<EarlyStopping>& options, int64_t epoch, double mean_log_likelihood,
                  EarlyStoppingState* state);

// True when `patience` epochs have gone by without an improvement of at least min_improvement.
bool ShouldStop(const std::optional<EarlyStopping>& options, const EarlyStoppingState& state);

}  // namespace backprop
