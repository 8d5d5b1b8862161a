#include "server/sessions/session_registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/error.h"
#include "core/initial_parameters.h"
#include "tests/server/scheduling/gate.h"
#include "tests/server/sessions/failing_store.h"
#include "tests/server/sessions/session_world.h"

namespace backprop::server {
namespace {

using testing::ElementsAre;

std::vector<std::string> IdsOf(const std::vector<SessionState>& sessions) {
  std::vector<std::string> ids;
  for (const SessionState& session : sessions) ids.push_back(session.description.id);
  return ids;
}

bool Any(const SessionState&) { return true; }

TEST(SessionRegistryTest, HoldsSessionsOfBothPrecisions) {
  World world;
  world.Create("double", SmallSpec());
  NetworkSpec::Fields fields = SmallSpec().fields();
  fields.precision = Precision::kFloat32;
  ASSERT_TRUE(world.registry.Create<float>({.id = "float", .spec = MakeSpec(fields)}, {}, std::nullopt).ok());
  EXPECT_TRUE(std::holds_alternative<std::shared_ptr<Session<float>>>(world.registry.Find("float").value()));
  EXPECT_TRUE(std::holds_alternative<std::shared_ptr<Session<double>>>(world.registry.Find("double").value()));
}

TEST(SessionRegistryTest, AnIdInUseIsRefused) {
  World world;
  world.Create("a", SmallSpec());
  EXPECT_EQ(ReasonOf(world.TryCreate("a", SmallSpec()).status()), "SESSION_ALREADY_EXISTS");
  world.Create("b", SmallSpec());
  EXPECT_EQ(ReasonOf(world.registry.Copy("b", "a").status()), "SESSION_ALREADY_EXISTS");
  EXPECT_EQ(world.registry.count(), 2u);
}

TEST(SessionRegistryTest, TakesItsLimitOfSessionsAndNoMore) {
  World world({.max_sessions = 2});
  world.Create("a", SmallSpec());
  world.Create("b", SmallSpec());
  EXPECT_EQ(ReasonOf(world.TryCreate("c", SmallSpec()).status()), "SESSION_LIMIT");
  EXPECT_EQ(ReasonOf(world.registry.Copy("a", "c").status()), "SESSION_LIMIT");
  ASSERT_TRUE(world.registry.Delete("a").ok());
  EXPECT_TRUE(world.TryCreate("c", SmallSpec()).ok());
}

TEST(SessionRegistryTest, MemoryForParametersIsTakenToTheLimit) {
  // Versions kept, and what an optimizer remembers.
  const int64_t bytes = SmallSpec().parameter_count() * int64_t{sizeof(double)} * (8 + 2);
  World world({.memory_bytes = 2 * bytes});
  world.Create("a", SmallSpec());
  world.Create("b", SmallSpec());
  EXPECT_EQ(ReasonOf(world.TryCreate("c", SmallSpec()).status()), "MEMORY_LIMIT");
  ASSERT_TRUE(world.registry.Delete("a").ok());
  EXPECT_EQ(world.budget.used_bytes(), bytes);
  EXPECT_TRUE(world.TryCreate("c", SmallSpec()).ok());
}

TEST(SessionRegistryTest, AStepTakesMemoryToTheLimit) {
  const int64_t vector_bytes = SmallSpec().parameter_count() * int64_t{sizeof(double)};
  // With Adam: the gradient and the parameters twice, two moments in two learners.
  const int64_t step_bytes = 8 * vector_bytes;
  for (const int64_t missing : {0, 1}) {
    World world({.memory_bytes = vector_bytes * (8 + 2) + step_bytes - missing});
    const auto session = world.Create("a", SmallSpec());
    const auto version =
        session->ApplyGradient(InitialParameters<double>(SmallSpec(3)), {.optimizer = Adam{}}, std::nullopt);
    EXPECT_EQ(ReasonOf(version.status()), missing == 0 ? "" : "MEMORY_LIMIT") << version.status();
    EXPECT_EQ(session->state().model_version, missing == 0 ? 1 : 0);
    EXPECT_EQ(world.budget.used_bytes(), vector_bytes * (8 + 2));
  }
}

TEST(SessionRegistryTest, ACopyWithoutMemoryLeavesNothing) {
  FailingStore store;
  const int64_t patterns_bytes = PatternSequence<double>(2, 1).bytes_per_pattern() * 100;
  World world({.memory_bytes = 2 * patterns_bytes, .store = &store});
  const auto session = world.Create("a", SmallSpec());
  ASSERT_TRUE(session->Append({.pattern_set = "s", .offset = 0}, SmallPatterns(100)).ok());
  const int64_t used = world.budget.used_bytes();
  EXPECT_EQ(ReasonOf(world.registry.Copy("a", "b").status()), "MEMORY_LIMIT");
  EXPECT_EQ(world.budget.used_bytes(), used);
  EXPECT_FALSE(store.Has("b"));
  EXPECT_EQ(world.registry.count(), 1u);
}

TEST(SessionRegistryTest, ACopyIsIndependentOfItsSource) {
  World world;
  const auto source = world.Create("a", SmallSpec());
  ASSERT_TRUE(source->Append({.pattern_set = "s", .offset = 0}, SmallPatterns(5)).ok());
  ASSERT_TRUE(source->ApplyGradient(InitialParameters<double>(SmallSpec(3)), {}, {}).ok());
  const auto copy = std::get<std::shared_ptr<Session<double>>>(world.registry.Copy("a", "b").value());
  EXPECT_EQ(copy->state().model_version, 0);
  EXPECT_EQ(copy->model_versions().Latest()->parameters, source->model_versions().Latest()->parameters);
  ASSERT_TRUE(source->Append({.pattern_set = "s", .offset = 5}, SmallPatterns(2, 7)).ok());
  ASSERT_TRUE(copy->Append({.pattern_set = "s", .offset = 5}, SmallPatterns(3, 8)).ok());
  ASSERT_TRUE(copy->ApplyGradient(InitialParameters<double>(SmallSpec(4)), {}, {}).ok());
  EXPECT_EQ(source->state().model_version, 1);
  EXPECT_EQ(source->pattern_sets().NextOffset("s"), 7);
  EXPECT_EQ(copy->pattern_sets().Get("s")->Slice(5, 3), SmallPatterns(3, 8));
  ASSERT_TRUE(world.registry.Delete("a").ok());
  EXPECT_EQ(copy->pattern_sets().Get("s")->Slice(0, 5), SmallPatterns(5));
}

TEST(SessionRegistryTest, ListGoesInOrderFromBehindAnId) {
  World world;
  for (const char* id : {"c", "a", "e", "b", "d"}) world.Create(id, SmallSpec());
  EXPECT_THAT(IdsOf(ListSessions(world.registry, "", 3, Any)), ElementsAre("a", "b", "c"));
  EXPECT_THAT(IdsOf(ListSessions(world.registry, "c", 3, Any)), ElementsAre("d", "e"));
  const auto not_b = [](const SessionState& state) { return state.description.id != "b"; };
  EXPECT_THAT(IdsOf(ListSessions(world.registry, "", 2, not_b)), ElementsAre("a", "c"));
}

TEST(SessionRegistryTest, UnknownSessionsAreNotFound) {
  World world;
  EXPECT_EQ(ReasonOf(world.registry.Find("a").status()), "SESSION_NOT_FOUND");
  EXPECT_EQ(ReasonOf(world.registry.Delete("a")), "SESSION_NOT_FOUND");
  EXPECT_EQ(ReasonOf(world.registry.Copy("a", "b").status()), "SESSION_NOT_FOUND");
}

TEST(SessionRegistryTest, OfManyAtOnceOneGetsTheId) {
  World world;
  std::atomic<int> created = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (int n = 0; n < 50; ++n) created += world.TryCreate(absl::StrCat("s", n), SmallSpec()).ok();
      });
    }
  }
  EXPECT_EQ(created, 50);
  EXPECT_EQ(world.registry.count(), 50u);
}

TEST(SessionRegistryTest, WhoAsksForASessionBeingMadeWaitsForIt) {
  FailingStore store;
  World world({.store = &store});
  Gate gate;
  store.OnCommit([&] { gate.Pass(); });
  std::jthread maker([&] { world.Create("a", SmallSpec()); });
  gate.WaitUntilReached();
  std::jthread finder([&] { EXPECT_TRUE(world.registry.Find("a").ok()); });
  std::jthread rival(
      [&] { EXPECT_EQ(ReasonOf(world.TryCreate("a", SmallSpec()).status()), "SESSION_ALREADY_EXISTS"); });
  EXPECT_EQ(ReasonOf(world.registry.Find("b").status()), "SESSION_NOT_FOUND");  // Others do not wait.
  gate.Open();
}

TEST(SessionRegistryTest, MemoryThatRunsOutInMakingASessionLeavesItsIdFree) {
  FailingStore store;
  World world({.store = &store});
  store.OnCommit([] { throw std::bad_alloc(); });
  EXPECT_THROW(world.TryCreate("a", SmallSpec()).IgnoreError(), std::bad_alloc);
  store.OnCommit(nullptr);
  EXPECT_TRUE(world.TryCreate("a", SmallSpec()).ok());
}

}  // namespace
}  // namespace backprop::server
