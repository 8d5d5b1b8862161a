#include "client/data/class_names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace backprop::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

v1::NetworkSpec Classifier(v1::Task task, int output_unit_count, std::vector<std::string> names = {}) {
  v1::NetworkSpec network;
  network.set_task(task);
  network.set_output_unit_count(output_unit_count);
  network.mutable_output_names()->Add(names.begin(), names.end());
  return network;
}

absl::StatusOr<ClassIndices> Scan(int class_count, const std::vector<std::string>& values) {
  ClassScan scan(class_count);
  for (const std::string& value : values) scan.Add(value);
  return scan.Finish();
}

TEST(ClassNamesTest, MultiwayOutputsNameClasses) {
  const v1::NetworkSpec network = Classifier(v1::TASK_MULTIWAY_CLASSIFICATION, 2, {"cat", "dog"});
  EXPECT_THAT(ClassNamesOf(network), ElementsAre("cat", "dog"));
  EXPECT_EQ(ClassCountOf(network), 2);
}

TEST(ClassNamesTest, BinaryNetworkOfOneOutputNamesBothClasses) {
  const v1::NetworkSpec network = Classifier(v1::TASK_BINARY_CLASSIFICATION, 1, {"no", "yes"});
  EXPECT_THAT(ClassNamesOf(network), ElementsAre("no", "yes"));
  EXPECT_EQ(ClassCountOf(network), 2);
}

TEST(ClassNamesTest, OtherOutputNamesNameNoClasses) {
  EXPECT_THAT(ClassNamesOf(Classifier(v1::TASK_BINARY_CLASSIFICATION, 1, {"spam"})), IsEmpty());
  EXPECT_THAT(ClassNamesOf(Classifier(v1::TASK_BINARY_CLASSIFICATION, 2, {"spam", "urgent"})), IsEmpty());
  EXPECT_THAT(ClassNamesOf(Classifier(v1::TASK_REGRESSION, 2, {"x", "y"})), IsEmpty());
}

TEST(ClassIndicesTest, NamesAreLookedUp) {
  const ClassIndices classes({"cat", "dog"});
  EXPECT_EQ(classes.IndexOf("dog").value_or(-1), 1);
}

TEST(ClassIndicesTest, UnknownNameIsAnErrorWithTheKnownOnes) {
  const auto index = ClassIndices({"cat", "dog"}).IndexOf("cow");
  EXPECT_EQ(index.status(), absl::InvalidArgumentError("unknown class \"cow\"; known are cat, dog"));
}

TEST(ClassIndicesTest, IndicesAreChecked) {
  const ClassIndices classes(3);
  EXPECT_EQ(classes.IndexOf("2").value_or(-1), 2);
  for (const char* value : {"3", "-1", "1.5", "x", ""}) {
    EXPECT_EQ(classes.IndexOf(value).status().code(), absl::StatusCode::kInvalidArgument) << value;
  }
}

TEST(ClassScanTest, IntegersInRangeAreIndices) {
  const auto classes = Scan(3, {"2", "0", "2"});
  ASSERT_TRUE(classes.ok());
  EXPECT_THAT(classes->names(), IsEmpty());
  EXPECT_EQ(classes->IndexOf("2").value_or(-1), 2);
}

TEST(ClassScanTest, OtherValuesAreNamesInOrder) {
  const auto classes = Scan(3, {"virginica", "setosa", "versicolor", "setosa"});
  ASSERT_TRUE(classes.ok());
  EXPECT_THAT(classes->names(), ElementsAre("setosa", "versicolor", "virginica"));
}

TEST(ClassScanTest, IntegersOutOfRangeAreNames) {
  const auto classes = Scan(2, {"1", "2"});
  ASSERT_TRUE(classes.ok());
  EXPECT_THAT(classes->names(), ElementsAre("1", "2"));
  EXPECT_THAT(Scan(3, {"10", "9", "-1"})->names(), ElementsAre("-1", "9", "10"));
  EXPECT_THAT(Scan(3, {"10", "9", "a"})->names(), ElementsAre("10", "9", "a"));
}

TEST(ClassScanTest, TooManyNamesAreAnError) {
  const auto classes = Scan(2, {"a", "b", "c", "d"});
  EXPECT_THAT(std::string(classes.status().message()),
              HasSubstr("more than 2 distinct values (a, b, c) for 2 classes"));
}

TEST(ClassScanTest, TooFewNamesAreAnError) {
  const auto classes = Scan(3, {"a", "b"});
  EXPECT_THAT(std::string(classes.status().message()), HasSubstr("only 2 distinct values (a, b) for 3 classes"));
}

}  // namespace
}  // namespace backprop::client
