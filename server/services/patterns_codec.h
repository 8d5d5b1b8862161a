// Patterns of the wire from and to those of the core.
#pragma once

#include <cstdint>
#include <string>

#include "backprop/v1/patterns.pb.h"
#include "core/error.h"
#include "core/network_spec.h"
#include "core/pattern_sequence.h"
#include "core/patterns.h"
#include "server/services/matrix_view.h"
#include "server/sessions/memory_budget.h"

namespace backprop::server {

enum class Targets { kNeeded, kIgnored };

// Takes the memory that `row_count` patterns of a request will take decoded, inputs and targets or outputs, or
// RESOURCE_EXHAUSTED, reason MEMORY_LIMIT: bytes on the wire may be fewer by far. Nothing for what decoding will
// refuse.
template <typename Scalar>
absl::Status ChargeForPatterns(int64_t row_count, const NetworkSpec& spec, MemoryCharge* charge);

// The patterns of `wire` for a network of `spec`; violations name fields below `field`. Meaningless in case of any.
template <typename Scalar>
Patterns<Scalar> DecodePatterns(const v1::Patterns& wire, const NetworkSpec& spec, Targets targets,
                                const std::string& field, Violations* violations);

// The same, with targets, to the end of `patterns`.
template <typename Scalar>
void DecodePatternsInto(PatternSequence<Scalar>* patterns, const PatternsView& wire, const NetworkSpec& spec,
                        const std::string& field, Violations* violations);

// Targets of multiway classification become target_classes where each of them is a class.
template <typename Scalar>
void EncodePatterns(const Patterns<Scalar>& patterns, const NetworkSpec& spec, v1::Patterns* wire);

// CRC-32 of the elements of `wire` as pattern_service.proto defines it.
int64_t ChecksumOf(const PatternsView& wire);

}  // namespace backprop::server
