// The oracle of training: epochs, batches, schedules and optimizers, one parameter at a time, on top of the oracle of
// backpropagation.
#pragma once

#include <cstdint>
#include <vector>

#include "core/training_options.h"
#include "tests/support/scalar_network.h"

namespace backprop {

struct ScalarEpoch {
  double step_size = 0;
  double log_likelihood = 0;  // Sum over patterns, each under the parameters it met.
  double gradient_norm = 0;   // Of the reduced gradient, before limit and decay; mean over batches.
};

struct ScalarTraining {
  std::vector<double> parameters;  // After the last epoch, flat.
  std::vector<ScalarEpoch> epochs;
};

// The update rule by itself: parameters and what the optimizer remembers, with the formulas of training_options.proto.
class ScalarOptimizer {
 public:
  explicit ScalarOptimizer(const OptimizerOptions& options) : options_(options) {}

  void Step(double step_size, const std::vector<double>& gradient, std::vector<double>* parameters);

 private:
  // What is remembered of one parameter.
  struct Memory {
    double velocity = 0, mean = 0, mean_square = 0, step = 0;
    int sign = 0;
  };

  double Change(const GradientAscent& options, double step_size, double gradient, Memory* memory) const;
  double Change(const Adam& options, double step_size, double gradient, Memory* memory) const;
  double Change(const Rprop& options, double step_size, double gradient, Memory* memory) const;
  // Not one parameter at a time: without their searches these are ascent.
  double Change(const Lbfgs&, double step_size, double gradient, Memory*) const { return step_size * gradient; }
  double Change(const NewtonCg&, double step_size, double gradient, Memory*) const { return step_size * gradient; }

  OptimizerOptions options_;
  int step_count_ = 0;
  std::vector<Memory> memory_;
};

// The reduced gradient of a batch with the limit and the decay applied, and its norm before them.
double Reduce(const TrainingOptions& options, const ScalarNetwork& network, double weight_sum,
              std::vector<double>* gradient);

// Trains `network` for `epoch_count` epochs; early stopping is left to the caller.
ScalarTraining Train(ScalarNetwork network, const std::vector<ScalarPattern>& patterns, const TrainingOptions& options,
                     int64_t epoch_count);

}  // namespace backprop
