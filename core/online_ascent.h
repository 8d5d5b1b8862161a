// On-line training by plain gradient ascent, at the speed at which the weights pass by once a pattern.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/measures.h"
#include "core/network_spec.h"
#include "core/parameters.h"
#include "core/pattern_block.h"
#include "core/patterns.h"
#include "core/scaling.h"
#include "core/training_options.h"

namespace backprop {

// The batch of one pattern is what batch_computation.h and update.h make of it, step by step the same chain rule; but
// its gradient d h' is never written down. A pattern's step is pending until the next pattern: each row of weights is
// read once, takes the step of the pattern before, and goes into the weighted sum of this one. A first layer that is
// large takes a block of patterns at a time instead (pattern_block.h). bench/README.md has what that buys. Not
// thread-safe.
template <typename Scalar>
class OnlineAscent {
 public:
  // True for a batch size of 1 and gradient ascent without momentum and weight decay.
  static bool Serves(const TrainingOptions& options);
  static int64_t WorkspaceBytes(const NetworkSpec& spec);

  OnlineAscent(NetworkSpec spec, Scalings scalings);

  // How many patterns Learn takes at most: a block, or a few one by one.
  int64_t block_size() const;

  // Learns from patterns, at most block_size(), one after the other, at `parameters`, which are those of the last call
  // but for a step that is pending. Adds to `measures`, and to `norm_sum` the norms of the patterns' gradients, before
  // the limit. Returns how many were learned from: a pattern of which norm or log likelihood is not finite is not, and
  // ends it. The bits are of the patterns and of where blocks begin.
  int64_t Learn(const TrainingOptions& options, double step_size, std::span<const PatternView<Scalar>> patterns,
                Parameters<Scalar>* parameters, Measures* measures, double* norm_sum);
  // Takes the step that is pending: `parameters` are what was learned.
  void Finish(Parameters<Scalar>* parameters);

  // [output_unit_count]: of the pattern that was learned last, under the weights it met, in the caller's units.
  Vector<Scalar> outputs() const;

 private:
  // h of layers 0 (the inputs x) to layer_count(), and steps: step size times error signals, of layers 1 to
  // layer_count().
  struct Pattern {
    std::vector<Vector<Scalar>> h, steps;
  };

  // True when the patterns' inputs are in the block, which has begun.
  bool BeginBlock(std::span<const PatternView<Scalar>> patterns, const Parameters<Scalar>& parameters);
  // From the first layer's weighted sums in now_->h[1]. `squared_input`: |x|^2 + 1. Returns the norm; NaN when the
  // pattern was not learned from.
  double LearnOne(const TrainingOptions& options, double step_size, const PatternView<Scalar>& pattern,
                  double squared_input, Parameters<Scalar>* parameters, Measures* measures);
  // The weighted sums of `layer` over what is below, after the step that is pending, if any.
  void Step(int layer, const Vector<Scalar>& h, Vector<Scalar>* s, Parameters<Scalar>* parameters) const;
  void Forward(Parameters<Scalar>* parameters);
  // From the output units' error signals in now_->steps to those of all hidden layers.
  void SendBack(const Parameters<Scalar>& parameters);
  // |gradient|^2 of the pattern: |d h'|^2 = |d|^2 |h|^2, and |d|^2 of the biases.
  double SquaredNorm(double squared_input) const;
  // Takes the step that is pending in the layers from `first` on.
  void Finish(int first, Parameters<Scalar>* parameters);

  NetworkSpec spec_;
  Scalings scalings_;
  Pattern patterns_[2];
  Pattern *now_ = &patterns_[0], *before_ = &patterns_[1];
  bool pending_ = false;
  Vector<Scalar> target_;
  std::optional<PatternBlock<Scalar>> block_;
};

}  // namespace backprop
