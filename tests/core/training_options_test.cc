#include "core/training_options.h"

#include <limits>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/fields.h"

namespace backprop {
namespace {

using testing::ElementsAre;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct BadOptions {
  const char* name;
  TrainingOptions options;
  std::vector<std::string> expected;  // Fields violated.
};

const BadOptions kBadOptions[] = {
    {"NegativeBatch", {.batch_size = -1}, {"batch_size"}},
    {"ZeroStep", {.step_size = 0}, {"step_size"}},
    {"NegativeStep", {.step_size = -0.1}, {"step_size"}},
    {"StepNotANumber", {.step_size = kNan}, {"step_size"}},
    {"InfiniteStep", {.step_size = kInfinity}, {"step_size"}},
    {"MomentumOfOne", {.optimizer = GradientAscent{.momentum = 1}}, {"gradient_ascent.momentum"}},
    {"NegativeMomentum", {.optimizer = GradientAscent{.momentum = -0.1}}, {"gradient_ascent.momentum"}},
    {"MomentumNotANumber", {.optimizer = GradientAscent{.momentum = kNan}}, {"gradient_ascent.momentum"}},
    {"NesterovWithoutMomentum", {.optimizer = GradientAscent{.nesterov = true}}, {"gradient_ascent.nesterov"}},
    {"BetasOfOne", {.optimizer = Adam{.beta1 = 1, .beta2 = 1}}, {"adam.beta1", "adam.beta2"}},
    {"NegativeBetas", {.optimizer = Adam{.beta1 = -0.1, .beta2 = -0.1}}, {"adam.beta1", "adam.beta2"}},
    {"ZeroEpsilon", {.optimizer = Adam{.epsilon = 0}}, {"adam.epsilon"}},
    {"InfiniteEpsilon", {.optimizer = Adam{.epsilon = kInfinity}}, {"adam.epsilon"}},
    {"IncreaseOfOne", {.optimizer = Rprop{.increase_factor = 1}}, {"rprop.increase_factor"}},
    {"InfiniteIncrease", {.optimizer = Rprop{.increase_factor = kInfinity}}, {"rprop.increase_factor"}},
    {"DecreaseOfOne", {.optimizer = Rprop{.decrease_factor = 1}}, {"rprop.decrease_factor"}},
    {"DecreaseOfZero", {.optimizer = Rprop{.decrease_factor = 0}}, {"rprop.decrease_factor"}},
    {"ZeroLeastStep", {.optimizer = Rprop{.min_step_size = 0}}, {"rprop.min_step_size"}},
    {"MostBelowLeastStep", {.optimizer = Rprop{.min_step_size = 2, .max_step_size = 1}}, {"rprop.max_step_size"}},
    {"InfiniteMostStep", {.optimizer = Rprop{.max_step_size = kInfinity}}, {"rprop.max_step_size"}},
    {"RpropWithASchedule", {.optimizer = Rprop{}, .schedule = ExponentialSchedule{.factor = 0.9}}, {"schedule"}},
    {"HistoryOfNothing", {.optimizer = Lbfgs{.history_size = 0}}, {"lbfgs.history_size"}},
    {"HistoryPastTheLimit", {.optimizer = Lbfgs{.history_size = kMaxLbfgsHistorySize + 1}}, {"lbfgs.history_size"}},
    {"NoProducts", {.optimizer = NewtonCg{.max_product_count = 0}}, {"newton_cg.max_product_count"}},
    {"ProductsPastTheLimit",
     {.optimizer = NewtonCg{.max_product_count = kMaxNewtonCgProductCount + 1}},
     {"newton_cg.max_product_count"}},
    {"ToleranceOfZero", {.optimizer = NewtonCg{.tolerance = 0}}, {"newton_cg.tolerance"}},
    {"ToleranceOfOne", {.optimizer = NewtonCg{.tolerance = 1}}, {"newton_cg.tolerance"}},
    {"ToleranceNotANumber", {.optimizer = NewtonCg{.tolerance = kNan}}, {"newton_cg.tolerance"}},
    {"LbfgsByMiniBatches", {.batch_size = 32, .optimizer = Lbfgs{}}, {"batch_size"}},
    {"NewtonCgOnLine", {.batch_size = 1, .optimizer = NewtonCg{}}, {"batch_size"}},
    {"LbfgsWithASchedule", {.optimizer = Lbfgs{}, .schedule = CosineSchedule{}}, {"schedule"}},
    {"NewtonCgWithASchedule", {.optimizer = NewtonCg{}, .schedule = OnPlateauSchedule{}}, {"schedule"}},
    {"ExponentialFactorLeftOut", {.schedule = ExponentialSchedule{}}, {"schedule.exponential.factor"}},
    {"ExponentialFactorPastOne", {.schedule = ExponentialSchedule{.factor = 1.01}}, {"schedule.exponential.factor"}},
    {"NegativeFinalStep", {.schedule = CosineSchedule{.final_step_size = -1}}, {"schedule.cosine.final_step_size"}},
    {"NegativeCosineEpochs", {.schedule = CosineSchedule{.epoch_count = -1}}, {"schedule.cosine.epoch_count"}},
    {"CosineEpochsPastTheLimit",
     {.schedule = CosineSchedule{.epoch_count = kMaxEpochCount + 1}},
     {"schedule.cosine.epoch_count"}},
    {"PlateauFactorOfOne", {.schedule = OnPlateauSchedule{.factor = 1}}, {"schedule.on_plateau.factor"}},
    {"PlateauWithoutPatience", {.schedule = OnPlateauSchedule{.patience = 0}}, {"schedule.on_plateau.patience"}},
    {"NegativePlateauNumbers",
     {.schedule = OnPlateauSchedule{.min_improvement = -1, .min_step_size = -1}},
     {"schedule.on_plateau.min_improvement", "schedule.on_plateau.min_step_size"}},
    {"NegativeDecay", {.weight_decay = -0.1}, {"weight_decay"}},
    {"DecayNotANumber", {.weight_decay = kNan}, {"weight_decay"}},
    {"NegativeLimit", {.gradient_norm_limit = -1}, {"gradient_norm_limit"}},
    {"InfiniteLimit", {.gradient_norm_limit = kInfinity}, {"gradient_norm_limit"}},
    {"StoppingWithoutPatience", {.early_stopping = EarlyStopping{.patience = 0}}, {"early_stopping.patience"}},
    {"NegativeImprovement",
     {.early_stopping = EarlyStopping{.min_improvement = -1}},
     {"early_stopping.min_improvement"}},
};

class BadOptionsTest : public testing::TestWithParam<BadOptions> {};

TEST_P(BadOptionsTest, AreRefusedByName) {
  const absl::Status status = Validate(GetParam().options);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(FieldsOf(status), GetParam().expected) << status;
}

INSTANTIATE_TEST_SUITE_P(TrainingOptions, BadOptionsTest, testing::ValuesIn(kBadOptions),
                         [](const auto& info) { return info.param.name; });

TEST(TrainingOptionsTest, AreGoodByDefault) { EXPECT_TRUE(Validate(TrainingOptions()).ok()); }

TEST(TrainingOptionsTest, AreGoodAtTheirBounds) {
  const TrainingOptions good[] = {
      {.batch_size = std::numeric_limits<int>::max(), .step_size = std::numeric_limits<double>::min()},
      {.optimizer = GradientAscent{.momentum = 0.999, .nesterov = true}},
      {.optimizer = Adam{.beta1 = 0, .beta2 = 0}},
      {.optimizer = Rprop{.min_step_size = 1, .max_step_size = 1}},
      {.optimizer = Lbfgs{.history_size = 1}},
      {.optimizer = Lbfgs{.history_size = kMaxLbfgsHistorySize}, .weight_decay = 1, .gradient_norm_limit = 1},
      {.optimizer = NewtonCg{.max_product_count = 1, .gauss_newton = true}},
      {.optimizer = NewtonCg{.max_product_count = kMaxNewtonCgProductCount, .tolerance = 1e-300}},
      {.schedule = ExponentialSchedule{.factor = 1}},
      {.schedule = CosineSchedule{.final_step_size = 0, .epoch_count = kMaxEpochCount}},
      {.schedule = OnPlateauSchedule{.patience = 1, .min_improvement = 0, .min_step_size = 0}},
      {.seed = std::numeric_limits<int64_t>::min(),
       .early_stopping = EarlyStopping{.patience = 1, .min_improvement = 0}},
  };
  for (const TrainingOptions& options : good) EXPECT_TRUE(Validate(options).ok()) << Validate(options);
}

TEST(TrainingOptionsTest, NameAllViolationsAtOnce) {
  const TrainingOptions options{.batch_size = -1,
                                .step_size = 0,
                                .optimizer = GradientAscent{.momentum = 2},
                                .schedule = ExponentialSchedule{.factor = 2},
                                .weight_decay = -1,
                                .gradient_norm_limit = -1,
                                .early_stopping = EarlyStopping{.patience = 0}};
  EXPECT_THAT(FieldsOf(Validate(options)),
              ElementsAre("batch_size", "step_size", "gradient_ascent.momentum", "schedule.exponential.factor",
                          "weight_decay", "gradient_norm_limit", "early_stopping.patience"));
}

TEST(TrainingOptionsTest, HaveADefaultStepSizeByOptimizer) {
  EXPECT_EQ(DefaultStepSize(GradientAscent{}), 0.1);
  EXPECT_EQ(DefaultStepSize(Adam{}), 0.001);
  EXPECT_EQ(DefaultStepSize(Rprop{}), 0.1);
  EXPECT_EQ(DefaultStepSize(Lbfgs{}), 1);
  EXPECT_EQ(DefaultStepSize(NewtonCg{}), 1);
}

TEST(OnlineOptionsTest, AreThoseOfOptimizersThatNeedNoWholeSet) {
  EXPECT_TRUE(ValidateOnline({.batch_size = 1, .optimizer = Adam{}}).ok());
  EXPECT_THAT(FieldsOf(ValidateOnline({.optimizer = Lbfgs{}})), ElementsAre("lbfgs"));
  EXPECT_THAT(FieldsOf(ValidateOnline({.optimizer = NewtonCg{}})), ElementsAre("newton_cg"));
  EXPECT_THAT(FieldsOf(ValidateOnline({.step_size = 0})), ElementsAre("step_size"));
}

}  // namespace
}  // namespace backprop
