#include "server/sessions/turn_queue.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <thread>
#include <vector>

#include "core/error.h"

namespace backprop::server {
namespace {

TEST(TurnQueueTest, TurnsComeOneAtATime) {
  TurnQueue queue;
  int count = 0;  // Guarded by the turn.
  {
    std::vector<std::jthread> callers;
    for (int i = 0; i < 4; ++i) {
      callers.emplace_back([&] {
        for (int n = 0; n < 200; ++n) {
          const auto turn = queue.Take(NeverStop);
          ASSERT_TRUE(turn.ok()) << turn.status();
          ++count;
        }
      });
    }
  }
  EXPECT_EQ(count, 800);
}

TEST(TurnQueueTest, WhoeverGivesUpWaitsNoLonger) {
  TurnQueue queue;
  const auto turn = queue.Take(NeverStop);
  EXPECT_EQ(queue.Take([] { return true; }).status().code(), absl::StatusCode::kCancelled);
}

TEST(TurnQueueTest, SixteenMayWaitAndTheNextIsTold) {
  EXPECT_EQ(kMaxWaitingForTurn, 16);
  TurnQueue queue;
  absl::StatusOr<TurnQueue::Turn> turn = queue.Take(NeverStop);
  std::array<std::atomic<bool>, kMaxWaitingForTurn> waits = {};
  std::vector<std::jthread> callers;
  for (std::atomic<bool>& waiting : waits) {
    callers.emplace_back([&] {
      const auto got = queue.Take([&] {
        waiting = true;
        waiting.notify_all();
        return false;
      });
      EXPECT_TRUE(got.ok()) << got.status();
    });
  }
  for (std::atomic<bool>& waiting : waits) waiting.wait(false);
  const absl::Status refused = queue.Take(NeverStop).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReasonOf(refused), "SESSION_BUSY");
  EXPECT_TRUE(RetryDelayOf(refused).has_value());
  turn->reset();
  callers.clear();
  EXPECT_TRUE(queue.Take(NeverStop).ok());
}

}  // namespace
}  // namespace backprop::server
