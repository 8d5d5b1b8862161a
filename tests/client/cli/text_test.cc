// What the commands print.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/cli/epoch_text.h"
#include "client/cli/evaluation_text.h"
#include "client/cli/prediction_text.h"
#include "client/cli/session_text.h"

namespace backprop::client {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

v1::EpochReport Report() {
  v1::EpochReport report;
  report.set_epoch(3);
  report.set_mean_log_likelihood(-0.05125);
  report.set_accuracy(0.98712);
  report.set_patterns_per_second(61234.4);
  report.mutable_estimated_remaining()->set_seconds(75);
  return report;
}

TEST(EpochTextTest, LineHasTheMeasures) {
  EXPECT_EQ(EpochText(Report(), 10), "epoch 3/10  log likelihood -0.05125  accuracy 0.9871  61234 patterns/s");
}

TEST(EpochTextTest, ValidationMeasuresAreShownWhenThere) {
  v1::EpochReport report = Report();
  report.set_validation_mean_log_likelihood(-0.0734);
  report.set_validation_accuracy(0);
  EXPECT_THAT(EpochText(report, 10), HasSubstr("  validation log likelihood -0.0734  validation accuracy 0.0000  "));
}

TEST(EpochTextTest, RegressionHasSquaredErrors) {
  v1::EpochReport report;
  report.set_mean_squared_error(0.125);
  report.set_validation_mean_squared_error(0.25);
  const std::string text = EpochText(report, 1);
  EXPECT_THAT(text, HasSubstr("  MSE 0.125  validation MSE 0.25  "));
  EXPECT_THAT(text, Not(HasSubstr("accuracy")));
}

TEST(EpochTextTest, BarShowsTheShareDoneAndTheTimeLeft) {
  const std::string bar = EpochBar(Report(), 10, 200);
  EXPECT_THAT(bar, StartsWith("[######..............] epoch 3/10  ETA 1m15s  log likelihood -0.05125"));
}

TEST(EpochTextTest, BarHasRoomAndTheWordsBecomeFewer) {
  EXPECT_EQ(EpochBar(Report(), 10, 95),
            "[###........] epoch 3/10  ETA 1m15s  log likelihood -0.05125  accuracy 0.9871  61234 patterns/s");
  EXPECT_EQ(EpochBar(Report(), 10, 79),
            "[###..........] epoch 3/10  ETA 1m15s  log likelihood -0.05125  accuracy 0.9871");
  EXPECT_EQ(EpochBar(Report(), 10, 40), "[#####............] 3/10  log L -0.05125");
  EXPECT_EQ(EpochBar(Report(), 10, 30), "[######..............] 3/10");
}

TEST(EpochTextTest, BarIsCutToTheTerminal) {
  for (int width = 1; width < 200; ++width) EXPECT_LE(EpochBar(Report(), 10, width).size(), width);
}

struct BarCase {
  std::string name;
  int64_t epoch, epoch_count;
  bool classification;
  // A terminal's columns but one.
  int width;
  std::string expected;
};

class ValidationBarTest : public testing::TestWithParam<BarCase> {};

TEST_P(ValidationBarTest, ShowsABarAndWholeNumbers) {
  v1::EpochReport report = Report();
  report.set_epoch(GetParam().epoch);
  report.set_validation_mean_log_likelihood(-0.07341234);
  if (GetParam().classification) {
    report.set_validation_accuracy(0.97821);
  } else {
    report.clear_accuracy();
    report.set_mean_squared_error(0.01234567);
    report.set_validation_mean_squared_error(0.000023456789);
  }
  EXPECT_EQ(EpochBar(report, GetParam().epoch_count, GetParam().width), GetParam().expected);
}

INSTANTIATE_TEST_SUITE_P(
    Columns, ValidationBarTest,
    testing::Values(BarCase{"Classification80", 3, 10, true, 79,
                            "[###..........] 3/10  1m15s  log L -0.05125 val -0.07341  acc 0.9871 val 0.9782"},
                    BarCase{"ManyEpochs80", 300, 1000, true, 79,
                            "[##.......] 300/1000  1m15s  log L -0.05125 val -0.07341  acc 0.9871 val 0.9782"},
                    BarCase{"MostEpochs80", 1'000'000, 1'000'000, true, 79,
                            "[#########] 1000000/1000000  log L -0.05125 val -0.07341  acc 0.9871 val 0.9782"},
                    BarCase{"Classification100", 3, 10, true, 99,
                            "[######..............] 3/10  1m15s  log L -0.05125 val -0.07341  acc 0.9871 val 0.9782"},
                    BarCase{"Classification120", 3, 10, true, 119,
                            "[##.......] epoch 3/10  ETA 1m15s  log likelihood -0.05125 val -0.0734123  accuracy "
                            "0.9871 val 0.9782  61234 patterns/s"},
                    BarCase{"Regression80", 3, 10, false, 79,
                            "[##.......] 3/10  1m15s  log L -0.05125 val -0.07341  MSE 0.01235 val 2.346e-05"},
                    BarCase{"Regression120", 3, 10, false, 119,
                            "[######..............] epoch 3/10  ETA 1m15s  log likelihood -0.05125 val -0.0734123  MSE "
                            "0.0123457 val 2.34568e-05"}),
    [](const auto& info) { return info.param.name; });

TEST(EpochTextTest, TheEndNamesTheModelVersionAndTheEpochRestored) {
  v1::TrainingRun run;
  run.set_name("sessions/x/trainingRuns/run-1");
  run.set_state(v1::TrainingRun::STATE_SUCCEEDED);
  run.set_completed_epoch_count(15);
  run.mutable_options()->mutable_early_stopping()->set_restore_best(true);
  run.mutable_last_report()->set_epoch(15);
  run.mutable_last_report()->set_model_version(17);
  run.mutable_best_report()->set_epoch(10);
  run.set_final_model_version(18);
  EXPECT_EQ(
      EndText(run),
      "sessions/x/trainingRuns/run-1 succeeded after 15 epochs, restored the parameters of epoch 10, model version "
      "18");
  run.set_state(v1::TrainingRun::STATE_CANCELLED);
  run.set_final_model_version(17);
  EXPECT_THAT(EndText(run), EndsWith(" cancelled after 15 epochs, model version 17"));
  run.set_state(v1::TrainingRun::STATE_SUCCEEDED);
  run.mutable_best_report()->set_epoch(15);
  EXPECT_THAT(EndText(run), EndsWith(" succeeded after 15 epochs, model version 17"));
  run.clear_last_report();
  run.set_state(v1::TrainingRun::STATE_FAILED);
  run.set_completed_epoch_count(0);
  EXPECT_THAT(EndText(run), EndsWith(" failed after 0 epochs"));
}

TEST(EpochTextTest, StatesAreWords) { EXPECT_EQ(StateText(v1::TrainingRun::STATE_SUCCEEDED), "succeeded"); }

v1::PredictResponse Predictions(int rows, std::vector<float> outputs) {
  v1::PredictResponse response;
  response.mutable_outputs()->set_row_count(rows);
  response.mutable_outputs()->set_column_count(static_cast<int>(outputs.size()) / rows);
  response.mutable_outputs()->mutable_values()->Add(outputs.begin(), outputs.end());
  return response;
}

TEST(PredictionTextTest, ClassNameAndOutputsAreShown) {
  v1::PredictResponse response = Predictions(2, {0.75F, 0.25F, 0.125F, 0.875F});
  response.add_classes(0);
  response.add_classes(1);
  EXPECT_EQ(PredictionText(response), "0\t0.75\t0.25\n1\t0.125\t0.875\n");
  response.add_class_names("cat");
  response.add_class_names("dog");
  EXPECT_EQ(PredictionText(response), "cat\t0.75\t0.25\ndog\t0.125\t0.875\n");
}

TEST(PredictionTextTest, BinaryOutputsHaveAClassEach) {
  v1::PredictResponse response = Predictions(1, {0.75F, 0.25F});
  response.add_classes(1);
  response.add_classes(0);
  EXPECT_EQ(PredictionText(response), "1,0\t0.75\t0.25\n");
}

TEST(PredictionTextTest, RegressionShowsOutputsAlone) {
  EXPECT_EQ(PredictionText(Predictions(1, {1.5F, 2})), "1.5\t2\n");
}

TEST(PredictionTextTest, StandardDeviationsStandBesideTheirOutputs) {
  v1::PredictResponse response = Predictions(2, {1.5F, 2, 3, 4});
  *response.mutable_standard_deviations() = Predictions(2, {0.5F, 0.25F, 1, 2}).outputs();
  EXPECT_EQ(PredictionText(response), "1.5 +- 0.5\t2 +- 0.25\n3 +- 1\t4 +- 2\n");
}

TEST(EvaluationTextTest, ConfusionMatrixHasTheClassNames) {
  v1::EvaluateResponse response;
  response.set_pattern_count(4);
  response.set_accuracy(0.75);
  response.set_log_likelihood(-2);
  response.set_mean_log_likelihood(-0.5);
  response.mutable_confusion_matrix()->set_row_count(2);
  response.mutable_confusion_matrix()->set_column_count(2);
  for (const double count : {2, 1, 0, 1}) response.mutable_confusion_matrix()->add_double_values(count);
  EXPECT_EQ(EvaluationText(response, {"cat", "dog"}),
            "patterns 4\nmodel version 0\nlog likelihood -2\nmean log likelihood -0.5\naccuracy 0.750000\n"
            "confusion matrix (row: class, column: predicted class)\n"
            "     cat  dog\ncat  2    1\ndog  0    1");
}

TEST(EvaluationTextTest, RegressionHasTheSquaredError) {
  v1::EvaluateResponse response;
  response.set_mean_squared_error(0.5);
  EXPECT_THAT(EvaluationText(response, {}), EndsWith("mean squared error 0.5"));
}

TEST(EvaluationTextTest, NormsEndWithTheNormOfAll) {
  v1::Parameters gradient;
  v1::LayerParameters& layer = *gradient.add_layers();
  layer.mutable_weights()->set_row_count(1);
  layer.mutable_weights()->set_column_count(1);
  layer.mutable_weights()->add_values(3);
  layer.mutable_biases()->set_row_count(1);
  layer.mutable_biases()->add_values(4);
  EXPECT_EQ(NormsText(gradient, "gradient"), "layer 1  weights 1 x 1 norm 3  biases 1 norm 4\ngradient norm 5");
}

TEST(SessionTextTest, NetworkIsItsLayersAndTask) {
  v1::NetworkSpec network;
  network.set_input_unit_count(784);
  network.add_hidden_layers()->set_unit_count(128);
  network.set_output_unit_count(10);
  network.set_task(v1::TASK_MULTIWAY_CLASSIFICATION);
  EXPECT_EQ(NetworkText(network), "784-128-10 multiway classification");
}

TEST(SessionTextTest, SessionNamesItsPatternSets) {
  v1::Session session;
  session.set_name("sessions/x");
  v1::PatternSet set;
  set.set_name("sessions/x/patternSets/training");
  set.set_pattern_count(150);
  EXPECT_THAT(SessionText(session, {set}), EndsWith("pattern set         training: 150 patterns, 0 bytes"));
}

TEST(SessionTextTest, ColumnsAreAsWideAsTheirWidestCell) {
  EXPECT_EQ(TableText({{"A", "B"}, {"long", "1"}}), "A     B\nlong  1");
}

}  // namespace
}  // namespace backprop::client
