// The oracle: backpropagation in plain loops over std::vector<double>, one pattern and one unit at a time, written from
// Jacobs (2008) alone. It shares no code with core/ but the names of tasks and activation functions.
#pragma once

#include <vector>

#include "core/network_spec.h"

namespace backprop {

// The weights into one layer: weights[i][j] is the note's w_ij, from unit j below to unit i; biases[i] that of unit i.
struct ScalarLayer {
  std::vector<std::vector<double>> weights;
  std::vector<double> biases;
  Activation activation = Activation::kIdentity;  // Of the output layer: unused, the task says.
};

// scaled = (value - offset) * scale, unit by unit; empty: the identity.
struct ScalarScaling {
  std::vector<double> offset, scale;
};

struct ScalarNetwork {
  Task task = Task::kRegression;
  std::vector<ScalarLayer> layers;
  ScalarScaling input_scaling, target_scaling;
};

// In the caller's units.
struct ScalarPattern {
  std::vector<double> inputs, targets;
  double weight = 1;
};

struct ScalarResult {
  double log_likelihood = 0;  // Sum over patterns, each times its weight.
  double weight_sum = 0;
  std::vector<ScalarLayer> gradient;                 // Of that log likelihood.
  std::vector<std::vector<double>> outputs;          // [pattern][unit], in the caller's units.
  std::vector<std::vector<double>> input_gradients;  // [pattern][unit], by the caller's inputs.
};

// Forward and backward pass of every pattern.
ScalarResult Backpropagate(const ScalarNetwork& network, const std::vector<ScalarPattern>& patterns);

// The same with d log L / d s of the output units, [pattern][unit], in place of targets; log_likelihood is then 0.
ScalarResult Backpropagate(const ScalarNetwork& network, const std::vector<ScalarPattern>& patterns,
                           const std::vector<std::vector<double>>& output_error_signals);

// The least |weighted sum| of a relu unit: how far away the nearest kink of the log likelihood is.
double KinkDistance(const ScalarNetwork& network, const std::vector<ScalarPattern>& patterns);

// Layer by layer, weights row by row, then biases.
std::vector<double> Flatten(const std::vector<ScalarLayer>& layers);
// The inverse of Flatten, into layers of the right sizes.
void Unflatten(const std::vector<double>& flat, std::vector<ScalarLayer>* layers);

}  // namespace backprop
