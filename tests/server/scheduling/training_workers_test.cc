#include "server/scheduling/training_workers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <future>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <utility>

#include "core/error.h"
#include "tests/server/scheduling/gate.h"

namespace backprop::server {
namespace {

using testing::HasSubstr;

// A job of `slice_count` slices that writes its name into a journal each time.
class CountingJob final : public TrainingJob {
 public:
  CountingJob(char name, int slice_count, Journal* journal) : name_(name), left_(slice_count), journal_(journal) {}

  bool RunSlice() override {
    journal_->Write(name_);
    return --left_ > 0;
  }
  void Abandon() override { journal_->Write('!'); }

 private:
  const char name_;
  int left_;
  Journal* const journal_;
};

// A job that holds its worker until the gate opens.
class GateJob final : public TrainingJob {
 public:
  explicit GateJob(Gate* gate) : gate_(gate) {}
  bool RunSlice() override {
    gate_->Pass();
    return false;
  }
  void Abandon() override {}

 private:
  Gate* const gate_;
};

TEST(TrainingWorkersTest, TheQueueTakesItsLimitAndNoMore) {
  Gate gate;
  Journal journal;
  TrainingWorkers workers({.worker_count = 1, .queue_limit = 3});
  ASSERT_TRUE(workers.Submit(std::make_shared<GateJob>(&gate)).ok());
  gate.WaitUntilReached();
  ASSERT_TRUE(workers.Submit(std::make_shared<CountingJob>('a', 1, &journal)).ok());
  ASSERT_TRUE(workers.Submit(std::make_shared<CountingJob>('b', 1, &journal)).ok());
  const absl::Status full = workers.Submit(std::make_shared<CountingJob>('c', 1, &journal));
  EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReasonOf(full), "TRAINING_QUEUE_FULL");
  EXPECT_THAT(std::string(full.message()), HasSubstr("3 jobs"));
  EXPECT_EQ(RetryDelayOf(full), std::chrono::seconds(1));
  EXPECT_EQ(ReasonOf(workers.RunAndWait([] {})), "TRAINING_QUEUE_FULL");
  gate.Open();
  journal.WaitFor(2);
  EXPECT_TRUE(workers.RunAndWait([] {}).ok());
  EXPECT_EQ(journal.text(), "ab");
}

TEST(TrainingWorkersTest, JobsTakeTurnsSliceBySlice) {
  Gate gate;
  Journal journal;
  TrainingWorkers workers({.worker_count = 1, .queue_limit = 10});
  ASSERT_TRUE(workers.Submit(std::make_shared<GateJob>(&gate)).ok());
  gate.WaitUntilReached();
  for (const auto& [name, slices] : {std::pair('a', 5), std::pair('b', 2), std::pair('c', 3)}) {
    ASSERT_TRUE(workers.Submit(std::make_shared<CountingJob>(name, slices, &journal)).ok());
  }
  gate.Open();
  journal.WaitFor(10);
  EXPECT_EQ(journal.text(), "abcabcacaa");
}

TEST(TrainingWorkersTest, ALateJobWaitsForOneRoundOnly) {
  Gate gate;
  Journal journal;
  TrainingWorkers workers({.worker_count = 1, .queue_limit = 10});
  ASSERT_TRUE(workers.Submit(std::make_shared<CountingJob>('a', 1'000'000'000, &journal)).ok());
  journal.WaitFor(1);
  const size_t before = journal.size();
  EXPECT_TRUE(workers.RunAndWait([&] { journal.Write('w'); }).ok());
  EXPECT_THAT(journal.text().substr(before), HasSubstr("w"));
  workers.Shutdown();
  EXPECT_EQ(journal.text().back(), '!');
}

TEST(TrainingWorkersTest, QueuePositionCountsTheJobsAhead) {
  Gate gate;
  Journal journal;
  TrainingWorkers workers({.worker_count = 1, .queue_limit = 10});
  const auto running = std::make_shared<GateJob>(&gate);
  const auto a = std::make_shared<CountingJob>('a', 1, &journal), b = std::make_shared<CountingJob>('b', 1, &journal);
  ASSERT_TRUE(workers.Submit(running).ok());
  gate.WaitUntilReached();
  ASSERT_TRUE(workers.Submit(a).ok());
  ASSERT_TRUE(workers.Submit(b).ok());
  EXPECT_EQ(workers.QueuePosition(running.get()), 0);
  EXPECT_EQ(workers.QueuePosition(a.get()), 0);
  EXPECT_EQ(workers.QueuePosition(b.get()), 1);
  gate.Open();
  journal.WaitFor(2);
  EXPECT_EQ(workers.QueuePosition(b.get()), 0);
}

TEST(TrainingWorkersTest, RunAndWaitHasDoneTheWorkWhenItReturns) {
  TrainingWorkers workers({.worker_count = 2});
  const std::thread::id caller = std::this_thread::get_id();
  std::thread::id worker = caller;
  EXPECT_TRUE(workers.RunAndWait([&] { worker = std::this_thread::get_id(); }).ok());
  EXPECT_NE(worker, caller);
}

TEST(TrainingWorkersTest, WorkThatIsDoneHasLeftTheQueue) {
  TrainingWorkers workers({.worker_count = 1, .queue_limit = 1});
  for (int i = 0; i < 500; ++i) ASSERT_TRUE(workers.RunAndWait([] {}).ok());
}

TEST(TrainingWorkersTest, WorkThatRunsOutOfMemoryIsAnErrorAndTheWorkerLivesOn) {
  TrainingWorkers workers({.worker_count = 1});
  const absl::Status status = workers.RunAndWait([] { throw std::bad_alloc(); });
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReasonOf(status), "MEMORY_LIMIT");
  EXPECT_TRUE(workers.RunAndWait([] {}).ok());
}

TEST(TrainingWorkersTest, ShutdownAbandonsTheJobsThatWait) {
  Gate gate;
  Journal journal;
  TrainingWorkers workers({.worker_count = 1});
  ASSERT_TRUE(workers.Submit(std::make_shared<GateJob>(&gate)).ok());
  gate.WaitUntilReached();
  ASSERT_TRUE(workers.Submit(std::make_shared<CountingJob>('a', 1, &journal)).ok());
  std::promise<void> begun;
  std::future<absl::Status> waiting = std::async(std::launch::async, [&] {
    begun.set_value();
    return workers.RunAndWait([] {});
  });
  begun.get_future().wait();
  std::jthread shutdown([&] { workers.Shutdown(); });
  while (!workers.stopping()) std::this_thread::yield();
  gate.Open();
  shutdown.join();
  EXPECT_EQ(journal.text(), "!");
  const absl::Status status = waiting.get();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ReasonOf(status), "SHUTTING_DOWN");
}

TEST(TrainingWorkersTest, ShutdownRefusesNewWorkAndMayBeRepeated) {
  TrainingWorkers workers({.worker_count = 2});
  workers.Shutdown();
  workers.Shutdown();
  EXPECT_TRUE(workers.stopping());
  Journal journal;
  EXPECT_EQ(ReasonOf(workers.Submit(std::make_shared<CountingJob>('a', 1, &journal))), "SHUTTING_DOWN");
  EXPECT_EQ(ReasonOf(workers.RunAndWait([] {})), "SHUTTING_DOWN");
  EXPECT_EQ(journal.text(), "");
}

TEST(TrainingWorkersTest, AJobWithMoreToDoIsAbandonedByShutdownOnce) {
  Journal journal;
  TrainingWorkers workers({.worker_count = 3});
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(workers.Submit(std::make_shared<CountingJob>('a', 1'000'000'000, &journal)).ok());
  }
  journal.WaitFor(100);
  workers.Shutdown();
  EXPECT_EQ(std::ranges::count(journal.text(), '!'), 5);
}

}  // namespace
}  // namespace backprop::server
