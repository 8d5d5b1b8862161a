#include "server/process/timer.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

namespace backprop::server {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

TEST(TimerTest, CallsAgainAndAgain) {
  std::atomic<int> calls = 0;
  const Timer timer(milliseconds(0), milliseconds(1), [&] {
    ++calls;
    calls.notify_all();
  });
  for (int seen = 0; seen < 5; seen = calls) calls.wait(seen);
  EXPECT_GE(calls, 5);
}

TEST(TimerTest, DoesNotCallBeforeItsTimeAndIsDestroyedAtOnce) {
  std::atomic<bool> called = false;
  {
    const Timer timer(hours(1), milliseconds(0), [&] { called = true; });
  }
  EXPECT_FALSE(called);
}

TEST(TimerTest, IsDestroyedBehindACallUnderWay) {
  std::atomic<bool> ended = false;
  std::atomic<bool> begun = false;
  {
    const Timer timer(milliseconds(0), milliseconds(1), [&] {
      begun = true;
      begun.notify_all();
      for (int i = 0; i < 1000; ++i) std::this_thread::yield();
      ended = true;
    });
    begun.wait(false);
  }
  EXPECT_TRUE(ended);
}

}  // namespace
}  // namespace backprop::server
