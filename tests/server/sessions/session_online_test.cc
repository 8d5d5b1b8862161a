// On-line training and steps from outside: exactly once, all or nothing, with the optimizer's state kept.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "core/error.h"
#include "core/initial_parameters.h"
#include "core/online_learner.h"
#include "tests/server/scheduling/gate.h"
#include "tests/server/sessions/session_world.h"

namespace backprop::server {
namespace {

constexpr TrainingOptions kMomentum{.step_size = 0.05, .optimizer = GradientAscent{.momentum = 0.9}};

class SessionOnlineTest : public testing::Test {
 protected:
  absl::StatusOr<OnlineResult<double>> Learn(std::optional<int64_t> offset, const Patterns<double>& patterns,
                                             const TrainingOptions& options = kMomentum) {
    return session_->TrainOnline({.pattern_set = "s", .offset = offset}, patterns, options);
  }
  const Parameters<double>& Latest() const { return session_->model_versions().Latest()->parameters; }

  World world_;
  const Patterns<double> patterns_ = SmallPatterns(6);
  const std::shared_ptr<Session<double>> session_ = world_.Create("a", SmallSpec());
};

// What a pass by `learner` makes of the patterns; the learner goes on from there.
OnlinePass<double> Expected(OnlineLearner<double>* learner, const Patterns<double>& patterns,
                            const Parameters<double>& parameters) {
  OnlinePass<double> pass(SmallSpec(), {}, patterns, *learner, parameters);
  while (pass.Step(SequentialFor, NeverStop) == OnlinePass<double>::Outcome::kBatchDone) continue;
  *learner = pass.learner();
  return pass;
}

TEST_F(SessionOnlineTest, LearnsWhatTheLearnerLearnsAndStoresThePatterns) {
  OnlineLearner<double> learner(kMomentum);
  const auto expected = Expected(&learner, patterns_, InitialParameters<double>(SmallSpec()));
  const OnlineResult<double> result = Learn(0, patterns_).value();
  EXPECT_EQ(result.outputs, expected.outputs());
  EXPECT_EQ(result.log_likelihood, expected.measures().log_likelihood);
  EXPECT_EQ(result.next_offset, 6);
  EXPECT_EQ(result.model_version, 1);
  EXPECT_EQ(Latest(), expected.parameters());
  EXPECT_EQ(session_->pattern_sets().Get("s")->Slice(0, 6), patterns_);
}

TEST_F(SessionOnlineTest, ARepeatedBatchIsNotLearnedTwice) {
  ASSERT_TRUE(Learn(0, patterns_).ok());
  const Parameters<double> once = Latest();
  EXPECT_EQ(Learn(0, patterns_).status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(Learn(7, patterns_).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(Learn(3, patterns_).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Latest(), once);
  EXPECT_EQ(session_->state().model_version, 1);
}

TEST_F(SessionOnlineTest, TheOptimizersStateIsKeptFromCallToCall) {
  OnlineLearner<double> learner(kMomentum);
  Parameters<double> parameters = InitialParameters<double>(SmallSpec());
  for (int i = 0; i < 3; ++i) {
    parameters = Expected(&learner, patterns_, parameters).parameters();
    ASSERT_TRUE(Learn(std::nullopt, patterns_).ok());
  }
  EXPECT_EQ(Latest(), parameters);
}

TEST_F(SessionOnlineTest, OtherOptionsBeginWithAFreshOptimizer) {
  ASSERT_TRUE(Learn(std::nullopt, patterns_).ok());
  TrainingOptions other = kMomentum;
  other.step_size = 0.01;
  OnlineLearner<double> fresh(other);
  const auto expected = Expected(&fresh, patterns_, Latest());
  ASSERT_TRUE(Learn(std::nullopt, patterns_, other).ok());
  EXPECT_EQ(Latest(), expected.parameters());
}

TEST_F(SessionOnlineTest, ABatchThatDivergesLeavesEverythingAsItWas) {
  ASSERT_TRUE(Learn(0, patterns_).ok());
  const Parameters<double> before = Latest();
  const int64_t used = world_.budget.used_bytes();
  Patterns<double> bad = patterns_;
  bad.targets(0, 5) = 1e300;  // The first five could be learned.
  const absl::Status status = Learn(6, bad).status();
  EXPECT_EQ(ReasonOf(status), "DIVERGED");
  EXPECT_EQ(Latest(), before);
  EXPECT_EQ(session_->pattern_sets().NextOffset("s"), 6);
  EXPECT_EQ(world_.budget.used_bytes(), used);
  // Nor has the optimizer's state moved.
  const auto other = world_.Create("b", SmallSpec());
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(other->TrainOnline({.pattern_set = "s", .offset = {}}, patterns_, kMomentum).ok());
  }
  ASSERT_TRUE(Learn(6, patterns_).ok());
  EXPECT_EQ(Latest(), other->model_versions().Latest()->parameters);
}

// A message whose learning takes minutes, given up when `end` is called while a worker learns from it.
void LongMessageEndsBy(const std::string& reason, const std::function<void(World*)>& end) {
  World world({.worker_count = 1});
  const auto session = world.Create("big", MakeSpec({.input_unit_count = 2,
                                                     .hidden_layers = {{1250, Activation::kTanh}, {1250}},
                                                     .output_unit_count = 1,
                                                     .precision = Precision::kFloat64}));
  const int64_t before = world.budget.used_bytes();
  std::jthread caller([&] {
    const absl::Status status =
        session->TrainOnline({.pattern_set = "s", .offset = 0}, SmallPatterns(kMaxPatternsPerBatch), {}).status();
    EXPECT_EQ(ReasonOf(status), reason) << status;
  });
  while (world.budget.used_bytes() == before) std::this_thread::yield();  // Its patterns are charged for.
  end(&world);
  caller.join();
  EXPECT_EQ(session->state().model_version, 0);
  EXPECT_EQ(session->pattern_sets().NextOffset("s"), 0);
  EXPECT_LE(world.budget.used_bytes(), before);
}

TEST_F(SessionOnlineTest, ShutdownDoesNotWaitForALongMessage) {
  LongMessageEndsBy("SHUTTING_DOWN", [](World* world) { world->workers.Shutdown(); });
}

TEST_F(SessionOnlineTest, DeletionDoesNotWaitForALongMessage) {
  LongMessageEndsBy("SESSION_NOT_FOUND", [](World* world) { EXPECT_TRUE(world->registry.Delete("big").ok()); });
}

TEST_F(SessionOnlineTest, ALongMessageHoldsUpNoAppendAndEndsWithItsCaller) {
  World world({.worker_count = 1});
  const auto session = world.Create("big", MakeSpec({.input_unit_count = 2,
                                                     .hidden_layers = {{1250, Activation::kTanh}, {1250}},
                                                     .output_unit_count = 1,
                                                     .precision = Precision::kFloat64}));
  const int64_t before = world.budget.used_bytes();
  std::atomic<bool> gone = false;
  std::jthread caller([&] {
    const auto result = session->TrainOnline({.pattern_set = "s"}, SmallPatterns(kMaxPatternsPerBatch), {},
                                             [&] { return gone.load(); });
    EXPECT_EQ(result.status().code(), absl::StatusCode::kCancelled);
  });
  while (world.budget.used_bytes() == before) std::this_thread::yield();
  EXPECT_TRUE(session->Append({.pattern_set = "other"}, SmallPatterns(3)).ok());
  EXPECT_TRUE(session->Update({.labels = Labels{{"a", "b"}}}).ok());
  // A change of the parameters waits for its turn, or gives up.
  const Parameters<double> parameters = session->model_versions().Latest()->parameters;
  EXPECT_TRUE(
      absl::IsCancelled(session->SetParameters(parameters, {.id = "", .given_up = [] { return true; }}).status()));
  gone = true;
  caller.join();
  EXPECT_EQ(session->state().model_version, 0);
  EXPECT_EQ(session->pattern_sets().NextOffset("s"), 0);
}

TEST_F(SessionOnlineTest, ALongMessageTakesTurnsWithOtherWork) {
  // 65,536 steps of a network of 4,400 parameters: many slices on any machine.
  World world({.worker_count = 1});
  const auto session =
      world.Create("long", MakeSpec({.input_unit_count = 2,
                                     .hidden_layers = {{64, Activation::kTanh}, {64, Activation::kTanh}},
                                     .output_unit_count = 1,
                                     .precision = Precision::kFloat64}));
  Gate gate;
  std::jthread holder([&] { EXPECT_TRUE(world.workers.RunAndWait([&] { gate.Pass(); }).ok()); });
  gate.WaitUntilReached();
  std::jthread caller([&] {
    EXPECT_TRUE(
        session->TrainOnline({.pattern_set = "s"}, SmallPatterns(kMaxPatternsPerBatch), {.step_size = 1e-3}).ok());
  });
  while (world.workers.waiting_count() < 1) std::this_thread::yield();
  std::jthread other(
      [&] { EXPECT_TRUE(world.workers.RunAndWait([&] { EXPECT_EQ(session->state().model_version, 0); }).ok()); });
  while (world.workers.waiting_count() < 2) std::this_thread::yield();
  gate.Open();
  caller.join();
  EXPECT_EQ(session->state().model_version, 1);
}

TEST_F(SessionOnlineTest, ASessionTakesOnePlaceInTheQueueHoweverManyCallers) {
  World world({.worker_count = 1, .queue_limit = 3});  // The holder, and one place for each session.
  const auto a = world.Create("a", SmallSpec()), b = world.Create("b", SmallSpec());
  Gate gate;
  std::jthread holder([&] { EXPECT_TRUE(world.workers.RunAndWait([&] { gate.Pass(); }).ok()); });
  gate.WaitUntilReached();
  const auto learn = [&](const std::shared_ptr<Session<double>>& session) {
    const auto result = session->TrainOnline({.pattern_set = "s"}, patterns_, kMomentum);
    EXPECT_TRUE(result.ok()) << result.status();
  };
  {
    std::vector<std::jthread> callers;
    for (const auto& session : {a, a, a, b}) callers.emplace_back([&learn, session] { learn(session); });
    while (world.workers.waiting_count() < 2) std::this_thread::yield();
    gate.Open();
  }
  EXPECT_EQ(a->state().model_version, 3);
  EXPECT_EQ(b->state().model_version, 1);
}

TEST_F(SessionOnlineTest, ApplyGradientIsOneStepUpTheGradient) {
  const Parameters<double> gradient = InitialParameters<double>(SmallSpec(/*seed=*/8));
  Parameters<double> expected = Latest();
  EXPECT_EQ(session_->ApplyGradient(gradient, {.step_size = 0.5}, 0).value(), 1);
  expected.flat() += 0.5 * gradient.flat();  // (15)
  EXPECT_EQ(Latest(), expected);
}

TEST_F(SessionOnlineTest, ApplyGradientAtAnotherVersionThanExpectedChangesNothing) {
  const Parameters<double> gradient = InitialParameters<double>(SmallSpec());
  ASSERT_EQ(session_->ApplyGradient(gradient, {}, std::nullopt).value(), 1);
  const Parameters<double> before = Latest();
  for (const int64_t expected : {int64_t{0}, int64_t{2}, int64_t{-1}}) {
    EXPECT_EQ(ReasonOf(session_->ApplyGradient(gradient, {}, expected).status()), "MODEL_VERSION_MISMATCH");
  }
  EXPECT_EQ(Latest(), before);
  EXPECT_EQ(session_->ApplyGradient(gradient, {}, 1).value(), 2);
}

TEST_F(SessionOnlineTest, AGradientThatDivergesChangesNothing) {
  Parameters<double> gradient = InitialParameters<double>(SmallSpec());
  gradient.flat()(0) = std::numeric_limits<double>::max();
  const Parameters<double> before = Latest();
  EXPECT_EQ(ReasonOf(session_->ApplyGradient(gradient, {.step_size = 10}, {}).status()), "DIVERGED");
  EXPECT_EQ(Latest(), before);
  EXPECT_EQ(session_->state().model_version, 0);
}

}  // namespace
}  // namespace backprop::server
