#include "client/data/pattern_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "client/data/npy_vector.h"
#include "tests/client/temporary_file.h"

namespace backprop::client {
namespace {

using testing::HasSubstr;

v1::NetworkSpec TwoClasses() {
  v1::NetworkSpec network;
  network.set_input_unit_count(1);
  network.set_output_unit_count(2);
  network.set_task(v1::TASK_MULTIWAY_CLASSIFICATION);
  return network;
}

PatternFile File(const std::string& path) {
  PatternFile file;
  file.path = path;
  return file;
}

const std::string kIdxImages("\0\0\x08\x02\0\0\0\x01\0\0\0\x01\xFF", 13);
const std::string kIdxLabels("\0\0\x08\x01\0\0\0\x01\x01", 9);

TEST(PatternFileTest, EndingTellsTheFormat) {
  const TemporaryFile labels(kIdxLabels);
  for (const char* ending : {".idx", "-images-idx3-ubyte", "-idx3-ubyte.gz"}) {
    const TemporaryFile images(kIdxImages, ending);
    PatternFile file = File(images.path());
    file.labels_path = labels.path();
    EXPECT_TRUE(OpenPatternFile(file, TwoClasses(), true).ok()) << ending;
  }
  const TemporaryFile csv("1,0\n", ".csv");
  EXPECT_TRUE(OpenPatternFile(File(csv.path()), TwoClasses(), true).ok());
  const TemporaryFile text("1,0\n", ".txt");
  EXPECT_TRUE(OpenPatternFile(File(text.path()), TwoClasses(), true).ok());
}

TEST(PatternFileTest, IdxBytesCountAsPixels) {
  const TemporaryFile images(kIdxImages, ".idx");
  auto opened = OpenPatternFile(File(images.path()), TwoClasses(), false);
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_DOUBLE_EQ(opened->reader->Next(1)->value().inputs().raw_scale(), 1.0 / 255);
}

TEST(PatternFileTest, RawScaleIsTakenAsGiven) {
  const TemporaryFile images(kIdxImages, ".idx");
  PatternFile file = File(images.path());
  file.raw_scale = 2;
  EXPECT_EQ(OpenPatternFile(file, TwoClasses(), false)->reader->Next(1)->value().inputs().raw_scale(), 2);
}

TEST(PatternFileTest, OptionsOfOtherFormatsAreRefused) {
  const TemporaryFile images(kIdxImages, ".idx");
  PatternFile file = File(images.path());
  EXPECT_THAT(std::string(OpenPatternFile(file, TwoClasses(), true).status().message()), HasSubstr("needs --labels"));
  file.header = true;
  EXPECT_THAT(std::string(OpenPatternFile(file, TwoClasses(), false).status().message()),
              HasSubstr("are for csv files"));
  const TemporaryFile csv("1,0\n", ".csv");
  PatternFile csv_file = File(csv.path());
  csv_file.labels_path = "labels";
  EXPECT_THAT(std::string(OpenPatternFile(csv_file, TwoClasses(), true).status().message()), HasSubstr("not --labels"));
  csv_file.labels_path.clear();
  csv_file.raw_scale = 2;
  EXPECT_THAT(std::string(OpenPatternFile(csv_file, TwoClasses(), true).status().message()), HasSubstr("not csv"));
  csv_file.format = "xls";
  EXPECT_THAT(std::string(OpenPatternFile(csv_file, TwoClasses(), true).status().message()),
              HasSubstr("csv, idx, npy"));
}

TEST(PatternFileTest, RawScaleIsForBytes) {
  const TemporaryFile doubles("", ".npy");
  ASSERT_TRUE(WriteNpyVector(doubles.path(), std::vector<double>{1, 2}, false).ok());
  PatternFile file = File(doubles.path());
  ASSERT_TRUE(OpenPatternFile(file, TwoClasses(), false).ok());
  file.raw_scale = 2;
  EXPECT_THAT(std::string(OpenPatternFile(file, TwoClasses(), false).status().message()),
              HasSubstr("no unsigned bytes, which --raw-scale is for"));
}

TEST(PatternFileTest, AnArchiveOfArraysIsRefusedByItsEnding) {
  EXPECT_THAT(std::string(OpenPatternFile(File("some.npz"), TwoClasses(), false).status().message()),
              HasSubstr("save each by itself with numpy.save"));
}

TEST(PatternFileTest, BatchesAreAboutAMebibyte) {
  v1::NetworkSpec network = TwoClasses();
  network.set_input_unit_count(784);
  network.set_output_unit_count(10);
  EXPECT_EQ(BatchPatternCount(network), (1 << 20) / (794 * 4));
  EXPECT_EQ(BatchPatternCount(network, 16 << 20), (16 << 20) / (794 * 4));
  network.set_precision(v1::PRECISION_FLOAT64);
  EXPECT_EQ(BatchPatternCount(network), (1 << 20) / (794 * 8));
}

TEST(PatternFileTest, BatchesStayWithinTheServersLimits) {
  v1::NetworkSpec network = TwoClasses();
  network.set_output_unit_count(1);
  EXPECT_EQ(BatchPatternCount(network), 65'536);
  network.set_input_unit_count(262'144);
  network.set_output_unit_count(262'144);
  EXPECT_EQ(BatchPatternCount(network), 1);
}

}  // namespace
}  // namespace backprop::client
