// Affine scaling of inputs and targets: it travels with the session and is applied alike in training, evaluation,
// prediction and derivatives.
#pragma once

#include "absl/status/status.h"
#include "core/matrix.h"
#include "core/network_spec.h"
#include "core/pattern_sequence.h"

namespace backprop {

// scaled = (value - offset) * scale, unit by unit. Both empty: the identity. A value.
struct Scaling {
  Vector<double> offset;  // [unit_count]
  Vector<double> scale;   // [unit_count], never 0

  bool is_identity() const { return offset.size() == 0; }
  // `values` [unit_count x pattern_count], in place.
  template <typename Scalar>
  void Apply(Columns<Scalar> values) const;
  // The inverse, in place: value = scaled / scale + offset.
  template <typename Scalar>
  void Undo(Columns<Scalar> values) const;

  bool operator==(const Scaling& other) const {
    return SameMatrix(offset, other.offset) && SameMatrix(scale, other.scale);
  }
};

// The scalings of a session. Targets are scaled in regression only.
struct Scalings {
  Scaling input = {};
  Scaling target = {};
  bool operator==(const Scalings&) const = default;
};

// INVALID_ARGUMENT naming `input_scaling.scale[2]` and the like when a size is not the network's, a number is not
// finite, a scale is 0, either vanishes or overflows in the network's precision, or targets of a classification are
// scaled.
absl::Status Validate(const Scalings& scalings, const NetworkSpec& spec);

enum class ScalingMethod { kStandardize, kMinMax };

// Scaling fitted to `patterns` (at least one; pattern weights not counted): STANDARDIZE to mean 0 and variance 1 (of
// the population), MIN_MAX to the range 0 to 1. A unit that never varies gets scale 1. Targets likewise in regression.
// The result is valid: a spread that the precision cannot hold counts as none.
template <typename Scalar>
Scalings FitScalings(const NetworkSpec& spec, const PatternSequence<Scalar>& patterns, ScalingMethod method);

}  // namespace backprop
