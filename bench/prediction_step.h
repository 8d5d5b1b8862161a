// How fast core/ predicts by itself: no server, no network.
#pragma once

#include "bench/training_step.h"

namespace backprop::bench {

// Predicts the shape's batch_size patterns a call, float32, on the calling thread. Not thread-safe.
class PredictionStep {
 public:
  explicit PredictionStep(const TrainingShape& shape);
  ~PredictionStep();
  PredictionStep(const PredictionStep&) = delete;
  PredictionStep& operator=(const PredictionStep&) = delete;

  // Predicts for at least `seconds`; patterns a second.
  double PatternsPerSecond(double seconds);

 private:
  struct State;
  State* const state_;
};

}  // namespace backprop::bench
