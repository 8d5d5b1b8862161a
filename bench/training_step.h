// How fast core/ trains by itself: no server, no network.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/network_spec.h"
#include "core/parallel_for.h"

namespace backprop::bench {

// A multiway classifier with logistic hidden units and what it is trained with: gradient ascent, shuffled batches.
struct TrainingShape {
  std::vector<int> layers;  // Units: inputs, hidden, outputs.
  int batch_size = 1;
  int64_t pattern_count = 4096;
  double input_scale = 1;                  // Inputs are uniform from 0 to this.
  [[nodiscard]] std::string name() const;  // Such as 784-300-10, batch 32.
};

NetworkSpec SpecOf(const TrainingShape& shape, Precision precision);

// Floating point operations of one pattern's forward and backward pass, in the matrix products alone: two per weight
// forward and two into the gradient, and two per weight above the first layer for what is sent back.
double FlopsPerPattern(const TrainingShape& shape);

// A trainer that goes on from measurement to measurement. Not thread-safe.
template <typename Scalar>
class TrainingStep {
 public:
  explicit TrainingStep(const TrainingShape& shape);
  ~TrainingStep();
  TrainingStep(const TrainingStep&) = delete;
  TrainingStep& operator=(const TrainingStep&) = delete;

  // Trains on for at least `seconds`, in whole epochs or parts of them; patterns a second.
  double PatternsPerSecond(double seconds, const ParallelFor& parallel_for = SequentialFor);

 private:
  struct State;
  State* const state_;
};

}  // namespace backprop::bench
