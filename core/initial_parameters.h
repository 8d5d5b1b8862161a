// Parameters before training.
#pragma once

#include "core/network_spec.h"
#include "core/parameters.h"

namespace backprop {

// Weights drawn as spec.fields().initial_weights says, in the flat order, by one generator in double; biases 0, but
// drawn too by kUniform. The same spec gives the same bits; float is the rounding of double.
template <typename Scalar>
Parameters<Scalar> InitialParameters(const NetworkSpec& spec);

}  // namespace backprop
