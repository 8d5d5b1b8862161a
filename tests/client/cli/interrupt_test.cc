#include "client/cli/interrupt.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <csignal>

#include "absl/synchronization/notification.h"

namespace backprop::client {
namespace {

TEST(InterruptTest, CtrlCCallsTheActionInPlaceOfEndingTheProcess) {
  BlockInterrupt();
  absl::Notification called;
  const OnInterrupt interrupt([&called] { called.Notify(); });
  kill(getpid(), SIGINT);
  called.WaitForNotification();
  EXPECT_TRUE(interrupt.happened());
}

TEST(InterruptDeathTest, ASecondCtrlCEndsTheProcessEvenIfTheActionHelpedNothing) {
  const auto interrupt_twice = [] {
    BlockInterrupt();
    absl::Notification called;
    const OnInterrupt interrupt([&called] { called.Notify(); });
    kill(getpid(), SIGINT);
    called.WaitForNotification();
    kill(getpid(), SIGINT);
    absl::Notification().WaitForNotification();
  };
  EXPECT_EXIT(interrupt_twice(), testing::ExitedWithCode(1), "");
}

TEST(InterruptTest, WithoutCtrlCTheActionIsNotCalled) {
  BlockInterrupt();
  bool called = false;
  {
    const OnInterrupt interrupt([&called] { called = true; });
  }
  EXPECT_FALSE(called);
}

}  // namespace
}  // namespace backprop::client
