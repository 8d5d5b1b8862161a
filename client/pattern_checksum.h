#pragma once

#include <cstdint>

#include "backprop/v1/patterns.pb.h"

namespace backprop::client {

// CRC-32 of the elements as sent, as AppendPatternsRequest.crc32 defines it: inputs, targets, target_classes and
// pattern_weights, little-endian, one after another.
[[nodiscard]] uint32_t ChecksumOf(const v1::Patterns& patterns);

}  // namespace backprop::client
