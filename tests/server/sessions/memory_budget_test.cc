#include "server/sessions/memory_budget.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <thread>
#include <utility>
#include <vector>

#include "core/error.h"

namespace backprop::server {
namespace {

TEST(MemoryBudgetTest, GivesItsLimitAndNotAByteMore) {
  MemoryBudget budget(100);
  MemoryCharge charge(&budget);
  EXPECT_TRUE(charge.Grow(60, "a").ok());
  EXPECT_EQ(ReasonOf(charge.Grow(41, "b")), "MEMORY_LIMIT");
  EXPECT_EQ(budget.used_bytes(), 60);
  EXPECT_TRUE(charge.Grow(40, "b").ok());
  EXPECT_EQ(charge.Grow(1, "c").code(), absl::StatusCode::kResourceExhausted);
}

TEST(MemoryBudgetTest, AChargeIsGivenBackWhenItEnds) {
  MemoryBudget budget(100);
  {
    MemoryCharge charge(&budget);
    ASSERT_TRUE(charge.Grow(100, "a").ok());
  }
  EXPECT_EQ(budget.used_bytes(), 0);
}

TEST(MemoryBudgetTest, AMovedOrAbsorbedChargeIsGivenBackOnce) {
  MemoryBudget budget(100);
  {
    MemoryCharge a(&budget), b(&budget);
    ASSERT_TRUE(a.Grow(10, "a").ok());
    ASSERT_TRUE(b.Grow(20, "b").ok());
    MemoryCharge c(std::move(a));
    c.Absorb(std::move(b));
    EXPECT_EQ(budget.used_bytes(), 30);
  }
  EXPECT_EQ(budget.used_bytes(), 0);
}

TEST(MemoryBudgetTest, SizesThatWouldOverflowAreRefused) {
  MemoryBudget budget(std::numeric_limits<int64_t>::max());
  MemoryCharge charge(&budget);
  ASSERT_TRUE(charge.Grow(10, "a").ok());
  EXPECT_EQ(ReasonOf(charge.Grow(std::numeric_limits<int64_t>::max(), "b")), "MEMORY_LIMIT");
}

TEST(MemoryBudgetTest, ThreadsTogetherNeverTakeMoreThanTheLimit) {
  MemoryBudget budget(1000);
  std::atomic<int> granted = 0;
  std::vector<MemoryCharge> charges;
  for (int i = 0; i < 4; ++i) charges.emplace_back(&budget);
  {
    std::vector<std::jthread> threads;
    for (MemoryCharge& charge : charges) {
      threads.emplace_back([&] {
        for (int i = 0; i < 1000; ++i) granted += charge.Grow(1, "a").ok();
      });
    }
  }
  EXPECT_EQ(granted, 1000);
  EXPECT_EQ(budget.used_bytes(), 1000);
}

}  // namespace
}  // namespace backprop::server
