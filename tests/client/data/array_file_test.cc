#include "client/data/array_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "tests/client/temporary_file.h"

namespace backprop::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// An element as .idx stores it.
template <typename T>
std::string BigEndian(T value) {
  std::string bytes(reinterpret_cast<const char*>(&value), sizeof value);
  std::reverse(bytes.begin(), bytes.end());
  return bytes;
}

template <typename T>
std::string LittleEndian(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

std::string Idx(uint8_t type, const std::vector<uint32_t>& dimensions, const std::string& elements) {
  std::string file = {0, 0, static_cast<char>(type), static_cast<char>(dimensions.size())};
  for (const uint32_t dimension : dimensions) file += BigEndian(dimension);
  return file + elements;
}

std::string Npy(const std::string& dictionary, const std::string& elements, char version = 1) {
  std::string file = absl::StrCat("\x93NUMPY", std::string{version, 0});
  file += version == 1 ? LittleEndian(static_cast<uint16_t>(dictionary.size()))
                       : LittleEndian(static_cast<uint32_t>(dictionary.size()));
  return file + dictionary + elements;
}

std::string NpyOf(const std::string& descr, const std::string& shape, const std::string& elements) {
  return Npy(absl::StrCat("{'descr': '", descr, "', 'fortran_order': False, 'shape': ", shape, ", }   \n"), elements);
}

// All rows as one matrix.
absl::StatusOr<v1::Matrix> ReadAs(absl::StatusOr<ArrayFile> (*open)(const std::string&), const std::string& content) {
  const TemporaryFile file(content);
  absl::StatusOr<ArrayFile> array = open(file.path());
  if (!array.ok()) return array.status();
  return array->ReadMatrix(1000, 1);
}

absl::StatusOr<v1::Matrix> ReadIdx(const std::string& content) { return ReadAs(&ArrayFile::OpenIdx, content); }
absl::StatusOr<v1::Matrix> ReadNpy(const std::string& content) { return ReadAs(&ArrayFile::OpenNpy, content); }

TEST(IdxTest, BytesStayRawAndAreFlattenedAfterTheFirstDimension) {
  const TemporaryFile file(Idx(0x08, {2, 2, 3}, "abcdefABCDEF"));
  auto array = ArrayFile::OpenIdx(file.path());
  ASSERT_TRUE(array.ok()) << array.status();
  EXPECT_EQ(array->row_count(), 2);
  EXPECT_EQ(array->row_elements(), 6);
  const auto matrix = array->ReadMatrix(10, 0.5);
  ASSERT_TRUE(matrix.ok());
  EXPECT_EQ(matrix->raw_values(), "abcdefABCDEF");
  EXPECT_EQ(matrix->raw_type(), v1::Matrix::RAW_TYPE_UINT8);
  EXPECT_EQ(matrix->raw_scale(), 0.5);
  EXPECT_EQ(matrix->row_count(), 2);
  EXPECT_EQ(matrix->column_count(), 6);
}

TEST(IdxTest, CompressedFileReadsAlike) { EXPECT_EQ(ReadIdx(Gzip(Idx(0x08, {3}, "abc")))->raw_values(), "abc"); }

TEST(IdxTest, OtherTypesAreConverted) {
  EXPECT_THAT(ReadIdx(Idx(0x09, {2}, "\x01\xFF"))->values(), ElementsAre(1, -1));
  EXPECT_THAT(ReadIdx(Idx(0x0B, {2}, BigEndian<int16_t>(300) + BigEndian<int16_t>(-2)))->values(),
              ElementsAre(300, -2));
  EXPECT_THAT(ReadIdx(Idx(0x0C, {1}, BigEndian<int32_t>(-70'000)))->double_values(), ElementsAre(-70'000));
  EXPECT_THAT(ReadIdx(Idx(0x0D, {1}, BigEndian(1.5F)))->values(), ElementsAre(1.5));
  EXPECT_THAT(ReadIdx(Idx(0x0E, {1}, BigEndian(0.1)))->double_values(), ElementsAre(0.1));
}

TEST(IdxTest, RowsComeInBatches) {
  const TemporaryFile file(Idx(0x08, {3, 1}, "abc"));
  auto array = ArrayFile::OpenIdx(file.path());
  ASSERT_TRUE(array.ok());
  EXPECT_EQ(array->ReadMatrix(2, 1)->raw_values(), "ab");
  EXPECT_EQ(array->ReadMatrix(2, 1)->raw_values(), "c");
  EXPECT_EQ(array->ReadMatrix(2, 1)->row_count(), 0);
}

TEST(IdxTest, IntegersAreReadAsLabels) {
  const TemporaryFile file(Idx(0x0B, {2}, BigEndian<int16_t>(7) + BigEndian<int16_t>(-1)));
  EXPECT_THAT(*ArrayFile::OpenIdx(file.path())->ReadIntegers(5), ElementsAre(7, -1));
}

struct BadArrayFile {
  std::string content;
  absl::StatusCode code;
  const char* message;
};

TEST(IdxTest, BadFilesAreRefused) {
  constexpr auto kBad = absl::StatusCode::kInvalidArgument;
  constexpr auto kLost = absl::StatusCode::kDataLoss;
  const std::string packed = Gzip(Idx(0x08, {1000}, std::string(1000, 'x')));
  for (const BadArrayFile& bad : std::vector<BadArrayFile>{
           {"", kLost, "ends inside of its idx header"},
           {std::string("\0\0\x08", 3), kLost, "ends inside of its idx header"},
           {Idx(0x08, {1, 1}, "").substr(0, 9), kLost, "ends inside of its idx header"},
           {"not an idx file", kBad, "bad magic number"},
           {Idx(0x07, {1}, "a"), kBad, "bad magic number"},
           {Idx(0x08, {}, "a"), kBad, "bad magic number"},
           {Idx(0x08, {0}, ""), kBad, "holds no patterns"},
           {Idx(0x08, {1, 0}, ""), kBad, "a pattern must have 1 to 262144 elements"},
           {Idx(0x08, {1, 262'145}, ""), kBad, "a pattern must have 1 to 262144 elements"},
           // A product that would overflow, and a count that no memory holds.
           {Idx(0x08, {1, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF}, ""), kBad, "a pattern must have 1 to 262144 elements"},
           {Idx(0x08, {0xFFFFFFFF, 262'144}, "abc"), kLost, "the header claims 4294967295 patterns"},
           {Idx(0x0C, {100, 1}, "abcd"), kLost, "the header claims 100 patterns of 4 bytes"},
           {Gzip(Idx(0x08, {0xFFFFFFFF, 2}, "abcde")), kLost, "the file ends after 2 of 4294967295 patterns"},
           {packed.substr(0, packed.size() - 10), kLost, "truncated gzip data"},
           {Idx(0x08, {2}, "abc"), kLost, "goes on after its last pattern"},
           {Idx(0x0D, {2, 1}, BigEndian(1.0F) + BigEndian(NAN)), kBad, "pattern 1 (counted from 0): a number is not"},
       }) {
    const auto matrix = ReadIdx(bad.content);
    EXPECT_EQ(matrix.status().code(), bad.code) << bad.message;
    EXPECT_THAT(std::string(matrix.status().message()), HasSubstr(bad.message));
  }
}

TEST(NpyTest, TypesAreConverted) {
  EXPECT_THAT(ReadNpy(NpyOf("<f4", "(1, 1)", LittleEndian(1.5F)))->values(), ElementsAre(1.5));
  EXPECT_THAT(ReadNpy(NpyOf("<f8", "(1, 1)", LittleEndian(0.1)))->double_values(), ElementsAre(0.1));
  EXPECT_THAT(ReadNpy(NpyOf("<i4", "(1, 1)", LittleEndian<int32_t>(-5)))->double_values(), ElementsAre(-5));
  EXPECT_THAT(ReadNpy(NpyOf("<i8", "(1, 1)", LittleEndian<int64_t>(1LL << 40)))->double_values(),
              ElementsAre(1099511627776.0));
  EXPECT_EQ(ReadNpy(NpyOf("|u1", "(1, 2)", "ab"))->raw_values(), "ab");
  EXPECT_THAT(ReadNpy(NpyOf(">f4", "(1,)", BigEndian(2.5F)))->values(), ElementsAre(2.5));
}

TEST(NpyTest, OneDimensionHasOneElementARow) {
  const auto matrix = ReadNpy(NpyOf("|u1", "(3,)", "abc"));
  ASSERT_TRUE(matrix.ok()) << matrix.status();
  EXPECT_EQ(matrix->row_count(), 3);
  EXPECT_EQ(matrix->column_count(), 1);
}

TEST(NpyTest, EveryHeaderVersionIsRead) {
  for (const char version : {'\x01', '\x02', '\x03'}) {
    const auto matrix = ReadNpy(Npy("{'descr': '|u1', 'fortran_order': False, 'shape': (2, 1)}\n", "ab", version));
    ASSERT_TRUE(matrix.ok()) << matrix.status();
    EXPECT_EQ(matrix->raw_values(), "ab");
  }
}

TEST(NpyTest, FortranOrderOfAVectorIsNoMatter) {
  EXPECT_TRUE(ReadNpy(Npy("{'descr': '|u1', 'fortran_order': True, 'shape': (2,)}", "ab")).ok());
}

TEST(NpyTest, BadFilesAreRefused) {
  constexpr auto kBad = absl::StatusCode::kInvalidArgument;
  constexpr auto kLost = absl::StatusCode::kDataLoss;
  const std::string good = NpyOf("<f4", "(2, 1)", "12345678");
  for (const BadArrayFile& bad : std::vector<BadArrayFile>{
           {"", kLost, "ends inside of its npy header"},
           {good.substr(0, 30), kLost, "ends inside of its npy header"},
           {"{\"layers\": []}", kBad, "bad magic string"},
           {Npy("{}", "", 4), kBad, "npy version 4 is not known"},
           {Npy(std::string(20'000, ' '), ""), kBad, "npy header of 20000 bytes"},
           {std::string("\x93NUMPY\x02\x00\xFF\xFF\xFF\xFF", 12), kBad, "npy header of 4294967295 bytes"},
           {NpyOf("<c8", "(1,)", "12345678"), kBad, "elements of type <c8 are not read"},
           {Npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", "1234"), kBad, "are not read"},
           {NpyOf("", "(1,)", ""), kBad, "are not read"},
           {Npy("{'descr': '<f4', 'fortran_order': True, 'shape': (1, 2)}", "12345678"), kBad, "Fortran order"},
           {Npy("{'descr': '<f4', 'shape': (1, 2)}", "12345678"), kBad, "without fortran_order"},
           {Npy("{'descr': '<f4', 'fortran_order': False}", "12345678"), kBad, "without a shape"},
           {NpyOf("<f4", "(2, x)", "12345678"), kBad, "damaged shape"},
           {NpyOf("<f4", "(-2, 1)", "12345678"), kBad, "damaged shape"},
           {NpyOf("<f4", "(99999999999999999999, 1)", "12345678"), kBad, "damaged shape"},
           {NpyOf("<f4", "()", "1234"), kBad, "without dimensions"},
           {NpyOf("<f4", "(9223372036854775807, 2)", "12345678"), kLost, "the header claims"},
           {good.substr(0, good.size() - 4), kLost, "the file ends after 1 of 2 patterns"},
           {good + "more", kLost, "goes on after its last pattern"},
           {NpyOf("<f8", "(1,)", LittleEndian(INFINITY + 0.0)), kBad, "a number is not finite"},
       }) {
    const auto matrix = ReadNpy(bad.content);
    EXPECT_EQ(matrix.status().code(), bad.code) << bad.message;
    EXPECT_THAT(std::string(matrix.status().message()), HasSubstr(bad.message));
  }
}

}  // namespace
}  // namespace backprop::client
