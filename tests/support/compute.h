// One BatchComputation with everything asked for.
#pragma once

#include <limits>

#include "core/batch_computation.h"
#include "gtest/gtest.h"

namespace backprop {

template <typename Scalar>
struct Computed {
  Measures measures;
  Parameters<Scalar> gradient;
  Matrix<Scalar> outputs, input_gradients;
};

template <typename Scalar>
Computed<Scalar> Compute(const NetworkSpec& spec, const Scalings& scalings, const Parameters<Scalar>& parameters,
                         const Patterns<Scalar>& patterns, const ParallelFor& parallel_for = SequentialFor,
                         const Matrix<Scalar>* output_error_signals = nullptr) {
  // NaN shows what was left unwritten.
  const Scalar unwritten = std::numeric_limits<Scalar>::quiet_NaN();
  Computed<Scalar> computed{
      .measures = {},
      .gradient = Parameters<Scalar>(spec.layout()),
      .outputs = Matrix<Scalar>::Constant(spec.output_unit_count(), patterns.count(), unwritten),
      .input_gradients = Matrix<Scalar>::Constant(spec.input_unit_count(), patterns.count(), unwritten)};
  const BatchRequest<Scalar> request{.pattern_count = patterns.count(),
                                     .source = SourceOf(patterns),
                                     .confusion = true,
                                     .output_error_signals = output_error_signals,
                                     .outputs = &computed.outputs,
                                     .input_gradients = &computed.input_gradients};
  BatchComputation<Scalar> computation(spec, scalings);
  EXPECT_TRUE(computation.Run(parameters, request, parallel_for, NeverStop));
  computed.measures = computation.measures();
  computed.gradient = computation.gradient();
  return computed;
}

// Neither rounding nor the order of sums: the same bits.
template <typename Scalar>
bool SameBits(const Computed<Scalar>& a, const Computed<Scalar>& b) {
  return a.gradient == b.gradient && a.outputs == b.outputs && a.input_gradients == b.input_gradients &&
         a.measures.log_likelihood == b.measures.log_likelihood && a.measures.correct == b.measures.correct &&
         a.measures.squared_error == b.measures.squared_error && a.measures.weight_sum == b.measures.weight_sum &&
         a.measures.pattern_count == b.measures.pattern_count;
}

}  // namespace backprop
