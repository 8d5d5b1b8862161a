#include "server/sessions/training_run.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "core/error.h"

namespace backprop::server {
namespace {

constexpr TrainingRun::Time kEnd(std::chrono::seconds(5));

EpochReport ReportOf(int64_t epoch, bool best = false) {
  EpochReport report;
  report.epoch = epoch;
  report.best = best;
  return report;
}

class TrainingRunTest : public testing::Test {
 protected:
  MemoryBudget budget_{1 << 20};
  TrainingRun run_{1, {.pattern_set = "s", .validation_pattern_set = "", .options = {}, .epoch_count = 9}, &budget_};
};

TEST_F(TrainingRunTest, GoesFromQueuedThroughRunningToItsEnd) {
  run_.SetQueuePosition([] { return 3; });
  EXPECT_EQ(run_.status().state, RunState::kQueued);
  EXPECT_EQ(run_.queue_position(), 3);
  run_.Start();
  EXPECT_EQ(run_.status().state, RunState::kRunning);
  EXPECT_EQ(run_.queue_position(), 0);
  EXPECT_TRUE(run_.status().start_time.has_value());
  run_.End(RunState::kSucceeded, absl::OkStatus(), kEnd);
  EXPECT_EQ(run_.status().state, RunState::kSucceeded);
  EXPECT_EQ(run_.status().end_time, kEnd);
}

TEST_F(TrainingRunTest, EveryWatcherSeesEveryReportOnceWhereverItStarts) {
  std::vector<std::vector<int64_t>> seen(4);
  {
    std::vector<std::jthread> watchers;
    for (size_t w = 0; w < seen.size(); ++w) {
      watchers.emplace_back([&, w] {
        int64_t after = 10 * static_cast<int64_t>(w);
        while (const auto report = run_.WaitForReport(after, NeverStop)) seen[w].push_back(after = report->epoch);
      });
    }
    run_.Start();
    for (int64_t epoch = 1; epoch <= 100; ++epoch) ASSERT_TRUE(run_.AddReport(ReportOf(epoch)).ok());
    run_.End(RunState::kSucceeded, absl::OkStatus(), kEnd);
  }
  for (size_t w = 0; w < seen.size(); ++w) {
    ASSERT_EQ(seen[w].size(), 100 - 10 * w);
    for (size_t i = 0; i < seen[w].size(); ++i) EXPECT_EQ(seen[w][i], static_cast<int64_t>(10 * w + i + 1));
  }
}

TEST_F(TrainingRunTest, PastReportsAreThereAfterTheEnd) {
  run_.Start();
  ASSERT_TRUE(run_.AddReport(ReportOf(1, /*best=*/true)).ok());
  ASSERT_TRUE(run_.AddReport(ReportOf(2)).ok());
  run_.End(RunState::kCancelled, absl::CancelledError("enough"), kEnd);
  EXPECT_EQ(run_.WaitForReport(0, NeverStop)->epoch, 1);
  EXPECT_EQ(run_.WaitForReport(1, NeverStop)->epoch, 2);
  EXPECT_FALSE(run_.WaitForReport(2, NeverStop).has_value());
  EXPECT_FALSE(run_.WaitForReport(std::numeric_limits<int64_t>::max(), NeverStop).has_value());
  EXPECT_EQ(run_.status().best_report->epoch, 1);
  EXPECT_EQ(run_.status().last_report->epoch, 2);
}

TEST_F(TrainingRunTest, AWatcherMayGiveUp) {
  std::atomic<bool> gone = false;
  std::jthread watcher([&] { EXPECT_FALSE(run_.WaitForReport(0, [&] { return gone.load(); }).has_value()); });
  std::jthread canceller([&] { EXPECT_FALSE(run_.WaitForEnd([&] { return gone.load(); })); });
  gone = true;
}

TEST_F(TrainingRunTest, TheFirstCancellationGivesTheReason) {
  EXPECT_FALSE(run_.cancel_requested());
  EXPECT_TRUE(run_.cancellation().ok());
  run_.Cancel(absl::CancelledError("first"));
  run_.Cancel(absl::CancelledError("second"));
  EXPECT_TRUE(run_.cancel_requested());
  EXPECT_EQ(run_.cancellation().message(), "first");
}

TEST_F(TrainingRunTest, ReportsTakeMemoryOfTheBudget) {
  MemoryBudget budget(3 * sizeof(EpochReport));
  TrainingRun run(1, {}, &budget);
  for (int64_t epoch = 1; epoch <= 3; ++epoch) ASSERT_TRUE(run.AddReport(ReportOf(epoch)).ok());
  EXPECT_EQ(ReasonOf(run.AddReport(ReportOf(4))), "MEMORY_LIMIT");
  EXPECT_EQ(run.status().completed_epoch_count, 3);
}

}  // namespace
}  // namespace backprop::server
