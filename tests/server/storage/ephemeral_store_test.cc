#include "server/storage/ephemeral_store.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "tests/server/sessions/session_world.h"

namespace backprop::server {
namespace {

TEST(EphemeralStoreTest, TakesEveryChangeAndKeepsNothing) {
  EphemeralStore store;
  const auto log = store.Create("a", SessionChange<double>());
  ASSERT_TRUE(log.ok());
  const Snapshot<double> snapshot{Parameters<double>(SmallSpec().layout()), {}, 1};
  EXPECT_TRUE((*log)->Commit(SessionChange<double>{.time = {}, .snapshots = {&snapshot}}).ok());
  EXPECT_EQ(ReasonOf(store.Open("a").status()), "SESSION_NOT_FOUND");
  EXPECT_TRUE(store.List()->empty());
  EXPECT_TRUE(store.Delete("a", nullptr).ok());
}

TEST(EphemeralStoreTest, AnIdMayBeUsedAgain) {
  EphemeralStore store;
  EXPECT_TRUE(store.Create("a", SessionChange<float>()).ok());
  EXPECT_TRUE(store.Delete("a", nullptr).ok());
  EXPECT_TRUE(store.Create("a", SessionChange<float>()).ok());
}

TEST(EphemeralStoreTest, HasNoFilesToGiveOrToTake) {
  EphemeralStore store;
  const auto log = store.Create("a", SessionChange<float>());
  EXPECT_EQ(ReasonOf((*log)->BeginCopy("/nowhere")), "EPHEMERAL");
  EXPECT_EQ(ReasonOf(store.Import("/nowhere", "b")), "EPHEMERAL");
  EXPECT_EQ(ReasonOf(store.NewTransfer().status()), "EPHEMERAL");
}

}  // namespace
}  // namespace backprop::server
