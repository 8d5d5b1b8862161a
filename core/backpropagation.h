// The chain rule: the forward pass and the backward pass over a batch of patterns; Jacobs (2008), eq. (4)-(14),
// (30)-(41).
#pragma once

#include <vector>

#include "core/matrix.h"
#include "core/network_spec.h"
#include "core/parameters.h"
#include "core/products.h"

namespace backprop {

// Which ways patterns go: forward alone, or back too.
enum class Ways { kForward, kBoth };

// What one pass leaves behind, layer by layer, for up to pattern_capacity patterns; reused from batch to batch. Moved,
// never copied. Of Ways::kForward it has activations only.
template <typename Scalar>
struct Pass {
  using Activations = Eigen::Map<Matrix<Scalar>, Eigen::AlignedMax, Eigen::OuterStride<>>;

  Pass(const NetworkSpec& spec, int64_t pattern_capacity, Ways ways = Ways::kBoth);
  Pass(Pass&&) noexcept = default;
  Pass& operator=(Pass&&) noexcept = default;

  // Bytes that such a pass takes.
  static int64_t ByteCount(const NetworkSpec& spec, int64_t pattern_capacity, Ways ways = Ways::kBoth);

  // [layer 0 .. layer_count][unit_count x pattern_capacity]: layer 0 is the inputs x, the last the outputs.
  std::vector<Activations> activations;
  // [layer 0 .. layer_count][unit_count x pattern_capacity]: d log L / d s; of layer 0, d log L / d x.
  std::vector<Activations> error_signals;
  // [layer 1 .. layer_count], that of layer l at l - 1: the same once more, as gradients are made of it.
  std::vector<SignalTiles<Scalar>> signal_tiles;

 private:
  Vector<Scalar> storage_;
};

// Patterns of a pass: columns [begin, begin + count).
struct PatternRange {
  int64_t begin = 0;
  int64_t count = 0;
};

// Weighted sums and activations of every layer for the patterns whose inputs stand in activations[0]. The output layer
// is left at its weighted sums: its activation belongs to the task (output_layer.h).
template <typename Scalar>
void Forward(const NetworkSpec& spec, const Parameters<Scalar>& parameters, PatternRange range, Pass<Scalar>* pass);

// The error signals d log L / d s of every hidden layer, given those of the output layer in
// error_signals[layer_count], and the tiles of all. With `input_gradients` also fills error_signals[0] with d log L /
// d x.
template <typename Scalar>
void SendBack(const NetworkSpec& spec, const Parameters<Scalar>& parameters, PatternRange range, bool input_gradients,
              Pass<Scalar>* pass);

// Weights into one layer from units [first_input, first_input + input_count) of the layer below: a part of the gradient
// that is computed by itself. The part with first_input 0 has the layer's biases too.
struct GradientPart {
  int layer = 0;
  int64_t first_input = 0;
  int64_t input_count = 0;
};

// A part of d log L / d w, summed over the first `n` patterns of the pass, which have been sent back.
template <typename Scalar>
void SumGradient(const GradientPart& part, int64_t n, const Pass<Scalar>& pass, Into into,
                 Parameters<Scalar>* gradient);

// In place of SumGradient: the step (15) up that part of the gradient, w += step d log L / d w, for at most
// kMaxProductPatterns patterns. Returns the sum of squares of the part, in Scalar's range.
template <typename Scalar>
double AscendGradient(const GradientPart& part, int64_t n, const Pass<Scalar>& pass, Scalar step,
                      Parameters<Scalar>* parameters);

// Of the first `n` patterns: SendBack, and adds the whole of d log L / d w to `gradient`.
template <typename Scalar>
void Backward(const NetworkSpec& spec, const Parameters<Scalar>& parameters, int64_t n, bool input_gradients,
              Pass<Scalar>* pass, Parameters<Scalar>* gradient);
template <typename Scalar>
void Forward(const NetworkSpec& spec, const Parameters<Scalar>& parameters, int64_t n, Pass<Scalar>* pass) {
  Forward(spec, parameters, PatternRange{0, n}, pass);
}

}  // namespace backprop
