#include "client/data/csv_records.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/client/temporary_file.h"

namespace backprop::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

using Fields = std::vector<std::string>;

CsvRecords Open(const TemporaryFile& file) { return CsvRecords(*ByteSource::Open(file.path())); }

absl::StatusOr<std::vector<CsvRecord>> ReadRecords(CsvRecords& records) {
  std::vector<CsvRecord> all;
  CsvRecord record;
  while (true) {
    const absl::StatusOr<bool> found = records.Next(&record);
    if (!found.ok()) return found.status();
    if (!*found) return all;
    all.push_back(record);
  }
}

std::vector<Fields> FieldsOf(const std::string& content) {
  const TemporaryFile file(content);
  CsvRecords records = Open(file);
  std::vector<Fields> fields;
  const auto all = ReadRecords(records);
  EXPECT_TRUE(all.ok()) << all.status();
  if (!all.ok()) return {};
  for (const CsvRecord& record : *all) fields.push_back(record.fields);
  return fields;
}

std::vector<int64_t> RowsOf(const std::string& content) {
  const TemporaryFile file(content);
  CsvRecords records = Open(file);
  std::vector<int64_t> rows;
  const auto all = ReadRecords(records);
  EXPECT_TRUE(all.ok()) << all.status();
  if (!all.ok()) return {};
  for (const CsvRecord& record : *all) rows.push_back(record.row);
  return rows;
}

struct Variant {
  const char* name;
  std::string content;
};

TEST(CsvRecordsTest, VariantsOfTheSameRecordsReadAlike) {
  for (const Variant& variant : std::vector<Variant>{{"plain", "1,two\n3,4\n"},
                                                     {"no line end at the end", "1,two\n3,4"},
                                                     {"carriage returns", "1,two\r\n3,4\r\n"},
                                                     {"old Mac", "1,two\r3,4\r"},
                                                     {"byte order mark",
                                                      "\xEF\xBB\xBF"
                                                      "1,two\n3,4\n"},
                                                     {"quotes", "\"1\",\"two\"\n\"3\",4\n"},
                                                     {"blanks", " 1 ,  two\n3 ,4  \n"},
                                                     {"blank lines", "\n1,two\n\n   \n3,4\n\n"},
                                                     {"gzip", Gzip("1,two\n3,4\n")}}) {
    EXPECT_THAT(FieldsOf(variant.content), ElementsAre(Fields{"1", "two"}, Fields{"3", "4"})) << variant.name;
  }
}

TEST(CsvRecordsTest, QuotedFieldsKeepCommasQuotesAndLineEnds) {
  EXPECT_THAT(FieldsOf("\"a,b\",\"say \"\"hi\"\"\",\"two\nlines\"\n"),
              ElementsAre(Fields{"a,b", "say \"hi\"", "two\nlines"}));
}

TEST(CsvRecordsTest, EmptyFieldsAreKept) { EXPECT_THAT(FieldsOf("1,,3,\n"), ElementsAre(Fields{"1", "", "3", ""})); }

TEST(CsvRecordsTest, RowsAreCountedAsAnEditorDoes) {
  EXPECT_THAT(RowsOf("a\n\nb\n"), ElementsAre(1, 3));
  EXPECT_THAT(RowsOf("a\r\n\r\nb\r\n"), ElementsAre(1, 3));
}

TEST(CsvRecordsTest, FileLargerThanABlockIsReadWhole) {
  std::string content;
  for (int i = 0; i < 50'000; ++i) absl::StrAppend(&content, i, ",", i * 2, "\n");
  const TemporaryFile file(content);
  CsvRecords records = Open(file);
  const auto all = ReadRecords(records);
  ASSERT_TRUE(all.ok());
  ASSERT_EQ(all->size(), 50'000U);
  EXPECT_EQ(all->back().fields, (Fields{"49999", "99998"}));
  EXPECT_EQ(all->back().row, 50'000);
}

TEST(CsvRecordsTest, RewindStartsOver) {
  const TemporaryFile file(
      "\xEF\xBB\xBF"
      "1\n2\n");
  CsvRecords records = Open(file);
  ASSERT_EQ(ReadRecords(records)->size(), 2U);
  ASSERT_TRUE(records.Rewind().ok());
  const auto again = ReadRecords(records);
  ASSERT_EQ(again->size(), 2U);
  EXPECT_EQ(again->front().fields, Fields{"1"});
  EXPECT_EQ(again->front().row, 1);
}

TEST(CsvRecordsTest, BadFilesAreRefused) {
  for (const Variant& bad : std::vector<Variant>{
           {"row 2: malformed quoting", "1\na\"b\n"},
           {"row 2: the file ends inside of a quoted field", "1\n\"two"},
           {"more than 1048576 fields", std::string(kMaxCsvFields + 1, ',') + "\n"},
           {"a field of more than 65536 bytes", std::string(kMaxCsvFieldBytes + 1, 'x') + "\n"},
           {"a field of more than 65536 bytes", "\"" + std::string(1 << 20, 'x')},
       }) {
    const TemporaryFile file(bad.content);
    CsvRecords records = Open(file);
    const auto all = ReadRecords(records);
    EXPECT_EQ(all.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(all.status().message()), HasSubstr(bad.name));
    EXPECT_THAT(std::string(all.status().message()), HasSubstr(file.path()));
  }
}

TEST(CsvRecordsTest, LargestRecordIsRead) {
  EXPECT_EQ(FieldsOf(std::string(kMaxCsvFields - 1, ',') + "\n").at(0).size(), kMaxCsvFields);
  EXPECT_EQ(FieldsOf(std::string(kMaxCsvFieldBytes, 'x') + "\n").at(0).at(0).size(), kMaxCsvFieldBytes);
}

}  // namespace
}  // namespace backprop::client
