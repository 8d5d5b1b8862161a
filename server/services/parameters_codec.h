// Parameters of the wire from and to those of the core.
#pragma once

#include <cstdint>
#include <string>

#include "backprop/v1/parameters.pb.h"
#include "core/error.h"
#include "core/network_spec.h"
#include "core/parameters.h"

namespace backprop::server {

// Parameters of `spec`'s shape; violations name the layer, such as `parameters.layers[1].weights`. Without parameters
// in case of any.
template <typename Scalar>
Parameters<Scalar> DecodeParameters(const v1::Parameters& wire, const NetworkSpec& spec, const std::string& field,
                                    Violations* violations);

// The parameters into `layer`, 1 to layer_count().
template <typename Scalar>
void EncodeLayerParameters(const Parameters<Scalar>& parameters, int layer, v1::LayerParameters* wire);

template <typename Scalar>
void EncodeParameters(const Parameters<Scalar>& parameters, int64_t model_version, v1::Parameters* wire);

}  // namespace backprop::server
