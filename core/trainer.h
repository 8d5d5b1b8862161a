// Training by epochs: a deterministic state machine that advances batch by batch.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "core/batch_computation.h"
#include "core/early_stopping.h"
#include "core/online_ascent.h"
#include "core/optimizer.h"
#include "core/pattern_sequence.h"
#include "core/second_order_iteration.h"
#include "core/step_size_schedule.h"
#include "core/training_options.h"

namespace backprop {

// What to train on. Copied: a run trains on the patterns as they were when it was made.
template <typename Scalar>
struct TrainingTask {
  NetworkSpec spec;
  Scalings scalings;
  TrainingOptions options;                                 // Validated.
  int64_t epoch_count;                                     // At least 1.
  PatternSequence<Scalar> patterns;                        // At least one.
  std::optional<PatternSequence<Scalar>> validation = {};  // At least one; early stopping needs it.
};

// Where training stands; all there is to save and restore. A value.
template <typename Scalar>
struct TrainerState {
  Parameters<Scalar> parameters;
  OptimizerState<Scalar> optimizer = {};
  PlateauState plateau = {};
  EarlyStoppingState stopping = {};
  // Those of the best epoch's end; kept only with early_stopping.restore_best, and null before the first epoch's end.
  std::optional<Parameters<Scalar>> best_parameters = {};
  int64_t epoch = 1;             // The epoch under way.
  int64_t position = 0;          // Patterns of it already trained on.
  Measures measures = {};        // Of those.
  double gradient_norm_sum = 0;  // Over its batches,
  int64_t batch_count = 0;       // of which there were so many.
};

// What one epoch did. Batch training: measures under the weights that the epoch began with. Mini-batch and on-line
// training: running measures, each pattern under the weights it met. Validation: under the weights of the epoch's end.
struct EpochResult {
  int64_t epoch = 0;  // From 1.
  Measures training;
  std::optional<Measures> validation;
  double gradient_norm = 0;  // Of the reduced gradient, mean over the epoch's batches.
  double step_size = 0;  // Optimizers that train on whole sets: the one that the search found; 0 where it found none.
  bool best = false;     // The highest mean log likelihood so far, of the validation set where there is one.
};

// Not thread-safe; one thread at a time calls Step. Same task, same initial parameters: same bits, whatever the
// ParallelFor. A step that is stopped has changed nothing, and can be called again; behind one that has diverged the
// state is meaningless.
template <typename Scalar>
class Trainer {
 public:
  enum class Outcome {
    // One batch, or some of one pattern each, or one of the passes over the set of a second-order iteration.
    kBatchDone,
    kEpochTrained,  // The last batch of an epoch is done; the next Step ends the epoch.
    kEpochDone,     // last_epoch() is new.
    kStopped,       // `stopped` said so.
    kDiverged,      // Log likelihood, gradient or parameters are not finite: the run is over.
  };

  // Begins at the parameters of `state`, or goes on where another trainer of the same task was.
  Trainer(TrainingTask<Scalar> task, TrainerState<Scalar> state);
  Trainer(TrainingTask<Scalar> task, Parameters<Scalar> parameters)
      : Trainer(std::move(task), TrainerState<Scalar>{.parameters = std::move(parameters)}) {}

  // The next batch, or behind the epoch's last batch its validation and report. Not to be called when finished().
  Outcome Step(const ParallelFor& parallel_for, const StopCheck& stopped);

  bool finished() const {
    return state_.epoch > task_.epoch_count || ShouldStop(task_.options.early_stopping, state_.stopping);
  }
  // The epoch under way, from 1.
  int64_t epoch() const { return state_.epoch; }
  const EpochResult& last_epoch() const { return last_epoch_; }
  const Parameters<Scalar>& parameters() const { return state_.parameters; }
  const std::optional<Parameters<Scalar>>& best_parameters() const { return state_.best_parameters; }
  const TrainerState<Scalar>& state() const { return state_; }

  // Most bytes that training `pattern_count` patterns with `options` takes, beside the patterns.
  static int64_t WorkspaceBytes(const NetworkSpec& spec, const TrainingOptions& options, int64_t pattern_count);

 private:
  Outcome TrainBatch(const ParallelFor& parallel_for, const StopCheck& stopped);
  // Batches of one pattern: several of them, where a pattern is little work.
  Outcome TrainOnline(const StopCheck& stopped);
  Outcome EndEpoch(const ParallelFor& parallel_for, const StopCheck& stopped);
  // Batch training by iterations that evaluate the objective where they choose.
  Outcome Iterate(const ParallelFor& parallel_for, const StopCheck& stopped);
  // The epoch's order, which is not part of the state.
  void ShuffleOrder();

  const TrainingTask<Scalar> task_;
  const int64_t batch_size_;
  BatchComputation<Scalar> computation_;
  std::optional<OnlineAscent<Scalar>> online_;             // Where it serves the options.
  std::optional<SecondOrderIteration<Scalar>> iteration_;  // With an optimizer that trains on whole sets.

  TrainerState<Scalar> state_;
  std::vector<int32_t> order_;              // The epoch's order of patterns; empty: as stored.
  std::vector<PatternView<Scalar>> views_;  // What online_ learns from at once.
  EpochResult last_epoch_;
};

}  // namespace backprop
