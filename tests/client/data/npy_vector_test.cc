#include "client/data/npy_vector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "client/data/array_file.h"
#include "tests/client/temporary_file.h"

namespace backprop::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(NpyVectorTest, WhatWasWrittenIsRead) {
  const TemporaryFile file("");
  // Above the rows that are read at once.
  std::vector<double> elements(100'000, 0.5);
  elements.back() = -0.25;
  for (const bool single_precision : {true, false}) {
    ASSERT_EQ(WriteNpyVector(file.path(), elements, single_precision), absl::OkStatus());
    EXPECT_EQ(ReadNpyVectors(file.path(), 100'000).value_or(std::vector<double>()), elements);
  }
}

TEST(NpyVectorTest, DataAreAlignedAsNumpyAlignsThem) {
  const TemporaryFile file("");
  ASSERT_TRUE(WriteNpyVector(file.path(), std::vector<double>{1, 2}, false).ok());
  std::ifstream stream(file.path(), std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(stream), {}};
  EXPECT_EQ((bytes.size() - 2 * sizeof(double)) % 64, 0U);
  EXPECT_EQ(bytes[bytes.size() - 2 * sizeof(double) - 1], '\n');
  EXPECT_THAT(bytes, HasSubstr("{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }"));
}

TEST(NpyVectorTest, AMatrixHasItsShapeAndRowsInOrder) {
  const TemporaryFile file("");
  ASSERT_TRUE(WriteNpyMatrix(file.path(), std::vector<double>{1, 2, 3, 4, 5, 6}, 2, true).ok());
  std::ifstream stream(file.path(), std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(stream), {}};
  EXPECT_THAT(bytes, HasSubstr("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }"));
  EXPECT_EQ((bytes.size() - 6 * sizeof(float)) % 64, 0U);
  auto array = ArrayFile::OpenNpy(file.path());
  ASSERT_TRUE(array.ok()) << array.status();
  EXPECT_THAT(array->ReadMatrix(10, 1).value().values(), ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST(NpyVectorTest, OtherLengthIsAnError) {
  const TemporaryFile file("");
  ASSERT_TRUE(WriteNpyVector(file.path(), std::vector<double>{1, 2}, false).ok());
  const auto elements = ReadNpyVectors(file.path(), 3);
  EXPECT_THAT(std::string(elements.status().message()), HasSubstr("2 x 1 where a vector of 3 elements is needed"));
}

TEST(NpyVectorTest, RowsAreVectorsUpToALimit) {
  const TemporaryFile file("");
  const std::vector<double> elements = {1, 2, 3, 4, 5, 6};
  ASSERT_TRUE(WriteNpyMatrix(file.path(), elements, 2, false).ok());
  EXPECT_EQ(ReadNpyVectors(file.path(), 3, 2).value_or(std::vector<double>()), elements);
  const auto too_many = ReadNpyVectors(file.path(), 2, 2);
  EXPECT_THAT(std::string(too_many.status().message()),
              HasSubstr("2 x 3 where a vector of 2 elements, or up to 2 rows of as many, is needed"));
  ASSERT_TRUE(WriteNpyMatrix(file.path(), elements, 3, false).ok());
  EXPECT_EQ(ReadNpyVectors(file.path(), 2, 2).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ReadNpyVectors(file.path(), 2, 3).value_or(std::vector<double>()), elements);
}

TEST(NpyVectorTest, UnwritablePathIsAnError) {
  EXPECT_EQ(WriteNpyVector("/nonexistent/file.npy", std::vector<double>{1}, false).code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace backprop::client
