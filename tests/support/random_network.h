// Random networks with everything that a computation over patterns depends on.
#pragma once

#include <cstdint>
#include <vector>

#include "core/network_spec.h"
#include "core/parameters.h"
#include "core/patterns.h"
#include "core/random.h"
#include "core/scaling.h"

namespace backprop {

struct RandomCase {
  NetworkSpec spec;
  Scalings scalings;  // The input's, and in regression the target's too, are never the identity.
  Parameters<double> parameters;
  Patterns<double> patterns;  // Weights from 0.5 to 2; targets of classifications are soft.
};

// Parameters, scalings and patterns for a network of this shape. Every number is exact in float too, no relu unit is
// within 1e-3 of its kink, and some input gradient is not 0: the case can be compared in both precisions and
// differentiated by differences.
RandomCase MakeRandomCase(const NetworkSpec::Fields& fields, int pattern_count, int64_t seed);

// The shape random too: 0 to 4 hidden layers of 1 to 9 units with an activation function each, any task.
RandomCase MakeRandomCase(int64_t seed);

// The spec of `fields`, which are known to be good.
NetworkSpec MakeSpec(NetworkSpec::Fields fields);

// Patterns with inputs in -1 to 1, weights of 1, and targets that suit the task: classes are 0 or 1.
Patterns<double> MakePatterns(const NetworkSpec& spec, int64_t pattern_count, int64_t seed);

inline constexpr Task kTasks[] = {Task::kRegression, Task::kBinaryClassification, Task::kMultiwayClassification};
inline constexpr Activation kActivations[] = {Activation::kLogistic, Activation::kTanh, Activation::kRelu,
                                              Activation::kIdentity};

}  // namespace backprop
