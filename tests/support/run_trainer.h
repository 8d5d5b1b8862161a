// A training run from its first step to its end.
#pragma once

#include <vector>

#include "core/trainer.h"

namespace backprop {

template <typename Scalar>
struct FinishedRun {
  std::vector<EpochResult> epochs;
  std::vector<Parameters<Scalar>> parameters;  // Of each epoch's end.
  bool diverged = false;
};

template <typename Scalar>
FinishedRun<Scalar> RunToEnd(Trainer<Scalar>* trainer, const ParallelFor& parallel_for = SequentialFor) {
  FinishedRun<Scalar> run;
  while (!trainer->finished() && !run.diverged) {
    const auto outcome = trainer->Step(parallel_for, NeverStop);
    run.diverged = outcome == Trainer<Scalar>::Outcome::kDiverged;
    if (outcome != Trainer<Scalar>::Outcome::kEpochDone) continue;
    run.epochs.push_back(trainer->last_epoch());
    run.parameters.push_back(trainer->parameters());
  }
  return run;
}

template <typename Scalar>
FinishedRun<Scalar> RunToEnd(const TrainingTask<Scalar>& task, const Parameters<Scalar>& parameters,
                             const ParallelFor& parallel_for = SequentialFor) {
  Trainer<Scalar> trainer(task, parameters);
  return RunToEnd(&trainer, parallel_for);
}

}  // namespace backprop
