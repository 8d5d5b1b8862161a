// TrainingWorkers::ParallelFor.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <latch>
#include <new>
#include <thread>
#include <vector>

#include "core/error.h"
#include "server/scheduling/training_workers.h"

namespace backprop::server {
namespace {

// How often each index was called, by a loop on a worker.
std::vector<int> CallsOf(TrainingWorkers* workers, int count) {
  std::vector<std::atomic<int>> calls(count);
  EXPECT_TRUE(workers->RunAndWait([&] { workers->ParallelFor(count, [&](int i) { ++calls[i]; }); }).ok());
  return {calls.begin(), calls.end()};
}

TEST(ParallelForTest, CallsEveryIndexOnce) {
  for (const int worker_count : {1, 2, 3, 8}) {
    TrainingWorkers workers({.worker_count = worker_count});
    for (const int count : {0, 1, 2, 7, 1000}) EXPECT_EQ(CallsOf(&workers, count), std::vector<int>(count, 1));
  }
}

TEST(ParallelForTest, IdleWorkersHelp) {
  TrainingWorkers workers({.worker_count = 3});
  std::latch together(3);  // Passed only when three threads are inside the loop at the same time.
  EXPECT_TRUE(workers.RunAndWait([&] { workers.ParallelFor(3, [&](int) { together.arrive_and_wait(); }); }).ok());
}

// Whether they still look out for it or sleep already.
TEST(ParallelForTest, IdleWorkersHelpWithLoopAfterLoop) {
  TrainingWorkers workers({.worker_count = 3});
  EXPECT_TRUE(workers
                  .RunAndWait([&] {
                    for (int round = 0; round < 500; ++round) {
                      std::latch together(3);
                      workers.ParallelFor(3, [&](int) { together.arrive_and_wait(); });
                    }
                  })
                  .ok());
}

TEST(ParallelForTest, LoopsWithinLoopsCallEveryIndexOnce) {
  TrainingWorkers workers({.worker_count = 4});
  std::vector<std::atomic<int>> calls(6 * 50);
  EXPECT_TRUE(workers
                  .RunAndWait([&] {
                    workers.ParallelFor(6,
                                        [&](int i) { workers.ParallelFor(50, [&](int j) { ++calls[i * 50 + j]; }); });
                  })
                  .ok());
  EXPECT_TRUE(std::ranges::all_of(calls, [](const auto& n) { return n == 1; }));
}

TEST(ParallelForTest, LoopsOfSeveralJobsAtOnceCallEveryIndexOnce) {
  TrainingWorkers workers({.worker_count = 4});
  std::vector<std::jthread> callers;
  for (int caller = 0; caller < 6; ++caller) {
    callers.emplace_back([&] {
      for (int round = 0; round < 50; ++round) EXPECT_EQ(CallsOf(&workers, 40), std::vector<int>(40, 1));
    });
  }
}

TEST(ParallelForTest, ATaskThatRunsOutOfMemoryIsTheLoopsError) {
  TrainingWorkers workers({.worker_count = 3});
  for (int bad = 0; bad < 20; ++bad) {
    const absl::Status status = workers.RunAndWait([&] {
      workers.ParallelFor(20, [&](int i) {
        if (i == bad) throw std::bad_alloc();
      });
    });
    EXPECT_EQ(ReasonOf(status), "MEMORY_LIMIT");
  }
  EXPECT_EQ(CallsOf(&workers, 100), std::vector<int>(100, 1));
}

TEST(ParallelForTest, EveryTaskOutOfMemoryAtOnceIsOneError) {
  TrainingWorkers workers({.worker_count = 3});
  std::latch together(3);
  const absl::Status status = workers.RunAndWait([&] {
    workers.ParallelFor(3, [&](int) {
      together.arrive_and_wait();
      throw std::bad_alloc();
    });
  });
  EXPECT_EQ(ReasonOf(status), "MEMORY_LIMIT");
}

TEST(ParallelForTest, ALoopEndsThoughTheWorkersAreShuttingDown) {
  TrainingWorkers workers({.worker_count = 2});
  std::vector<int> calls;
  std::jthread shutdown;
  EXPECT_TRUE(workers
                  .RunAndWait([&] {
                    shutdown = std::jthread([&] { workers.Shutdown(); });
                    while (!workers.stopping()) std::this_thread::yield();
                    std::atomic<int> sum = 0;
                    workers.ParallelFor(100, [&](int i) { sum += i; });
                    calls.push_back(sum);
                  })
                  .ok());
  EXPECT_EQ(calls, std::vector<int>{4950});
}

}  // namespace
}  // namespace backprop::server
