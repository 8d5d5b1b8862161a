#include "core/measures.h"

#include "gtest/gtest.h"
#include "tests/support/random_network.h"

namespace backprop {
namespace {

// Measures of outputs `y` [output_unit_count x pattern_count]; log likelihoods are -1, -2, ...
Measures Measured(Task task, const Matrix<double>& y, const Matrix<double>& targets, const RowVector<double>& weights,
                  int confusion_classes = 0, const Vector<double>& target_scale = {}) {
  Measures measures;
  measures.confusion = Matrix<double>::Zero(confusion_classes, confusion_classes);
  const RowVector<double> log_likelihood = RowVector<double>::LinSpaced(y.cols(), -1, -static_cast<double>(y.cols()));
  AddMeasures<double>(task, y, targets, log_likelihood, weights, target_scale, &measures);
  return measures;
}

TEST(MeasuresTest, SumLogLikelihoodsByWeight) {
  const Measures measures =
      Measured(Task::kRegression, Matrix<double>::Zero(1, 2), Matrix<double>::Zero(1, 2), RowVector<double>{{1, 3}});
  EXPECT_EQ(measures.pattern_count, 2);
  EXPECT_EQ(measures.weight_sum, 4);
  EXPECT_EQ(measures.log_likelihood, -7);
  EXPECT_EQ(measures.mean_log_likelihood(), -1.75);
}

TEST(MeasuresTest, SumSquaredErrorsByWeight) {
  const Measures measures = Measured(Task::kRegression, Matrix<double>{{1, 2}, {3, 4}}, Matrix<double>{{0, 2}, {3, 6}},
                                     RowVector<double>{{1, 3}});
  EXPECT_EQ(measures.squared_error, 1 * 1 + 3 * 4);
  EXPECT_EQ(measures.mean_squared_error(2), 13.0 / 4 / 2);
}

// Scaled errors of 1 and 2 with scales 2 and 0.5 are errors of 0.5 and 4 to the caller.
TEST(MeasuresTest, GiveSquaredErrorsInTheCallersUnits) {
  const Measures measures = Measured(Task::kRegression, Matrix<double>{{0}, {0}}, Matrix<double>{{1}, {2}},
                                     RowVector<double>{{1}}, 0, Vector<double>{{2, 0.5}});
  EXPECT_EQ(measures.squared_error, 0.25 + 16);
}

TEST(MeasuresTest, CountBinaryClassesByUnitAndWeight) {
  const Measures measures =
      Measured(Task::kBinaryClassification, Matrix<double>{{0.9, 0.5}, {0.6, 0.4}}, Matrix<double>{{1, 1}, {0, 0}},
               RowVector<double>{{1, 2}}, /*confusion_classes=*/2);
  // The first pattern has one of two units right, the second (0.5 is class 1) both.
  EXPECT_EQ(measures.correct, 0.5 * 1 + 1 * 2);
  EXPECT_EQ(measures.accuracy(), 2.5 / 3);
  EXPECT_EQ(measures.confusion, (Matrix<double>{{2, 1}, {0, 3}}));
}

TEST(MeasuresTest, CountMultiwayClassesByTheLargestOutput) {
  const Matrix<double> y{{0.5, 0.1, 0.2}, {0.3, 0.2, 0.5}, {0.2, 0.7, 0.3}};
  const Matrix<double> targets{{1, 0, 1}, {0, 0, 0}, {0, 1, 0}};
  const Measures measures = Measured(Task::kMultiwayClassification, y, targets, RowVector<double>{{1, 2, 4}}, 3);
  EXPECT_EQ(measures.correct, 3);
  EXPECT_EQ(measures.confusion, (Matrix<double>{{1, 4, 0}, {0, 0, 0}, {0, 0, 2}}));
}

TEST(MeasuresTest, TakeTheFirstOfEqualOutputs) {
  const Matrix<double> y{{0.2}, {0.4}, {0.4}};
  EXPECT_EQ(Measured(Task::kMultiwayClassification, y, Matrix<double>{{0}, {1}, {0}}, RowVector<double>{{1}}).correct,
            1);
  EXPECT_EQ(Measured(Task::kMultiwayClassification, y, Matrix<double>{{0}, {0}, {1}}, RowVector<double>{{1}}).correct,
            0);
}

TEST(MeasuresTest, LeaveTheConfusionOutWhereItWasNotAskedFor) {
  EXPECT_EQ(Measured(Task::kBinaryClassification, Matrix<double>{{0.9}}, Matrix<double>{{1}}, RowVector<double>{{1}})
                .confusion.size(),
            0);
}

TEST(MeasuresTest, AreZeroOnAverageWithoutWeight) {
  const Measures none;
  EXPECT_EQ(none.mean_log_likelihood(), 0);
  EXPECT_EQ(none.accuracy(), 0);
  EXPECT_EQ(none.mean_squared_error(3), 0);
}

TEST(MeasuresTest, AddUp) {
  Measures sum = {.pattern_count = 1,
                  .weight_sum = 2,
                  .log_likelihood = -3,
                  .correct = 1,
                  .squared_error = 5,
                  .confusion = Matrix<double>{{1, 0}, {0, 1}}};
  sum.Add({.pattern_count = 2,
           .weight_sum = 3,
           .log_likelihood = -4,
           .correct = 2,
           .squared_error = 6,
           .confusion = Matrix<double>{{0, 1}, {2, 0}}});
  EXPECT_EQ(sum.pattern_count, 3);
  EXPECT_EQ(sum.weight_sum, 5);
  EXPECT_EQ(sum.log_likelihood, -7);
  EXPECT_EQ(sum.correct, 3);
  EXPECT_EQ(sum.squared_error, 11);
  EXPECT_EQ(sum.confusion, (Matrix<double>{{1, 1}, {2, 1}}));
}

TEST(MeasuresTest, TakeOverTheConfusionOfOthersWhenEmpty) {
  Measures sum;
  sum.Add({.confusion = Matrix<double>{{1, 2}, {3, 4}}});
  EXPECT_EQ(sum.confusion, (Matrix<double>{{1, 2}, {3, 4}}));
}

TEST(ConfusionClassCountTest, DependsOnTheTask) {
  const auto count = [](Task task, int outputs) {
    NetworkSpec::Fields fields;
    fields.input_unit_count = 1;
    fields.output_unit_count = outputs;
    fields.task = task;
    return ConfusionClassCount(MakeSpec(fields));
  };
  EXPECT_EQ(count(Task::kRegression, 3), 0);
  EXPECT_EQ(count(Task::kBinaryClassification, 3), 2);
  EXPECT_EQ(count(Task::kMultiwayClassification, 3), 3);
  EXPECT_EQ(count(Task::kMultiwayClassification, kMaxConfusionClasses), kMaxConfusionClasses);
  EXPECT_EQ(count(Task::kMultiwayClassification, kMaxConfusionClasses + 1), 0);
}

}  // namespace
}  // namespace backprop
