// Learning from patterns as they arrive, and from gradients that a caller computed.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "core/batch_computation.h"
#include "core/optimizer.h"
#include "core/patterns.h"
#include "core/step_size_schedule.h"
#include "core/training_options.h"

namespace backprop {

// The options and what their optimizer remembers from message to message. A value.
template <typename Scalar>
class OnlineLearner {
 public:
  // `options` are validated. A batch size of 0 is taken as 1: on-line training.
  explicit OnlineLearner(const TrainingOptions& options, OptimizerState<Scalar> optimizer = {})
      : options_(options), optimizer_(std::move(optimizer)) {}

  const TrainingOptions& options() const { return options_; }
  const OptimizerState<Scalar>& optimizer() const { return optimizer_; }
  int batch_size() const { return options_.batch_size == 0 ? 1 : options_.batch_size; }

  // One step up the gradient of the batch of `request`. Returns as LearnBatch (update.h).
  std::optional<double> Learn(const BatchRequest<Scalar>& request, const ParallelFor& parallel_for,
                              const StopCheck& stopped, BatchComputation<Scalar>* computation,
                              Parameters<Scalar>* parameters);

  // One step with the caller's gradient. False when something stopped being finite: then nothing is changed.
  [[nodiscard]] bool Apply(Parameters<Scalar> gradient, Parameters<Scalar>* parameters);

 private:
  double step_size() const { return StepSizeOf(options_, 1, 1, PlateauState()); }

  TrainingOptions options_;
  OptimizerState<Scalar> optimizer_;
};

// A learner's way through one message of patterns, in order, batch_size at a time. It works on copies: what it gives
// holds when a step has returned kDone, and is dropped otherwise. Not thread-safe; one thread at a time calls Step.
template <typename Scalar>
class OnlinePass {
 public:
  enum class Outcome {
    kBatchDone,
    kDone,
    kStopped,   // `stopped` said so; nothing was changed, and Step can be called again.
    kDiverged,  // Log likelihood, gradient or parameters are not finite: the pass is over.
  };

  // `patterns` are borrowed.
  OnlinePass(NetworkSpec spec, const Scalings& scalings, const Patterns<Scalar>& patterns,
             OnlineLearner<Scalar> learner, Parameters<Scalar> parameters);

  // The next batch.
  Outcome Step(const ParallelFor& parallel_for, const StopCheck& stopped);

  const Parameters<Scalar>& parameters() const { return parameters_; }
  const OnlineLearner<Scalar>& learner() const { return learner_; }
  // [output_unit_count x pattern_count]: each pattern's outputs, in the caller's units, under the weights it met.
  const Matrix<Scalar>& outputs() const { return outputs_; }
  // Under the same weights.
  const Measures& measures() const { return measures_; }

  // Most bytes that a pass through `pattern_count` patterns takes, beside them.
  static int64_t WorkspaceBytes(const NetworkSpec& spec, const TrainingOptions& options, int64_t pattern_count);

 private:
  const Patterns<Scalar>& patterns_;
  BatchComputation<Scalar> computation_;
  OnlineLearner<Scalar> learner_;
  Parameters<Scalar> parameters_;
  Matrix<Scalar> batch_outputs_;
  Matrix<Scalar> outputs_;
  Measures measures_;
  int64_t position_ = 0;  // Patterns learned from.
};

}  // namespace backprop
