#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "absl/status/status.h"
#include "client/cli/training_flags.h"

namespace backprop::client {
namespace {

using testing::HasSubstr;

absl::StatusOr<v1::TrainingOptions> Options(const std::string& arguments) {
  CLI::App app;
  TrainingFlags flags;
  AddTrainingFlags(app, flags);
  app.parse(arguments);
  return TrainingOptionsFrom(flags);
}

struct Mapping {
  const char* arguments;
  // TrainingOptions in text form.
  const char* options;
};

TEST(TrainingFlagsTest, FlagsBecomeOptions) {
  for (const Mapping& mapping : std::vector<Mapping>{
           {"",
            "batch_size: 32 reduction: REDUCTION_MEAN gradient_ascent {} shuffle: true "
            "schedule { constant {} }"},
           {"--batch-size all --reduction sum --step-size 0.5 --no-shuffle --seed -3",
            "reduction: REDUCTION_SUM gradient_ascent {} step_size: 0.5 seed: -3 schedule { constant {} }"},
           {"--batch-size 1 --weight-decay 0.01 --gradient-norm-limit 5",
            "batch_size: 1 reduction: REDUCTION_MEAN gradient_ascent {} shuffle: true weight_decay: 0.01 "
            "gradient_norm_limit: 5 schedule { constant {} }"},
           {"--optimizer momentum",
            "batch_size: 32 reduction: REDUCTION_MEAN gradient_ascent { momentum: 0.9 } shuffle: true "
            "schedule { constant {} }"},
           {"--optimizer ascent --momentum 0.5",
            "batch_size: 32 reduction: REDUCTION_MEAN gradient_ascent { momentum: 0.5 } shuffle: true "
            "schedule { constant {} }"},
           {"--optimizer nesterov --momentum 0.8",
            "batch_size: 32 reduction: REDUCTION_MEAN gradient_ascent { momentum: 0.8 nesterov: true } shuffle: true "
            "schedule { constant {} }"},
           {"--optimizer adam --beta1 0 --beta2 0.99 --epsilon 1e-6",
            "batch_size: 32 reduction: REDUCTION_MEAN adam { beta1: 0 beta2: 0.99 epsilon: 1e-6 } shuffle: true "
            "schedule { constant {} }"},
           {"--optimizer rprop --increase-factor 1.1 --decrease-factor 0.4 --min-step-size 1e-5 --max-step-size 10",
            "reduction: REDUCTION_MEAN rprop { increase_factor: 1.1 decrease_factor: 0.4 min_step_size: 1e-5 "
            "max_step_size: 10 } shuffle: true schedule { constant {} }"},
           {"--optimizer lbfgs", "reduction: REDUCTION_MEAN lbfgs {} shuffle: true schedule { constant {} }"},
           {"--optimizer lbfgs --history-size 20 --step-size 0.5",
            "reduction: REDUCTION_MEAN lbfgs { history_size: 20 } step_size: 0.5 shuffle: true "
            "schedule { constant {} }"},
           {"--optimizer newton-cg", "reduction: REDUCTION_MEAN newton_cg {} shuffle: true schedule { constant {} }"},
           {"--optimizer newton-cg --max-products 30 --tolerance 0.2 --gauss-newton",
            "reduction: REDUCTION_MEAN newton_cg { max_product_count: 30 tolerance: 0.2 gauss_newton: true } "
            "shuffle: true schedule { constant {} }"},
           {"--schedule exponential --schedule-factor 0.95",
            "batch_size: 32 reduction: REDUCTION_MEAN gradient_ascent {} shuffle: true "
            "schedule { exponential { factor: 0.95 } }"},
           {"--schedule cosine --final-step-size 0.001 --schedule-epochs 20",
            "batch_size: 32 reduction: REDUCTION_MEAN gradient_ascent {} shuffle: true "
            "schedule { cosine { final_step_size: 0.001 epoch_count: 20 } }"},
           {"--schedule plateau --schedule-factor 0.5 --schedule-patience 3 --schedule-min-improvement 0 "
            "--min-step-size 0.01",
            "batch_size: 32 reduction: REDUCTION_MEAN gradient_ascent {} shuffle: true schedule { "
            "on_plateau { factor: 0.5 patience: 3 min_improvement: 0 min_step_size: 0.01 } }"},
           {"--patience 4 --min-improvement 0.1 --restore-best",
            "batch_size: 32 reduction: REDUCTION_MEAN gradient_ascent {} shuffle: true "
            "schedule { constant {} } "
            "early_stopping { patience: 4 min_improvement: 0.1 restore_best: true }"},
           {"--restore-best",
            "batch_size: 32 reduction: REDUCTION_MEAN gradient_ascent {} shuffle: true "
            "schedule { constant {} } early_stopping { restore_best: true }"},
       }) {
    v1::TrainingOptions expected;
    ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(mapping.options, &expected)) << mapping.options;
    const auto options = Options(mapping.arguments);
    ASSERT_TRUE(options.ok()) << mapping.arguments << ": " << options.status();
    EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(*options, expected)) << mapping.arguments << "\n"
                                                                                        << options->DebugString();
  }
}

TEST(TrainingFlagsTest, FlagsThatDoNotGoTogetherAreRefused) {
  for (const auto& [arguments, message] : std::vector<std::pair<std::string, std::string>>{
           {"--batch-size 0", "--batch-size 0: must be a count of at least 1, or all"},
           {"--batch-size -1", "must be a count"},
           {"--batch-size many", "must be a count"},
           {"--optimizer adam --momentum 0.9", "--momentum needs --optimizer ascent, momentum or nesterov"},
           {"--optimizer rprop --momentum 0.9", "--momentum needs"},
           {"--beta1 0.5", "--beta1 needs --optimizer adam"},
           {"--optimizer rprop --epsilon 1", "--epsilon needs --optimizer adam"},
           {"--optimizer lbfgs --momentum 0.9", "--momentum needs"},
           {"--history-size 5", "--history-size needs --optimizer lbfgs"},
           {"--optimizer lbfgs --max-products 5", "--max-products needs --optimizer newton-cg"},
           {"--tolerance 0.5", "--tolerance needs --optimizer newton-cg"},
           {"--gauss-newton", "--gauss-newton needs --optimizer newton-cg"},
           {"--max-step-size 1", "--max-step-size needs --optimizer rprop"},
           {"--min-step-size 1", "--min-step-size needs --optimizer rprop or --schedule plateau"},
           {"--schedule-factor 0.5", "--schedule-factor needs --schedule exponential or plateau"},
           {"--schedule exponential", "--schedule exponential needs --schedule-factor"},
           {"--final-step-size 0.5", "--final-step-size needs --schedule cosine"},
           {"--schedule cosine --schedule-patience 5", "--schedule-patience needs --schedule plateau"},
       }) {
    const auto options = Options(arguments);
    EXPECT_EQ(options.status().code(), absl::StatusCode::kInvalidArgument) << arguments;
    EXPECT_THAT(std::string(options.status().message()), HasSubstr(message));
  }
}

TEST(TrainingFlagsTest, UnknownWordsAreRefused) {
  for (const char* arguments : {"--optimizer sgd", "--schedule step", "--reduction max", "--step-size big"}) {
    EXPECT_THROW(static_cast<void>(Options(arguments)), CLI::ParseError) << arguments;
  }
}

}  // namespace
}  // namespace backprop::client
