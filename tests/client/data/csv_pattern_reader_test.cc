#include "client/data/csv_pattern_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/client/temporary_file.h"

namespace backprop::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

v1::NetworkSpec Network(int inputs, int outputs, v1::Task task, std::vector<std::string> names = {}) {
  v1::NetworkSpec network;
  network.set_input_unit_count(inputs);
  network.set_output_unit_count(outputs);
  network.set_task(task);
  network.mutable_output_names()->Add(names.begin(), names.end());
  return network;
}

v1::NetworkSpec Multiway(int inputs, int outputs, std::vector<std::string> names = {}) {
  return Network(inputs, outputs, v1::TASK_MULTIWAY_CLASSIFICATION, std::move(names));
}

struct Read {
  absl::Status status;
  v1::Patterns patterns;
  std::vector<std::string> found_class_names;
};

Read ReadFile(const std::string& content, const v1::NetworkSpec& network, CsvOptions options = {}) {
  const TemporaryFile file(content);
  options.path = file.path();
  auto reader = CsvPatternReader::Open(options, network);
  if (!reader.ok()) return {reader.status(), {}, {}};
  auto patterns = (*reader)->Next(1000);
  if (!patterns.ok()) return {patterns.status(), {}, {}};
  return {absl::OkStatus(), patterns->value_or(v1::Patterns()), (*reader)->found_class_names()};
}

TEST(CsvPatternReaderTest, LastColumnHoldsTheClassesOfMultiwayNetworks) {
  const Read read = ReadFile("1,2,0\n3,4,2\n", Multiway(2, 3));
  ASSERT_EQ(read.status, absl::OkStatus());
  EXPECT_THAT(read.patterns.inputs().values(), ElementsAre(1, 2, 3, 4));
  EXPECT_EQ(read.patterns.inputs().row_count(), 2);
  EXPECT_EQ(read.patterns.inputs().column_count(), 2);
  EXPECT_THAT(read.patterns.target_classes(), ElementsAre(0, 2));
  EXPECT_FALSE(read.patterns.has_targets());
  EXPECT_THAT(read.found_class_names, IsEmpty());
}

TEST(CsvPatternReaderTest, ClassColumnMayBeInAnyPosition) {
  for (const auto& [content, selector] : std::vector<std::pair<std::string, std::string>>{
           {"kind,a,b\n1,5,6\n", "kind"}, {"a,kind,b\n5,1,6\n", "1"}, {"a,b,kind\n5,6,1\n", "-1"}}) {
    const Read read = ReadFile(content, Multiway(2, 2),
                               {.path = "", .header = true, .target_columns = {selector}, .with_targets = true});
    ASSERT_EQ(read.status, absl::OkStatus()) << content;
    EXPECT_THAT(read.patterns.inputs().values(), ElementsAre(5, 6)) << content;
    EXPECT_THAT(read.patterns.target_classes(), ElementsAre(1)) << content;
  }
}

TEST(CsvPatternReaderTest, NamesAreFoundWhenTheNetworkHasNone) {
  const Read read = ReadFile("1,setosa\n2,versicolor\n3,setosa\n", Multiway(1, 2));
  ASSERT_EQ(read.status, absl::OkStatus());
  EXPECT_THAT(read.found_class_names, ElementsAre("setosa", "versicolor"));
  EXPECT_THAT(read.patterns.target_classes(), ElementsAre(0, 1, 0));
}

TEST(CsvPatternReaderTest, NamesOfTheNetworkGoBefore) {
  const Read read = ReadFile("1,1\n2,0\n", Multiway(1, 2, {"1", "0"}));
  ASSERT_EQ(read.status, absl::OkStatus());
  EXPECT_THAT(read.found_class_names, IsEmpty());
  EXPECT_THAT(read.patterns.target_classes(), ElementsAre(0, 1));
}

TEST(CsvPatternReaderTest, BinaryClassesBecomeTargetsZeroAndOne) {
  const Read read = ReadFile("1,yes\n2,no\n", Network(1, 1, v1::TASK_BINARY_CLASSIFICATION));
  ASSERT_EQ(read.status, absl::OkStatus());
  EXPECT_THAT(read.found_class_names, ElementsAre("no", "yes"));
  EXPECT_THAT(read.patterns.targets().values(), ElementsAre(1, 0));
  EXPECT_EQ(read.patterns.targets().row_count(), 2);
  EXPECT_EQ(read.patterns.targets().column_count(), 1);
}

TEST(CsvPatternReaderTest, BinaryTargetsMayBeNumbersFromZeroToOne) {
  const Read read = ReadFile("1,0.0\n2,1.0\n3,0.25\n", Network(1, 1, v1::TASK_BINARY_CLASSIFICATION));
  ASSERT_EQ(read.status, absl::OkStatus());
  EXPECT_THAT(read.found_class_names, IsEmpty());
  EXPECT_THAT(read.patterns.targets().values(), ElementsAre(0, 1, 0.25));
}

TEST(CsvPatternReaderTest, LastColumnsAreTheTargetsOfRegression) {
  const Read read = ReadFile("1,2.5,-3\n4,5e1,6\n", Network(1, 2, v1::TASK_REGRESSION));
  ASSERT_EQ(read.status, absl::OkStatus());
  EXPECT_THAT(read.patterns.inputs().values(), ElementsAre(1, 4));
  EXPECT_THAT(read.patterns.targets().values(), ElementsAre(2.5, -3, 50, 6));
}

TEST(CsvPatternReaderTest, MultiwayTargetsMayBeAColumnForEachOutput) {
  const Read read = ReadFile("7,0.25,0.75\n", Multiway(1, 2),
                             {.path = "", .header = false, .target_columns = {"1", "2"}, .with_targets = true});
  ASSERT_EQ(read.status, absl::OkStatus());
  EXPECT_THAT(read.patterns.targets().values(), ElementsAre(0.25, 0.75));
}

TEST(CsvPatternReaderTest, DoubleNetworksGetDoubles) {
  v1::NetworkSpec network = Network(1, 1, v1::TASK_REGRESSION);
  network.set_precision(v1::PRECISION_FLOAT64);
  const Read read = ReadFile("0.1,1e300\n", network);
  ASSERT_EQ(read.status, absl::OkStatus());
  EXPECT_THAT(read.patterns.inputs().double_values(), ElementsAre(0.1));
  EXPECT_THAT(read.patterns.targets().double_values(), ElementsAre(1e300));
}

TEST(CsvPatternReaderTest, WithoutTargetsTheirColumnsAreLeftOut) {
  const Read read = ReadFile("setosa,1,2\nunknown,3,4\n", Multiway(2, 3, {"a", "b", "c"}),
                             {.path = "", .header = false, .target_columns = {"0"}, .with_targets = false});
  ASSERT_EQ(read.status, absl::OkStatus());
  EXPECT_THAT(read.patterns.inputs().values(), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(read.patterns.target_classes(), IsEmpty());
}

TEST(CsvPatternReaderTest, BatchesEndWithTheFile) {
  const TemporaryFile file(Gzip("1,0\n2,0\n3,0\n"));
  auto reader = CsvPatternReader::Open(
      {.path = file.path(), .header = false, .target_columns = {}, .with_targets = true}, Multiway(1, 2));
  ASSERT_TRUE(reader.ok());
  EXPECT_EQ((*reader)->Next(2)->value().inputs().row_count(), 2);
  EXPECT_EQ((*reader)->Next(2)->value().inputs().row_count(), 1);
  EXPECT_EQ((*reader)->Next(2)->has_value(), false);
}

TEST(CsvPatternReaderTest, SharesOfClassesSumToOne) {
  CsvOptions options;
  options.target_columns = {"1", "2"};
  const Read read = ReadFile("1,0.5,0.5\n2,0.5,0.25\n", Multiway(1, 2), options);
  EXPECT_THAT(std::string(read.status.message()), HasSubstr("row 2, column 1: the targets sum to 0.75, not to 1"));
}

TEST(CsvPatternReaderTest, AMissingClassIsNoErrorBeforeItsPatternIsRead) {
  const TemporaryFile file("1,a\n2,b\n3,\n");
  CsvOptions options;
  options.path = file.path();
  auto reader = CsvPatternReader::Open(options, Multiway(1, 2));
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_TRUE((*reader)->Next(2)->has_value());
  EXPECT_THAT(std::string((*reader)->Next(1).status().message()), HasSubstr("row 3, column 1: missing value"));
}

struct BadFile {
  std::string content;
  bool header;
  v1::NetworkSpec network;
  const char* message;
};

TEST(CsvPatternReaderTest, BadFilesAreRefused) {
  const v1::NetworkSpec regression = Network(2, 1, v1::TASK_REGRESSION);
  for (const BadFile& bad : std::vector<BadFile>{
           {"", false, regression, "the file is empty"},
           {"\n\n", false, regression, "the file is empty"},
           {"a,b,y\n", true, regression, "no row after the header"},
           {"1,2,3\n1,x,3\n", false, regression, "row 2, column 1: \"x\" is not a number"},
           {"a,b,y\n1,2,3\n1,?,3\n", true, regression, "row 3, column \"b\": \"?\" is not a number"},
           {"a,b,y\n1,2,3\n", false, regression, "--header says that the first row is a header"},
           {"1,,3\n", false, regression, "row 1, column 1: missing value"},
           {"1,2,\n", false, regression, "row 1, column 2: missing value"},
           {"1,nan,3\n", false, regression, "row 1, column 1: \"nan\" is not finite"},
           {"1,-inf,3\n", false, regression, "is not finite"},
           {"1,1e39,3\n", false, regression, "does not fit a network of FLOAT32"},
           {"1,2,3\n\n1,2\n", false, regression, "row 3: 2 columns where the first row has 3"},
           {"1,2,3\n1,2,3,4\n", false, regression, "row 2: 4 columns where the first row has 3"},
           {"1,2\n", false, regression, "2 columns with 1 target columns leave 1 inputs, but the network has 2"},
           {"1,0\n2,\n", false, Multiway(1, 2), "row 2, column 1: missing value"},
           {"1,a\n2,b\n3,c\n", false, Multiway(1, 2), "column 1: more than 2 distinct values"},
           {"x,kind\n1,a\n2,b\n", false, Multiway(1, 2), "--header says that the first row is a header"},
           {"1,a\n2,a\n", false, Multiway(1, 2), "column 1: only 1 distinct values (a) for 2 classes"},
           {"1,cat\n2,cow\n", false, Multiway(1, 2, {"cat", "dog"}),
            "row 2, column 1: unknown class \"cow\"; known are cat, dog"},
           {"1,a\n2,b\n3,c\n", false, Network(1, 1, v1::TASK_BINARY_CLASSIFICATION), "more than 2 distinct values"},
           {"1;2;3\n", false, regression, "2 input units (columns are told apart by commas)"},
           {"x,a,b\n1,0,1\n2,0,1.5\n", true, Network(1, 2, v1::TASK_BINARY_CLASSIFICATION),
            "row 3, column \"b\": 1.5 is not from 0 to 1"},
       }) {
    const Read read = ReadFile(bad.content, bad.network,
                               {.path = "", .header = bad.header, .target_columns = {}, .with_targets = true});
    EXPECT_EQ(read.status.code(), absl::StatusCode::kInvalidArgument) << bad.content;
    EXPECT_THAT(std::string(read.status.message()), HasSubstr(bad.message)) << bad.content;
  }
}

}  // namespace
}  // namespace backprop::client
