// A training run as the training workers see it: slices of batches, a publication and a report an epoch.
#pragma once

#include <chrono>
#include <memory>
#include <optional>

#include "core/trainer.h"
#include "server/scheduling/training_workers.h"
#include "server/sessions/memory_budget.h"
#include "server/sessions/training_run.h"

namespace backprop::server {

template <typename Scalar>
class Session;

// Used by one worker at a time. What it computes depends on the task and the initial parameters alone, not on how the
// work was cut into slices.
template <typename Scalar>
class TrainingRunJob final : public TrainingJob {
 public:
  TrainingRunJob(std::shared_ptr<Session<Scalar>> session, std::shared_ptr<TrainingRun> run, TrainingTask<Scalar> task,
                 TrainerState<Scalar> state, MemoryCharge charge, TrainingWorkers* workers);
  // Ends the run: whoever waits for that finds the run's place in the queue and its memory free.
  ~TrainingRunJob() override;

  bool RunSlice() override;
  // Keeps where the run stands, for the next start of the server to go on from.
  void Abandon() override;

 private:
  using Clock = std::chrono::steady_clock;

  // One step of the trainer; true when there are more.
  bool Step();
  // Publishes and reports the epoch that is done; true when there are more.
  bool EndEpoch();
  // Publishes the best parameters where they are asked for; false.
  bool EndRun();
  bool Fail(absl::Status error);
  // Keeps that the run ended, and how; false, for there is no more to do.
  bool Finish(RunState state, absl::Status error);
  // Notes how the run ends for its watchers; false.
  bool EndWith(RunState state, absl::Status error, TrainingRun::Time time);
  EpochReport Report(int64_t model_version) const;

  const std::shared_ptr<Session<Scalar>> session_;
  const std::shared_ptr<TrainingRun> run_;
  const NetworkSpec spec_;
  std::optional<MemoryCharge> charge_;
  TrainingWorkers* const workers_;
  std::optional<Trainer<Scalar>> trainer_;
  bool started_ = false;
  Clock::time_point start_;
  Clock::duration epoch_training_time_{};  // Spent in the steps of the epoch under way.
  RunState end_state_ = RunState::kCancelled;
  absl::Status end_error_;
  TrainingRun::Time end_time_ = std::chrono::system_clock::now();
};

}  // namespace backprop::server
