#include "core/early_stopping.h"

namespace backprop {

bool ObserveEpoch(const std::optional<EarlyStopping>& options, int64_t epoch, double mean_log_likelihood,
                  EarlyStoppingState* state) {
  if (mean_log_likelihood > state->improved_over + (options ? options->min_improvement : 0)) {
    state->improved_over = mean_log_likelihood;
    state->epochs_without_improvement = 0;
  } else {
    ++state->epochs_without_improvement;
  }
  if (mean_log_likelihood <= state->best) return false;
  state->best = mean_log_likelihood;
  state->best_epoch = epoch;
  return true;
}

bool ShouldStop(const std::optional<EarlyStopping>& options, const EarlyStoppingState& state) {
  return options && state.epochs_without_improvement >= options->patience;
}

}  // namespace backprop
