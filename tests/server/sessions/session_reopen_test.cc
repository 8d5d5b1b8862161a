// Sessions that a store has kept are made again: the same session, to the same bits, wherever it was stopped.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "core/error.h"
#include "core/initial_parameters.h"
#include "tests/server/scheduling/gate.h"
#include "tests/server/sessions/reopened_sessions.h"
#include "tests/server/sessions/seen_session.h"
#include "tests/server/storage/faulty_vfs.h"

namespace backprop::server {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;

TEST_F(SessionReopenTest, ItIsTheSameSession) {
  auto a = Restart().Create("a", SmallSpec());
  ASSERT_TRUE(a->Append({.pattern_set = "s", .offset = 0}, patterns_).ok());
  ASSERT_TRUE(a->Append({.pattern_set = "gone"}, patterns_).ok());
  ASSERT_TRUE(a->DeletePatternSet("gone").ok());
  ASSERT_TRUE(a->FitScaling("s", ScalingMethod::kStandardize).ok());
  ASSERT_TRUE(a->Update({.labels = Labels{{"k", "v"}}, .pinned_versions = std::vector<int64_t>{0}}).ok());
  ASSERT_TRUE(a->StartTrainingRun(Epochs(12, kMomentum)).value()->WaitForEnd(NeverStop));
  ASSERT_TRUE(a->ApplyGradient(InitialParameters<double>(SmallSpec(3)), kMomentum, {}).ok());
  ASSERT_TRUE(a->TrainOnline({.pattern_set = "online"}, patterns_, kMomentum).ok());
  ASSERT_TRUE(a->TrainOnline({.pattern_set = "online"}, patterns_, kMomentum).ok());
  const SeenSession before(*a);
  a.reset();
  const auto after = Restart().Get("a");
  ExpectSame(before, SeenSession(*after));
  EXPECT_EQ(after->model_versions().List().front()->model_version, 0);  // Pinned.
}

TEST_F(SessionReopenTest, OnlineTrainingGoesOnWithTheOptimizersState) {
  World reference;
  const auto whole = reference.Create("a", SmallSpec());
  // One checkpoint at the first message and none behind it: the rest is learned again.
  for (const milliseconds interval : {milliseconds(3'600'000), milliseconds(0)}) {
    const std::string id = interval.count() == 0 ? "each" : "first";
    Restart({.checkpoint_interval = interval}).Create(id, SmallSpec());
    for (int i = 0; i < 5; ++i) {
      ASSERT_TRUE(world_->Get(id)->TrainOnline({.pattern_set = "s"}, SmallPatterns(6, i), kMomentum).ok());
      if (i % 2 == 0) Restart({.checkpoint_interval = interval});
    }
  }
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(whole->TrainOnline({.pattern_set = "s"}, SmallPatterns(6, i), kMomentum).ok());
  }
  for (const char* id : {"each", "first"}) {
    EXPECT_EQ(world_->Get(id)->model_versions().Latest()->parameters, whole->model_versions().Latest()->parameters);
    EXPECT_EQ(world_->Get(id)->state().model_version, 5);
  }
}

TEST_F(SessionReopenTest, PatternsOfADeletedSetAreNotNeededToLearnAgain) {
  auto a = Restart({.checkpoint_interval = milliseconds(3'600'000)}).Create("a", SmallSpec());
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(a->TrainOnline({.pattern_set = "s"}, patterns_, kMomentum).ok());
  ASSERT_TRUE(a->DeletePatternSet("s").ok());
  const SeenSession before(*a);
  a.reset();
  ExpectSame(before, SeenSession(*Restart().Get("a")));
}

TEST_F(SessionReopenTest, ARequestGetsItsFirstAnswerInALaterLife) {
  std::string answer;
  const auto request = [&](int64_t hash) {
    return ChangeRequest{
        .id = "r",
        .hash = hash,
        .respond = [&](const SessionState& after) { answer = absl::StrCat("version ", after.model_version); },
        .serialize = [&] { return answer; },
        .recall = [&](const std::string& bytes) { answer = "again " + bytes; }};
  };
  const Parameters<double> gradient = InitialParameters<double>(SmallSpec());
  ASSERT_TRUE(Restart().Create("a", SmallSpec())->ApplyGradient(gradient, {}, {}, request(1)).ok());
  EXPECT_EQ(answer, "version 1");
  ASSERT_TRUE(Restart().Get("a")->ApplyGradient(gradient, {}, {}, request(1)).ok());
  EXPECT_EQ(answer, "again version 1");
  EXPECT_EQ(world_->Get("a")->state().model_version, 1);
  EXPECT_EQ(world_->Get("a")->ApplyGradient(gradient, {}, {}, request(2)).status().code(),
            absl::StatusCode::kInvalidArgument);
  ASSERT_TRUE(world_->registry.Delete("a", {.id = "d", .hash = 7}).ok());
  EXPECT_TRUE(Restart().registry.Delete("a", {.id = "d", .hash = 7}).ok());
  EXPECT_FALSE(world_->registry.Delete("a", {.id = "d", .hash = 8}).ok());
  EXPECT_EQ(ReasonOf(world_->registry.Delete("a")), "SESSION_NOT_FOUND");
}

TEST_F(SessionReopenTest, LargeAnswersAreKeptAsFarAsThereIsRoomAndCounted) {
  std::string recalled;
  const auto request = [&](int number, size_t bytes) {
    return ChangeRequest{.id = absl::StrCat("r-", number),
                         .hash = number,
                         .serialize = [=] { return std::string(bytes, static_cast<char>('a' + number)); },
                         .recall = [&](const std::string& answer) { recalled = answer.substr(0, 1); }};
  };
  const int64_t part = kMaxKeptAnswerBytes / 4;
  auto a = Restart().Create("a", SmallSpec());
  const int64_t before = world_->budget.used_bytes();
  for (int number = 0; number < 9; ++number) {
    ASSERT_TRUE(a->KeepAnswer(request(number, static_cast<size_t>(part))).ok());
    EXPECT_EQ(world_->budget.used_bytes() - before, part * std::min(number + 1, 4));
  }
  a.reset();
  a = Restart().Get("a");
  EXPECT_EQ(world_->budget.used_bytes() - before, part * 4);
  EXPECT_FALSE(a->WasAnswered(request(4, 0)).value());
  EXPECT_TRUE(a->WasAnswered(request(5, 0)).value());
  EXPECT_EQ(recalled, "f");
  // One that is larger than all of the room is kept, alone.
  ASSERT_TRUE(a->KeepAnswer(request(10, static_cast<size_t>(kMaxKeptAnswerBytes) + 1)).ok());
  EXPECT_FALSE(a->WasAnswered(request(8, 0)).value());
  a.reset();
  EXPECT_TRUE(Restart().Get("a")->WasAnswered(request(10, 0)).value());
}

TEST_F(SessionReopenTest, SessionsThatNobodyHasUsedSinceThenAreClosedAndOpenedAgain) {
  World& world = Restart();
  const auto used = world.Create("used", SmallSpec());
  for (const char* id : {"a", "b"}) {
    ASSERT_TRUE(world.Create(id, SmallSpec())->Append({.pattern_set = "s"}, patterns_).ok());
  }
  const auto then = SessionRegistry::Clock::now();
  EXPECT_EQ(world.Get("b")->pattern_sets().NextOffset("s"), 20);
  EXPECT_TRUE(world.registry.CloseIdle(then));  // a
  EXPECT_FALSE(world.registry.CloseIdle(then));
  EXPECT_EQ(world.registry.open_count(), 2u);
  EXPECT_EQ(world.Get("a")->pattern_sets().NextOffset("s"), 20);
  EXPECT_EQ(world.registry.open_count(), 3u);
}

TEST_F(SessionReopenTest, ASessionThatIsHeldIsUsedUntilItIsNot) {
  World& world = Restart();
  auto held = world.Create("a", SmallSpec());
  const auto then = SessionRegistry::Clock::now();
  EXPECT_FALSE(world.registry.CloseIdle(then));
  held.reset();
  EXPECT_FALSE(world.registry.CloseIdle(then));
  EXPECT_TRUE(world.registry.CloseIdle());
}

TEST_F(SessionReopenTest, SessionsThatNobodyUsesAreClosedForOthersAndOpenedAgain) {
  World& world = Restart({.max_open_sessions = 2});
  for (const char* id : {"a", "b", "c", "d"}) {
    ASSERT_TRUE(world.Create(id, SmallSpec())->Append({.pattern_set = "s"}, patterns_).ok());
  }
  EXPECT_LE(world.registry.open_count(), 2u);
  const auto run = world.Get("a")->StartTrainingRun(Epochs(kEndless, kMomentum)).value();
  for (const char* id : {"b", "c", "d"}) EXPECT_EQ(world.Get(id)->pattern_sets().NextOffset("s"), 20);
  EXPECT_EQ(run->status().state == RunState::kCancelled, false);
  EXPECT_EQ(world.Get("a")->ListTrainingRuns().front(), run);  // It was never closed.
  run->Cancel(CancelledByTest());
  EXPECT_TRUE(run->WaitForEnd(NeverStop));
  std::vector<std::string> ids;
  for (const SessionState& state : ListSessions(world.registry)) {
    ids.push_back(state.description.id);
  }
  EXPECT_THAT(ids, ElementsAre("a", "b", "c", "d"));
}

TEST_F(SessionReopenTest, MemoryIsTakenFromSessionsThatNobodyUses) {
  const int64_t bytes = PatternSequence<double>(2, 1).bytes_per_pattern() * 100;
  World& world = Restart({.memory_bytes = bytes * 14 / 5});
  for (const char* id : {"a", "b", "c", "d"}) {
    ASSERT_TRUE(world.Create(id, SmallSpec())->Append({.pattern_set = "s"}, SmallPatterns(100)).ok()) << id;
  }
  const auto a = world.Get("a"), b = world.Get("b");  // Both in use: there is no room for a third.
  EXPECT_EQ(ReasonOf(world.registry.Find("c").status()), "MEMORY_LIMIT");
}

TEST_F(SessionReopenTest, AfterAStoreFailedASessionIsOpenedAnewWithWhatWasAcknowledged) {
  FaultyVfs vfs;
  vfs_ = vfs.name();
  World& world = Restart({.checkpoint_interval = milliseconds(0)});
  ASSERT_TRUE(world.Create("a", SmallSpec())->Append({.pattern_set = "s"}, patterns_).ok());
  world.Create("b", SmallSpec());
  vfs.FailAt(1, Fault::kStop);
  EXPECT_EQ(ReasonOf(world.Get("a")->Append({.pattern_set = "s"}, patterns_).status()), "STORAGE_FAILED");
  EXPECT_FALSE(world.registry.Find("a").ok());
  vfs.Recover();
  EXPECT_EQ(world.Get("a")->pattern_sets().NextOffset("s"), 20);
  EXPECT_TRUE(world.Get("a")->Append({.pattern_set = "s"}, patterns_).ok());
  EXPECT_TRUE(world.Get("b")->Append({.pattern_set = "s"}, patterns_).ok());
  End();  // Before the file system that it stands on.
}

TEST_F(SessionReopenTest, AFullDiskRefusesAndGoesOnWhenThereIsRoom) {
  FaultyVfs vfs;
  vfs_ = vfs.name();
  auto a = Restart().Create("a", SmallSpec());
  ASSERT_TRUE(a->Append({.pattern_set = "s"}, patterns_).ok());
  vfs.FailAt(1, Fault::kFull);
  EXPECT_EQ(ReasonOf(a->Append({.pattern_set = "s"}, patterns_).status()), "STORAGE_FULL");
  EXPECT_EQ(a->pattern_sets().NextOffset("s"), 20);
  vfs.Recover();
  EXPECT_TRUE(a->Append({.pattern_set = "s", .offset = 20}, patterns_).ok());
  const SeenSession before(*a);
  a.reset();
  End();
  vfs_.clear();
  ExpectSame(before, SeenSession(*Restart().Get("a")));
}

TEST_F(SessionReopenTest, ManyWritersShareCommitsAndLoseNothing) {
  auto a = Restart().Create("a", SmallSpec());
  {
    std::vector<std::jthread> writers;
    for (int w = 0; w < 8; ++w) {
      writers.emplace_back([&, w] {
        const std::string set = absl::StrCat("s", w % 4);
        for (int i = 0; i < 50; ++i) EXPECT_TRUE(a->Append({.pattern_set = set}, SmallPatterns(3, i)).ok());
      });
    }
  }
  for (int s = 0; s < 4; ++s) EXPECT_EQ(a->pattern_sets().NextOffset(absl::StrCat("s", s)), 300);
  const SeenSession before(*a);
  a.reset();
  ExpectSame(before, SeenSession(*Restart().Get("a")));
}

TEST_F(SessionReopenTest, ACopyAndAnImportAreSessionsOfTheirOwn) {
  World& world = Restart();
  auto a = world.Create("a", SmallSpec());
  ASSERT_TRUE(a->Append({.pattern_set = "s"}, patterns_).ok());
  ASSERT_TRUE(a->StartTrainingRun(Epochs(3, kMomentum)).value()->WaitForEnd(NeverStop));
  ASSERT_TRUE(world.registry.Copy("a", "copy").ok());
  auto file = world.registry.Export("a").value();
  ASSERT_TRUE(world.registry.Import(*file, "import").ok());
  file.reset();
  const Parameters<double> parameters = a->model_versions().Latest()->parameters;
  a.reset();
  ASSERT_TRUE(world.registry.Delete("a").ok());
  World& later = Restart();
  EXPECT_EQ(later.Get("copy")->model_versions().Latest()->parameters, parameters);
  EXPECT_EQ(later.Get("copy")->pattern_sets().Get("s")->Slice(0, 20), patterns_);
  EXPECT_TRUE(later.Get("copy")->ListTrainingRuns().empty());
  EXPECT_EQ(later.Get("import")->ListTrainingRuns().size(), 1u);
  EXPECT_EQ(later.Get("import")->model_versions().Latest()->parameters, parameters);
}

}  // namespace
}  // namespace backprop::server
