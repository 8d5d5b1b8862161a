// A training run as its callers see it: where it stands, its reports, and a way to stop it.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "core/parallel_for.h"
#include "core/training_options.h"
#include "server/sessions/memory_budget.h"

namespace backprop::server {

// How often a waiting caller looks whether it has been given up on: no notification comes from the network.
inline constexpr std::chrono::milliseconds kGiveUpPoll{50};

struct TrainingRunRequest {
  std::string pattern_set;
  std::string validation_pattern_set;  // Empty: none.
  TrainingOptions options;
  int64_t epoch_count = 0;
};

// Means and sums as EpochReport of training_run.proto names them.
struct EpochMeasures {
  int64_t pattern_count = 0;
  double log_likelihood = 0;
  double mean_log_likelihood = 0;
  double accuracy = 0;            // Classification.
  double mean_squared_error = 0;  // Regression.
};

struct EpochReport {
  int64_t epoch = 0;
  EpochMeasures training;
  std::optional<EpochMeasures> validation;
  double gradient_norm = 0;
  double step_size = 0;
  bool best = false;
  int64_t model_version = 0;
  double patterns_per_second = 0;
  std::chrono::duration<double> elapsed{};
  std::chrono::duration<double> estimated_remaining{};
};

enum class RunState { kQueued, kRunning, kSucceeded, kCancelled, kFailed };

inline bool HasEnded(RunState state) { return state != RunState::kQueued && state != RunState::kRunning; }

// Thread-safe: the training worker writes, any number of callers read and wait.
class TrainingRun {
 public:
  using Time = std::chrono::system_clock::time_point;

  struct Status {
    RunState state = RunState::kQueued;
    absl::Status error;  // Why a run was cancelled or failed.
    int64_t completed_epoch_count = 0;
    std::optional<EpochReport> last_report;
    std::optional<EpochReport> best_report;
    Time create_time;
    std::optional<Time> start_time;
    std::optional<Time> end_time;
  };

  // The newest version that a run of `request` has published by `status`, 0: none. A run that restores the best epoch's
  // parameters publishes them last, and nobody else publishes while it is active.
  static int64_t FinalModelVersion(const TrainingRunRequest& request, const Status& status);

  // Run number `number`, which is in its id. Memory for the reports is taken from `budget`.
  TrainingRun(int64_t number, TrainingRunRequest request, MemoryBudget* budget);
  // A run as a store kept it, with the reports of epochs 1, 2, ...; RESOURCE_EXHAUSTED without memory for them.
  static absl::StatusOr<std::shared_ptr<TrainingRun>> Restore(int64_t number, TrainingRunRequest request, Status status,
                                                              const std::vector<EpochReport>& reports,
                                                              MemoryBudget* budget);

  int64_t number() const { return number_; }
  const std::string& id() const { return id_; }
  const TrainingRunRequest& request() const { return request_; }
  // How the run finds its place in the queue; set once, before anybody else sees it.
  void SetQueuePosition(std::function<int()> queue_position) { queue_position_ = std::move(queue_position); }
  // Work ahead of it while it is queued, else 0.
  int queue_position() const { return queue_position_ && status().state == RunState::kQueued ? queue_position_() : 0; }
  Status status() const;
  // The reports behind that of `epoch`.
  std::vector<EpochReport> ReportsAfter(int64_t epoch) const;

  // Asks the run to stop, giving `reason`; it ends at its next batch. The first reason stays.
  void Cancel(absl::Status reason);
  // True from the first Cancel on.
  bool cancel_requested() const { return cancel_requested_; }
  // The reason given; OK before.
  absl::Status cancellation() const;

  // Called by the run's job alone. AddReport fails with RESOURCE_EXHAUSTED without memory for the report.
  void Start();
  absl::Status AddReport(const EpochReport& report);
  void End(RunState state, absl::Status error, Time time);

  // The report of epoch `after_epoch` + 1, waiting for it; none when the run has ended before it, or `give_up` said so.
  std::optional<EpochReport> WaitForReport(int64_t after_epoch, const StopCheck& give_up) const;
  // Waits until the run has ended; false when `give_up` said so first.
  bool WaitForEnd(const StopCheck& give_up) const;

 private:
  const int64_t number_;
  const std::string id_;
  const TrainingRunRequest request_;
  std::function<int()> queue_position_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  Status status_ ABSL_GUARDED_BY(mutex_);
  std::atomic<bool> cancel_requested_ = false;
  absl::Status cancellation_ ABSL_GUARDED_BY(mutex_);
  std::deque<EpochReport> reports_ ABSL_GUARDED_BY(mutex_);  // Of epochs 1, 2, ...
  MemoryCharge charge_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace backprop::server
