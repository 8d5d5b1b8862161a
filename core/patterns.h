// A batch of patterns as a value, and one pattern where it is stored.
#pragma once

#include "core/matrix.h"

namespace backprop {

// Limits of a batch and of a set; quoted in the protos.
inline constexpr int64_t kMaxPatternsPerBatch = 65'536;
inline constexpr int64_t kMaxPatternsPerSet = 2'147'483'647;

// Patterns in the caller's units: scaling is applied when they are used.
template <typename Scalar>
struct Patterns {
  Matrix<Scalar> inputs;      // [input_unit_count x pattern_count]
  Matrix<Scalar> targets;     // [output_unit_count x pattern_count]; no columns where none are needed
  RowVector<Scalar> weights;  // [pattern_count], each pattern's weight in sums over patterns

  int64_t count() const { return inputs.cols(); }
  bool operator==(const Patterns& other) const {
    return SameMatrix(inputs, other.inputs) && SameMatrix(targets, other.targets) && SameMatrix(weights, other.weights);
  }
};

// Valid as long as what it was taken from.
template <typename Scalar>
struct PatternView {
  const Scalar* inputs;   // [input_unit_count]
  const Scalar* targets;  // [output_unit_count]
  Scalar weight;
};

}  // namespace backprop
