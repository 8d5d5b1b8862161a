#include "client/data/csv_columns.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/status/status.h"

namespace backprop::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(CsvColumnsTest, TargetMayBeInAnyPosition) {
  for (const auto& [selector, target] :
       std::vector<std::pair<std::string, size_t>>{{"0", 0}, {"1", 1}, {"-1", 3}, {"-4", 0}, {"age", 1}, {"2", 2}}) {
    const auto columns = ChooseColumns(4, {"name", "age", "height", "class"}, {selector});
    ASSERT_TRUE(columns.ok()) << columns.status();
    EXPECT_THAT(columns->targets, ElementsAre(target)) << selector;
    EXPECT_EQ(columns->inputs.size(), 3U);
  }
}

TEST(CsvColumnsTest, InputsKeepTheirOrderAndTargetsThatOfTheSelectors) {
  const auto columns = ChooseColumns(5, {}, {"3", "1"});
  ASSERT_TRUE(columns.ok());
  EXPECT_THAT(columns->targets, ElementsAre(3, 1));
  EXPECT_THAT(columns->inputs, ElementsAre(0, 2, 4));
}

TEST(CsvColumnsTest, NameThatLooksLikeAnIndexIsTheName) {
  const auto columns = ChooseColumns(2, {"1", "0"}, {"0"});
  ASSERT_TRUE(columns.ok());
  EXPECT_THAT(columns->targets, ElementsAre(1));
}

TEST(CsvColumnsTest, ColumnsAreDescribedByNameOrIndex) {
  EXPECT_EQ(ChooseColumns(2, {"age", "class"}, {})->Describe(1), "column \"class\"");
  EXPECT_EQ(ChooseColumns(2, {}, {})->Describe(1), "column 1");
}

struct BadSelectors {
  std::vector<std::string> names;
  std::vector<std::string> selectors;
  const char* message;
};

TEST(CsvColumnsTest, BadSelectorsAreRefused) {
  for (const BadSelectors& bad : std::vector<BadSelectors>{
           {{}, {"3"}, "no column 3: there are 3 columns, 0 to 2"},
           {{}, {"-4"}, "no column -4"},
           {{}, {"class"}, "without a header"},
           {{"a", "b", "c"}, {"class"}, "no column \"class\"; the columns are a, b, c"},
           {{"a", "b", "c"}, {"c", "-1"}, "named twice"},
           {{"a", "b", "a"}, {"a"}, "columns 0 and 2 are both \"a\""},
       }) {
    const auto columns = ChooseColumns(3, bad.names, bad.selectors);
    EXPECT_EQ(columns.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(columns.status().message()), HasSubstr(bad.message));
  }
}

}  // namespace
}  // namespace backprop::client
