#include "server/sessions/training_run.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace backprop::server {

TrainingRun::TrainingRun(int64_t number, TrainingRunRequest request, MemoryBudget* budget)
    : number_(number), id_(absl::StrCat("run-", number)), request_(std::move(request)), charge_(budget) {
  status_.create_time = std::chrono::system_clock::now();
}

absl::StatusOr<std::shared_ptr<TrainingRun>> TrainingRun::Restore(int64_t number, TrainingRunRequest request,
                                                                  Status status,
                                                                  const std::vector<EpochReport>& reports,
                                                                  MemoryBudget* budget) {
  auto run = std::make_shared<TrainingRun>(number, std::move(request), budget);
  for (const EpochReport& report : reports) {
    if (absl::Status added = run->AddReport(report); !added.ok()) return added;
  }
  const std::lock_guard lock(run->mutex_);
  run->status_.state = status.state;
  run->status_.error = std::move(status.error);
  run->status_.create_time = status.create_time;
  run->status_.start_time = status.start_time;
  run->status_.end_time = status.end_time;
  return run;
}

int64_t TrainingRun::FinalModelVersion(const TrainingRunRequest& request, const Status& status) {
  if (!status.last_report) return 0;
  const auto& stopping = request.options.early_stopping;
  const bool restored = status.state == RunState::kSucceeded && stopping && stopping->restore_best &&
                        status.best_report && status.best_report->epoch != status.last_report->epoch;
  return status.last_report->model_version + (restored ? 1 : 0);
}

TrainingRun::Status TrainingRun::status() const {
  const std::lock_guard lock(mutex_);
  return status_;
}

std::vector<EpochReport> TrainingRun::ReportsAfter(int64_t epoch) const {
  const std::lock_guard lock(mutex_);
  return {reports_.begin() + std::min<std::ptrdiff_t>(epoch, std::ssize(reports_)), reports_.end()};
}

void TrainingRun::Cancel(absl::Status reason) {
  const std::lock_guard lock(mutex_);
  if (cancellation_.ok()) cancellation_ = std::move(reason);
  cancel_requested_ = true;
}

absl::Status TrainingRun::cancellation() const {
  const std::lock_guard lock(mutex_);
  return cancellation_;
}

void TrainingRun::Start() {
  const std::lock_guard lock(mutex_);
  status_.state = RunState::kRunning;
  if (!status_.start_time) status_.start_time = std::chrono::system_clock::now();
  changed_.notify_all();
}

absl::Status TrainingRun::AddReport(const EpochReport& report) {
  const std::lock_guard lock(mutex_);
  if (absl::Status status = charge_.Grow(sizeof(EpochReport), absl::StrCat("the report of epoch ", report.epoch));
      !status.ok()) {
    return status;
  }
  reports_.push_back(report);
  status_.completed_epoch_count = report.epoch;
  status_.last_report = report;
  if (report.best) status_.best_report = report;
  changed_.notify_all();
  return absl::OkStatus();
}

void TrainingRun::End(RunState state, absl::Status error, Time time) {
  const std::lock_guard lock(mutex_);
  status_.state = state;
  status_.error = std::move(error);
  status_.end_time = time;
  changed_.notify_all();
}

std::optional<EpochReport> TrainingRun::WaitForReport(int64_t after_epoch, const StopCheck& give_up) const {
  std::unique_lock lock(mutex_);
  while (std::ssize(reports_) <= after_epoch) {
    if (HasEnded(status_.state) || give_up()) return std::nullopt;
    changed_.wait_for(lock, kGiveUpPoll);
  }
  return reports_[after_epoch];
}

bool TrainingRun::WaitForEnd(const StopCheck& give_up) const {
  std::unique_lock lock(mutex_);
  while (!HasEnded(status_.state)) {
    if (give_up()) return false;
    changed_.wait_for(lock, kGiveUpPoll);
  }
  return true;
}

}  // namespace backprop::server
