// On-line training by plain gradient ascent, at the speed at which the weights pass by once a pattern.
#pragma once

#include <cstdint>
#include <vector>

#include "core/measures.h"
#include "core/network_spec.h"
#include "core/parameters.h"
#include "core/scaling.h"
#include "core/training_options.h"

namespace backprop {

// The batch of one pattern is what batch_computation.h and update.h make of it, step by step the same chain rule; but
// its gradient d h' is never written down. A pattern's step is pending until the next pattern: each row of weights is
// read once, takes the step of the pattern before, and goes into the weighted sum of this one. bench/README.md has what
// that buys. Not thread-safe.
template <typename Scalar>
class OnlineAscent {
 public:
  // True for a batch size of 1 and gradient ascent without momentum and weight decay.
  static bool Serves(const TrainingOptions& options);
  static int64_t WorkspaceBytes(const NetworkSpec& spec);

  OnlineAscent(NetworkSpec spec, Scalings scalings);

  // Learns from one pattern, x [input_unit_count] and target [output_unit_count] in the caller's units, at
  // `parameters`, which are those of the last call but for its step. Adds to `measures`, and returns the norm of the
  // pattern's gradient, before the limit. When that or the log likelihood is not finite the pattern is not learned
  // from.
  double Learn(const TrainingOptions& options, double step_size, const Scalar* x, const Scalar* target, Scalar weight,
               Parameters<Scalar>* parameters, Measures* measures);
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

  // The weighted sums `s` of a layer over `h`, after the step that is pending, if any.
  void Step(int layer, const Vector<Scalar>& h, Vector<Scalar>* s, Parameters<Scalar>* parameters) const;
  void Forward(Parameters<Scalar>* parameters);
  // From the output units' error signals in now_->steps to those of all hidden layers.
  void SendBack(const Parameters<Scalar>& parameters);
  // |gradient|^2 of the pattern: |d h'|^2 = |d|^2 |h|^2, and |d|^2 of the biases.
  double SquaredNorm() const;

  NetworkSpec spec_;
  Scalings scalings_;
  Pattern patterns_[2];
  Pattern *now_ = &patterns_[0], *before_ = &patterns_[1];
  bool pending_ = false;
  Vector<Scalar> target_;
};

}  // namespace backprop
