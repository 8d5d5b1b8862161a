// Same commands, same bits: with any number of workers, and whatever other sessions do.
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/initial_parameters.h"
#include "tests/server/sessions/session_world.h"

namespace backprop::server {
namespace {

// So large that a batch of the whole set is summed in several shards.
NetworkSpec WideSpec() {
  return MakeSpec({.input_unit_count = 40,
                   .hidden_layers = {{120, Activation::kTanh}},
                   .output_unit_count = 10,
                   .task = Task::kMultiwayClassification,
                   .precision = Precision::kFloat64,
                   .initial_weights = {.seed = 5}});
}

struct Outcome {
  Vector<double> parameters;
  std::vector<double> log_likelihoods;
};

void Train(Session<double>* session, const TrainingRunRequest& request, Outcome* outcome) {
  const auto run = session->StartTrainingRun(request).value();
  EXPECT_TRUE(run->WaitForEnd(NeverStop));
  EXPECT_EQ(run->status().state, RunState::kSucceeded);
  for (int64_t epoch = 0; epoch < request.epoch_count; ++epoch) {
    outcome->log_likelihoods.push_back(run->WaitForReport(epoch, NeverStop)->training.log_likelihood);
  }
}

// A fixed sequence of commands to a new session.
Outcome CommandsTo(World* world, const std::string& id) {
  Outcome outcome;
  const NetworkSpec spec = WideSpec();
  const auto session = world->Create(id, spec);
  EXPECT_TRUE(session->Append({.pattern_set = "s", .offset = 0}, MakePatterns(spec, 3000, 1)).ok());
  EXPECT_TRUE(session->FitScaling("s", ScalingMethod::kStandardize).ok());
  Train(session.get(), Epochs(3), &outcome);
  Train(session.get(), Epochs(2, {.batch_size = 64, .optimizer = Adam{}, .shuffle = true, .seed = 3}), &outcome);
  const auto online =
      session->TrainOnline({.pattern_set = "o", .offset = 0}, MakePatterns(spec, 500, 2), {.batch_size = 250});
  outcome.log_likelihoods.push_back(online.value().log_likelihood);
  EXPECT_TRUE(session->ApplyGradient(InitialParameters<double>(spec), {}, {}).ok());
  outcome.parameters = session->model_versions().Latest()->parameters.flat();
  return outcome;
}

TEST(SessionDeterminismTest, TheNumberOfWorkersChangesNoBit) {
  std::vector<Outcome> outcomes;
  for (const int worker_count : {1, 2, 3}) {
    World world({.worker_count = worker_count});
    outcomes.push_back(CommandsTo(&world, "a"));
  }
  for (size_t i = 1; i < outcomes.size(); ++i) {
    EXPECT_EQ(outcomes[i].parameters, outcomes[0].parameters);
    EXPECT_EQ(outcomes[i].log_likelihoods, outcomes[0].log_likelihoods);
  }
}

TEST(SessionDeterminismTest, OtherSessionsTrainingAtTheSameTimeChangeNoBit) {
  World world({.worker_count = 3});
  std::vector<std::shared_ptr<TrainingRun>> others;
  for (int i = 0; i < 3; ++i) {
    const auto other = world.Create(absl::StrCat("other", i), WideSpec());
    ASSERT_TRUE(other->Append({.pattern_set = "s", .offset = 0}, MakePatterns(WideSpec(), 2000, i)).ok());
    others.push_back(other->StartTrainingRun(Epochs(kEndless, {.batch_size = 500 * i})).value());
  }
  const Outcome crowded = CommandsTo(&world, "a");
  for (const auto& run : others) run->Cancel(CancelledByTest());
  World quiet({.worker_count = 1});
  const Outcome alone = CommandsTo(&quiet, "a");
  EXPECT_EQ(crowded.parameters, alone.parameters);
  EXPECT_EQ(crowded.log_likelihoods, alone.log_likelihoods);
}

TEST(SessionDeterminismTest, ACancelledRunBeforeItMakesNoDifference) {
  World world;
  const auto a = world.Create("a", SmallSpec()), b = world.Create("b", SmallSpec());
  for (const auto& session : {a, b}) {
    ASSERT_TRUE(session->Append({.pattern_set = "s", .offset = 0}, SmallPatterns(50)).ok());
  }
  const auto cancelled = a->StartTrainingRun(Epochs(kEndless)).value();
  const int64_t done = cancelled->WaitForReport(0, NeverStop)->epoch;
  cancelled->Cancel(CancelledByTest());
  ASSERT_TRUE(cancelled->WaitForEnd(NeverStop));
  ASSERT_GE(cancelled->status().completed_epoch_count, done);
  // As many epochs as the cancelled run had completed, in one run.
  EXPECT_TRUE(b->StartTrainingRun(Epochs(cancelled->status().completed_epoch_count)).value()->WaitForEnd(NeverStop));
  EXPECT_EQ(a->model_versions().Latest()->parameters, b->model_versions().Latest()->parameters);
}

}  // namespace
}  // namespace backprop::server
