// What a session is in a later life of the server: pinned versions, copies, and answers whose session has gone on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "core/error.h"
#include "core/initial_parameters.h"
#include "tests/server/scheduling/gate.h"
#include "tests/server/sessions/reopened_sessions.h"
#include "tests/server/sessions/seen_session.h"

namespace backprop::server {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;

using LaterLifeTest = SessionReopenTest;

TEST_F(LaterLifeTest, TheStoreHasTheVersionsThatAreKeptAndNoOthers) {
  auto a = Restart().Create("a", SmallSpec());
  // Held in front of all that come later.
  ASSERT_TRUE(a->Update({.pinned_versions = std::vector<int64_t>{0}}).ok());
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(a->ApplyGradient(InitialParameters<double>(SmallSpec(3)), kMomentum, {}).ok());
  }
  a.reset();
  End();
  store_ = SqliteStore::OpenDirectory(directory_.path(), {.vfs = vfs_}).value();
  std::vector<int64_t> versions;
  const AnyOpenedSession opened = store_->Open("a").value();
  for (const auto& snapshot : std::get<OpenedSession<double>>(opened).kept.snapshots) {
    versions.push_back(snapshot.model_version);
  }
  EXPECT_THAT(versions, ElementsAre(0, 13, 14, 15, 16, 17, 18, 19, 20));
}

TEST_F(LaterLifeTest, APinnedVersionThatIsLearnedAgainStaysPinned) {
  auto a = Restart({.checkpoint_interval = milliseconds(3'600'000)}).Create("a", SmallSpec());
  for (int i = 0; i < 25; ++i) {
    ASSERT_TRUE(a->TrainOnline({.pattern_set = "s"}, SmallPatterns(3, i), kMomentum).ok());
    if (i == 4) {
      ASSERT_TRUE(a->Update({.pinned_versions = std::vector<int64_t>{3}}).ok());
    }
  }
  const Parameters<double> pinned = a->model_versions().Get(3).value()->parameters;
  a.reset();
  for (int lives = 0; lives < 2; ++lives) {
    const auto later = Restart({.checkpoint_interval = milliseconds(3'600'000)}).Get("a");
    ASSERT_TRUE(later->model_versions().Get(3).ok());
    EXPECT_EQ(later->model_versions().Get(3).value()->parameters, pinned);
    EXPECT_TRUE(later->Update({.labels = Labels{{"k", "v"}}}).ok());
  }
}

TEST_F(LaterLifeTest, ACopyHasNoPinsOfVersionsThatItHasNot) {
  World& world = Restart();
  const auto a = world.Create("a", SmallSpec());
  ASSERT_TRUE(a->Update({.pinned_versions = std::vector<int64_t>{0}}).ok());
  ASSERT_TRUE(a->ApplyGradient(InitialParameters<double>(SmallSpec(3)), kMomentum, {}).ok());
  ASSERT_TRUE(a->Update({.pinned_versions = std::vector<int64_t>{1}}).ok());
  ASSERT_TRUE(world.registry.Copy("a", "copy").ok());
  EXPECT_TRUE(world.Get("copy")->state().description.pinned_versions.empty());
  EXPECT_TRUE(world.Get("copy")->Update({.labels = Labels{{"k", "v"}}}).ok());
}

TEST_F(LaterLifeTest, WhatWasLearnedOnlineIsOpenedThoughTheQueueIsFull) {
  auto a = Restart({.checkpoint_interval = milliseconds(3'600'000)}).Create("a", SmallSpec());
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(a->TrainOnline({.pattern_set = "s"}, patterns_, kMomentum).ok());
  const SeenSession before(*a);
  a.reset();
  World& world = Restart({.worker_count = 2, .queue_limit = 1, .checkpoint_interval = milliseconds(3'600'000)});
  Gate gate;
  std::jthread holder([&] { EXPECT_TRUE(world.workers.RunAndWait([&] { gate.Pass(); }).ok()); });
  gate.WaitUntilReached();
  EXPECT_EQ(ReasonOf(world.workers.RunAndWait([] {})), "TRAINING_QUEUE_FULL");
  const absl::StatusOr<AnySession> opened = world.registry.Find("a");
  gate.Open();
  ASSERT_TRUE(opened.ok()) << opened.status();
  ExpectSame(before, SeenSession(*world.Get("a")));
}

TEST_F(LaterLifeTest, ACopysRequestHasItsAnswerWhenTheSourceIsGone) {
  World* world = &Restart();
  world->Create("a", SmallSpec());
  int recalled = 0;
  const auto request = [&](int64_t hash) {
    return ChangeRequest{.id = "r",
                         .hash = hash,
                         .serialize = [] { return std::string("answer"); },
                         .recall = [&](const std::string&) { ++recalled; }};
  };
  ASSERT_TRUE(world->registry.Copy("a", "b", request(1)).ok());
  ASSERT_TRUE(world->registry.Delete("a").ok());
  world = &Restart();
  EXPECT_TRUE(world->registry.Copy("a", "b", request(1)).ok());
  EXPECT_EQ(recalled, 1);
  EXPECT_EQ(ReasonOf(world->registry.Copy("a", "b").status()), "SESSION_NOT_FOUND");
  // An id that the session has answered to is of no use for its deletion.
  EXPECT_EQ(world->registry.Delete("b", request(2)).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(world->registry.Find("b").ok());
}

}  // namespace
}  // namespace backprop::server
