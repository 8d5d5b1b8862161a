#include "client/data/array_pattern_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "client/data/npy_vector.h"
#include "tests/client/temporary_file.h"

namespace backprop::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string BytesNpy(const std::string& shape, const std::string& elements) {
  const std::string dictionary = absl::StrCat("{'descr': '|u1', 'fortran_order': False, 'shape': ", shape, "}");
  return absl::StrCat("\x93NUMPY", std::string{1, 0, static_cast<char>(dictionary.size()), 0}, dictionary, elements);
}

v1::NetworkSpec NetworkOfArrays(int inputs, int outputs, v1::Task task) {
  v1::NetworkSpec network;
  network.set_input_unit_count(inputs);
  network.set_output_unit_count(outputs);
  network.set_task(task);
  return network;
}

absl::StatusOr<v1::Patterns> ReadArrays(const std::string& inputs, const std::string& targets,
                                        const v1::NetworkSpec& network) {
  const TemporaryFile inputs_file(inputs);
  const TemporaryFile targets_file(targets);
  auto reader = ArrayPatternReader::Open(*ArrayFile::OpenNpy(inputs_file.path()),
                                         *ArrayFile::OpenNpy(targets_file.path()), network, 0.5);
  if (!reader.ok()) return reader.status();
  const auto patterns = (*reader)->Next(100);
  if (!patterns.ok()) return patterns.status();
  return patterns->value();
}

TEST(ArrayPatternReaderTest, IntegersAreTheClassesOfMultiwayNetworks) {
  const auto patterns = ReadArrays(BytesNpy("(2, 2)", "abcd"), BytesNpy("(2,)", "\x02\x01"),
                                   NetworkOfArrays(2, 3, v1::TASK_MULTIWAY_CLASSIFICATION));
  ASSERT_TRUE(patterns.ok()) << patterns.status();
  EXPECT_THAT(patterns->target_classes(), ElementsAre(2, 1));
  EXPECT_EQ(patterns->inputs().raw_values(), "abcd");
  EXPECT_EQ(patterns->inputs().raw_scale(), 0.5);
}

TEST(ArrayPatternReaderTest, BinaryLabelsAreTargetsThatRawScaleLeavesAlone) {
  const auto patterns = ReadArrays(BytesNpy("(2, 1)", "ab"), BytesNpy("(2,)", std::string("\x00\x01", 2)),
                                   NetworkOfArrays(1, 1, v1::TASK_BINARY_CLASSIFICATION));
  ASSERT_TRUE(patterns.ok()) << patterns.status();
  EXPECT_EQ(patterns->targets().raw_values(), std::string("\x00\x01", 2));
  EXPECT_EQ(patterns->targets().raw_scale(), 0);
}

TEST(ArrayPatternReaderTest, OneRowOfTargetsForEachPatternOtherwise) {
  const auto patterns =
      ReadArrays(BytesNpy("(1, 1)", "a"), BytesNpy("(1, 2)", "\x05\x06"), NetworkOfArrays(1, 2, v1::TASK_REGRESSION));
  ASSERT_TRUE(patterns.ok()) << patterns.status();
  EXPECT_EQ(patterns->targets().column_count(), 2);
}

TEST(ArrayPatternReaderTest, WithoutTargetsThereAreNone) {
  const TemporaryFile file(BytesNpy("(2, 1)", "ab"));
  auto reader = ArrayPatternReader::Open(*ArrayFile::OpenNpy(file.path()), std::nullopt,
                                         NetworkOfArrays(1, 2, v1::TASK_MULTIWAY_CLASSIFICATION), 1);
  ASSERT_TRUE(reader.ok());
  EXPECT_FALSE((*reader)->Next(1)->value().has_targets());
  EXPECT_TRUE((*reader)->Next(1)->has_value());
  EXPECT_FALSE((*reader)->Next(1)->has_value());
}

struct BadFiles {
  std::string inputs;
  std::string targets;
  const char* message;
};

TEST(ArrayPatternReaderTest, FilesThatDoNotFitAreRefused) {
  for (const BadFiles& bad : std::vector<BadFiles>{
           {BytesNpy("(2, 3)", "abcdef"), BytesNpy("(2,)", "ab"), "3 inputs a pattern, but the network has 2"},
           {BytesNpy("(2, 2)", "abcd"), BytesNpy("(3,)", "abc"), "holds 2 patterns"},
           {BytesNpy("(2, 2)", "abcd"), BytesNpy("(2, 2)", "abcd"), "2 targets a pattern, but the network has 3"},
           {BytesNpy("(2, 2)", "abcd"), BytesNpy("(2,)", "\x01\x03"),
            "pattern 1 (counted from 0): class 3 is not one of 0 to 2"},
       }) {
    const auto patterns = ReadArrays(bad.inputs, bad.targets, NetworkOfArrays(2, 3, v1::TASK_MULTIWAY_CLASSIFICATION));
    EXPECT_EQ(patterns.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(patterns.status().message()), HasSubstr(bad.message));
  }
}

TEST(ArrayPatternReaderTest, TargetsOfAClassificationAreShares) {
  const std::string inputs = BytesNpy("(2, 1)", "ab");
  const auto refusal = [&](const std::string& targets, v1::Task task) {
    return std::string(ReadArrays(inputs, targets, NetworkOfArrays(1, 2, task)).status().message());
  };
  const std::string shares = BytesNpy("(2, 2)", std::string("\x01\x00\x01\x01", 4));
  EXPECT_EQ(refusal(shares, v1::TASK_BINARY_CLASSIFICATION), "");
  EXPECT_EQ(refusal(shares, v1::TASK_REGRESSION), "");
  EXPECT_THAT(refusal(shares, v1::TASK_MULTIWAY_CLASSIFICATION),
              HasSubstr(", pattern 1 (counted from 0): the targets sum to 2, not to 1"));
  EXPECT_THAT(refusal(BytesNpy("(2, 2)", std::string("\x01\x00\x00\x02", 4)), v1::TASK_BINARY_CLASSIFICATION),
              HasSubstr(", pattern 1, target 1 (counted from 0): 2 is not from 0 to 1"));
}

TEST(ArrayPatternReaderTest, ClassesThatAreNoIntegersAreRefused) {
  const TemporaryFile inputs(BytesNpy("(2, 1)", "ab"));
  const TemporaryFile targets("");
  ASSERT_TRUE(WriteNpyVector(targets.path(), std::vector<double>{0, 1}, true).ok());
  const auto reader = ArrayPatternReader::Open(*ArrayFile::OpenNpy(inputs.path()), *ArrayFile::OpenNpy(targets.path()),
                                               NetworkOfArrays(1, 2, v1::TASK_MULTIWAY_CLASSIFICATION), 1);
  EXPECT_THAT(std::string(reader.status().message()), HasSubstr("classes must be integers"));
}

}  // namespace
}  // namespace backprop::client
