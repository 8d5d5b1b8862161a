// Small classic problems.
#pragma once

#include "core/patterns.h"

namespace backprop {

// Exclusive or: four patterns of two inputs and one target.
Patterns<double> XorPatterns();

// The encoder: pattern i of `unit_count` has input i and target i at 1, all others at 0.
Patterns<double> EncoderPatterns(int unit_count);

}  // namespace backprop
