#include "server/sessions/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/error.h"
#include "core/initial_parameters.h"
#include "tests/server/sessions/session_world.h"

namespace backprop::server {
namespace {

class SessionTest : public testing::Test {
 protected:
  World world_;
  const std::shared_ptr<Session<double>> session_ = world_.Create("a", SmallSpec());
};

TEST_F(SessionTest, BeginsAtVersion0WithTheDrawnParameters) {
  EXPECT_EQ(session_->state().model_version, 0);
  EXPECT_EQ(session_->state().active_training_run, "");
  EXPECT_EQ(session_->model_versions().Latest()->parameters, InitialParameters<double>(SmallSpec()));
}

TEST_F(SessionTest, SetParametersPublishesANewVersion) {
  Parameters<double> parameters = InitialParameters<double>(SmallSpec(/*seed=*/9));
  EXPECT_EQ(session_->SetParameters(parameters).value()->model_version, 1);
  EXPECT_EQ(session_->model_versions().Latest()->parameters, parameters);
  EXPECT_EQ(session_->model_versions().Get(0).value()->parameters, InitialParameters<double>(SmallSpec()));
}

TEST_F(SessionTest, UpdateListsEveryViolationAndChangesNothing) {
  const absl::Status status =
      session_->Update({.labels = Labels{{"", ""}},
                        .input_scaling = Scaling{Vector<double>::Ones(3), Vector<double>::Ones(3)},
                        .target_scaling = Scaling{Vector<double>::Ones(1), Vector<double>::Zero(1)},
                        .output_names = std::vector<std::string>{"a", "b"}});
  std::vector<std::string> fields;
  for (const Violation& violation : ViolationsOf(status)) fields.push_back(violation.field);
  EXPECT_THAT(fields, testing::UnorderedElementsAre("session.labels[]", "session.input_scaling",
                                                    "session.target_scaling.scale[0]", "session.network.output_names"));
  EXPECT_TRUE(session_->state().description.labels.empty());
  EXPECT_TRUE(session_->state().scalings.input.is_identity());
}

TEST_F(SessionTest, NewScalingsKeepTheVersionAndOlderVersionsKeepTheirs) {
  ASSERT_TRUE(session_->SetParameters(InitialParameters<double>(SmallSpec(2))).ok());
  const Scaling scaling{Vector<double>::Constant(2, 3), Vector<double>::Constant(2, 0.5)};
  ASSERT_TRUE(session_->Update({.input_scaling = scaling}).ok());
  EXPECT_EQ(session_->state().model_version, 1);
  EXPECT_EQ(session_->model_versions().Latest()->scalings.input, scaling);
  EXPECT_TRUE(session_->model_versions().Get(0).value()->scalings.input.is_identity());
  ASSERT_TRUE(session_->SetParameters(InitialParameters<double>(SmallSpec(3))).ok());
  EXPECT_EQ(session_->model_versions().Latest()->scalings.input, scaling);
}

TEST_F(SessionTest, FitScalingStandardizesInputsAndTargets) {
  Patterns<double> patterns = SmallPatterns(2);
  patterns.inputs << 1, 3, 5, 5;
  patterns.targets << -1, 1;
  ASSERT_TRUE(session_->Append({.pattern_set = "s", .offset = 0}, patterns).ok());
  ASSERT_TRUE(session_->FitScaling("s", ScalingMethod::kStandardize).ok());
  const Scalings scalings = session_->state().scalings;
  EXPECT_EQ(scalings.input.offset, Vector<double>(Eigen::Vector2d(2, 5)));
  EXPECT_EQ(scalings.input.scale, Vector<double>(Eigen::Vector2d(1, 1)));
  EXPECT_EQ(scalings.target.offset(0), 0);
  EXPECT_EQ(ReasonOf(session_->FitScaling("none", ScalingMethod::kMinMax)), "PATTERN_SET_NOT_FOUND");
}

TEST_F(SessionTest, AppendAnswersWhereThePatternsWent) {
  EXPECT_EQ(session_->Append({.pattern_set = "s", .offset = {}}, SmallPatterns(3)).value(), 0);
  EXPECT_EQ(session_->Append({.pattern_set = "s", .offset = {}}, SmallPatterns(3)).value(), 3);
  EXPECT_EQ(session_->Append({.pattern_set = "s", .offset = 0}, SmallPatterns(3)).status().code(),
            absl::StatusCode::kAlreadyExists);
}

TEST_F(SessionTest, AClosedSessionRefusesEveryChangeAndAReopenedOneTakesThemAgain) {
  ASSERT_TRUE(session_->Append({.pattern_set = "s", .offset = 0}, SmallPatterns(3)).ok());
  const Parameters<double> parameters = InitialParameters<double>(SmallSpec());
  const auto changes = [&] {
    return std::vector<absl::Status>{
        session_->Update({.labels = Labels{}}),
        session_->FitScaling("s", ScalingMethod::kMinMax),
        session_->SetParameters(parameters).status(),
        session_->Append({.pattern_set = "s", .offset = {}}, SmallPatterns(1)).status(),
        session_->TrainOnline({.pattern_set = "s", .offset = {}}, SmallPatterns(1), {}).status(),
        session_->ApplyGradient(parameters, {}, {}).status(),
        session_->PublishFromRun(parameters).status(),
        session_->DeletePatternSet("s")};
  };
  session_->Close(absl::NotFoundError("gone"));
  for (const absl::Status& status : changes()) EXPECT_EQ(status.message(), "gone");
  EXPECT_EQ(session_->StartTrainingRun(Epochs(1)).status().message(), "gone");
  EXPECT_EQ(session_->state().model_version, 0);
}

TEST_F(SessionTest, ItsMemoryIsGivenBackWithTheLastUser) {
  World world;
  const auto session = world.Create("a", SmallSpec());
  ASSERT_TRUE(session->Append({.pattern_set = "s", .offset = 0}, SmallPatterns(3)).ok());
  std::shared_ptr<Session<double>> user = world.Get("a");
  EXPECT_GT(world.budget.used_bytes(), 0);
  ASSERT_TRUE(world.registry.Delete("a").ok());
  EXPECT_GT(world.budget.used_bytes(), 0);  // `session` and `user` still read it.
  EXPECT_EQ(user->pattern_sets().NextOffset("s"), 3);
}

}  // namespace
}  // namespace backprop::server
