// Sessions whose store fails: a change is refused whole, and nothing is acknowledged that is not kept.
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <map>
#include <new>
#include <optional>
#include <ostream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/initial_parameters.h"
#include "tests/server/scheduling/gate.h"
#include "tests/server/sessions/failing_store.h"
#include "tests/server/sessions/session_world.h"

namespace backprop::server {
namespace {

// A change of session `a`; how it looks when done tells it apart from a change that was refused.
struct Change {
  std::string name;
  std::function<absl::Status(World*)> make;
};

void PrintTo(const Change& change, std::ostream* out) { *out << change.name; }

const std::vector<Change> kChanges = {
    {"Update",
     [](World* world) {
       return world->Get("a")->Update({.labels = Labels{{"k", "v"}}});
     }},
    {"FitScaling", [](World* world) { return world->Get("a")->FitScaling("s", ScalingMethod::kStandardize); }},
    {"SetParameters",
     [](World* world) {
       return world->Get("a")->SetParameters(InitialParameters<double>(SmallSpec(/*seed=*/5))).status();
     }},
    {"Append",
     [](World* world) {
       return world->Get("a")->Append({.pattern_set = "s", .offset = 8}, SmallPatterns(2)).status();
     }},
    {"AppendToNewSet",
     [](World* world) {
       return world->Get("a")->Append({.pattern_set = "t", .offset = 0}, SmallPatterns(2)).status();
     }},
    {"DeletePatternSet", [](World* world) { return world->Get("a")->DeletePatternSet("s"); }},
    {"TrainOnline",
     [](World* world) {
       return world->Get("a")->TrainOnline({.pattern_set = "s", .offset = 8}, SmallPatterns(2), {}).status();
     }},
    {"ApplyGradient",
     [](World* world) {
       return world->Get("a")->ApplyGradient(InitialParameters<double>(SmallSpec()), {}, {}).status();
     }},
    {"Copy", [](World* world) { return world->registry.Copy("a", "b").status(); }},
    {"Create", [](World* world) { return world->TryCreate("c", SmallSpec()).status(); }},
};

// What callers can see of a session.
struct Visible {
  Labels labels;
  Scalings scalings;
  int64_t model_version;
  Parameters<double> parameters;
  std::vector<std::pair<std::string, int64_t>> sets;
  bool operator==(const Visible&) const = default;
};

Visible VisibleOf(const Session<double>& session) {
  const SessionState state = session.state();
  Visible visible{
      state.description.labels, state.scalings, state.model_version, session.model_versions().Latest()->parameters, {}};
  for (const auto& set : session.pattern_sets().List()) visible.sets.emplace_back(set.id, set.pattern_count);
  return visible;
}

class StoreFailureTest : public testing::TestWithParam<Change> {
 protected:
  StoreFailureTest() {
    world_.Create("a", SmallSpec());
    EXPECT_TRUE(world_.Get("a")->Append({.pattern_set = "s", .offset = 0}, SmallPatterns(8)).ok());
  }
  ~StoreFailureTest() override { store_.OnCommit(nullptr); }

  FailingStore store_;
  World world_{{.store = &store_}};
};

TEST_P(StoreFailureTest, AFailedCommitRefusesTheChangeAndTheNextTryWorks) {
  const Visible before = VisibleOf(*world_.Get("a"));
  const int64_t used = world_.budget.used_bytes();
  int tries = 0;
  // Every call to the store that the change makes fails once.
  for (absl::Status status = absl::UnknownError("not tried"); !status.ok() && tries < 10; ++tries) {
    store_.FailAfter(tries);
    status = GetParam().make(&world_);
    store_.Recover();
    if (status.ok()) break;
    EXPECT_EQ(status.message(), "the disk is full");
    EXPECT_EQ(VisibleOf(*world_.Get("a")), before);
    EXPECT_EQ(world_.registry.count(), 1u);
    EXPECT_EQ(world_.budget.used_bytes(), used);
    EXPECT_EQ(store_.Kept("a").model_version, before.model_version);
  }
  EXPECT_GE(tries, 1);
  EXPECT_LT(tries, 10);
}

TEST_P(StoreFailureTest, NothingIsSeenBeforeItIsKept) {
  const auto session = world_.Get("a");
  const Visible before = VisibleOf(*session);
  store_.OnCommit([&] { EXPECT_EQ(VisibleOf(*session), before); });
  EXPECT_TRUE(GetParam().make(&world_).ok());
}

TEST_P(StoreFailureTest, WhatIsSeenIsKept) {
  EXPECT_TRUE(GetParam().make(&world_).ok());
  for (const SessionState& state : ListSessions(world_.registry)) {
    const Visible visible = VisibleOf(*world_.Get(state.description.id));
    const CountedSession kept = store_.Kept(state.description.id);
    EXPECT_EQ(kept.model_version, visible.model_version);
    EXPECT_EQ(kept.labels, visible.labels);
    EXPECT_EQ((std::map<std::string, int64_t>(visible.sets.begin(), visible.sets.end())), kept.pattern_counts);
  }
}

INSTANTIATE_TEST_SUITE_P(, StoreFailureTest, testing::ValuesIn(kChanges),
                         [](const auto& change) { return change.param.name; });

TEST(StoreOutOfMemoryTest, MemoryThatRunsOutDuringARunFailsTheRunAndTheWorkerLivesOn) {
  FailingStore store;
  World world({.worker_count = 1, .store = &store});
  const auto session = world.Create("a", SmallSpec());
  ASSERT_TRUE(session->Append({.pattern_set = "s", .offset = 0}, SmallPatterns(8)).ok());
  Gate gate;
  std::jthread holder([&] { EXPECT_TRUE(world.workers.RunAndWait([&] { gate.Pass(); }).ok()); });
  gate.WaitUntilReached();
  const auto run = session->StartTrainingRun(Epochs(1)).value();
  store.OnCommit([] { throw std::bad_alloc(); });
  gate.Open();
  EXPECT_TRUE(run->WaitForEnd(NeverStop));
  EXPECT_NE(run->status().state, RunState::kSucceeded);
  EXPECT_EQ(ReasonOf(run->status().error), "MEMORY_LIMIT");
  // On a thread of gRPC, which catches it.
  EXPECT_THROW(session->TrainOnline({.pattern_set = "s", .offset = 8}, SmallPatterns(1), {}).status().IgnoreError(),
               std::bad_alloc);
  store.OnCommit(nullptr);
  EXPECT_TRUE(session->TrainOnline({.pattern_set = "s", .offset = 8}, SmallPatterns(1), {}).ok());
  EXPECT_EQ(session->state().model_version, 2);
}

TEST(StoreFailureCleanUpTest, NothingIsKeptOfASessionThatCouldNotBeMade) {
  FailingStore store;
  World world({.store = &store});
  store.FailAfter(1);  // Creates the log, and fails to commit to it; then fails to clean up as well.
  EXPECT_FALSE(world.TryCreate("a", SmallSpec()).ok());
  store.Recover();
  EXPECT_TRUE(world.TryCreate("a", SmallSpec()).ok());
  ASSERT_TRUE(world.registry.Delete("a").ok());
  EXPECT_FALSE(store.Has("a"));
}

TEST(SessionDeletionTest, WithoutRoomToDeleteItASessionGoesOn) {
  FailingStore store;
  World world({.store = &store});
  const auto session = world.Create("a", SmallSpec());
  ASSERT_TRUE(session->Append({.pattern_set = "s"}, SmallPatterns(8)).ok());
  const auto run = session->StartTrainingRun(Epochs(kEndless)).value();
  store.FailAfter(0);
  EXPECT_EQ(ReasonOf(world.registry.Delete("a")), "STORAGE_FULL");
  store.Recover();
  EXPECT_FALSE(run->cancel_requested());
  EXPECT_EQ(world.Get("a"), session);
  EXPECT_TRUE(session->Append({.pattern_set = "s"}, SmallPatterns(2)).ok());
  EXPECT_TRUE(world.registry.Delete("a").ok());
  ASSERT_TRUE(run->WaitForEnd(NeverStop));
  EXPECT_EQ(ReasonOf(run->status().error), "SESSION_NOT_FOUND");
}

// Training and appends wait for no copy of a large session.
TEST(SessionCopyTest, OthersChangeTheSessionBetweenThePartsOfABackup) {
  FailingStore store;
  World world({.store = &store});
  const auto session = world.Create("a", SmallSpec());
  std::atomic<bool> appended = false;
  std::optional<std::jthread> other;
  int part_count = 0;
  store.OnCopyPart([&] {
    if (part_count == 0) {
      other.emplace([&] { appended = session->Append({.pattern_set = "s"}, SmallPatterns(2)).ok(); });
    }
    return appended || ++part_count == 1'000'000 ? 0 : 1;
  });
  ASSERT_TRUE(session->Export("nowhere").ok());
  EXPECT_TRUE(appended);
}

TEST(SessionCopyTest, ABackupThatIsGivenUpEndsBetweenItsParts) {
  FailingStore store;
  World world({.store = &store});
  const auto session = world.Create("a", SmallSpec());
  int part_count = 0;
  store.OnCopyPart([&] { return ++part_count == 1'000'000 ? 0 : 1; });
  EXPECT_EQ(session->Export("nowhere", [&] { return part_count == 3; }).code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(part_count, 3);
  EXPECT_EQ(store.ended_copies(), 1);
}

TEST(SessionCopyTest, OthersChangeTheSessionWhileACopyIsWritten) {
  FailingStore store;
  World world({.store = &store});
  const auto session = world.Create("a", SmallSpec());
  ASSERT_TRUE(session->Append({.pattern_set = "s"}, SmallPatterns(2)).ok());
  bool first = true;
  store.OnCommit([&] {
    if (std::exchange(first, false)) {
      EXPECT_TRUE(session->Append({.pattern_set = "s"}, SmallPatterns(1)).ok());
    }
  });
  ASSERT_TRUE(world.registry.Copy("a", "b").ok());
  EXPECT_FALSE(first);
  EXPECT_EQ(world.Get("a")->pattern_sets().NextOffset("s"), 3);
  EXPECT_EQ(world.Get("b")->pattern_sets().NextOffset("s"), 2);
}

}  // namespace
}  // namespace backprop::server
