#include "client/data/csv_columns.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace backprop::client {
namespace {

absl::StatusOr<size_t> FindColumn(size_t column_count, const std::vector<std::string>& names,
                                  const std::string& selector) {
  if (const auto found = std::find(names.begin(), names.end(), selector); found != names.end()) {
    if (const auto other = std::find(found + 1, names.end(), selector); other != names.end()) {
      return absl::InvalidArgumentError(absl::StrCat("columns ", found - names.begin(), " and ", other - names.begin(),
                                                     " are both \"", selector, "\"; give the column's index"));
    }
    return static_cast<size_t>(found - names.begin());
  }
  int64_t index = 0;
  if (!absl::SimpleAtoi(selector, &index)) {
    return absl::InvalidArgumentError(
        names.empty() ? absl::StrCat("no column \"", selector, "\": without a header columns are named by index")
                      : absl::StrCat("no column \"", selector, "\"; the columns are ", absl::StrJoin(names, ", ")));
  }
  const auto count = static_cast<int64_t>(column_count);
  if (index < -count || index >= count) {
    return absl::InvalidArgumentError(
        absl::StrCat("no column ", index, ": there are ", count, " columns, 0 to ", count - 1));
  }
  return static_cast<size_t>(index < 0 ? index + count : index);
}

}  // namespace

std::string CsvColumns::Describe(size_t column) const {
  return names.empty() ? absl::StrCat("column ", column) : absl::StrCat("column \"", names[column], "\"");
}

absl::StatusOr<CsvColumns> ChooseColumns(size_t column_count, std::vector<std::string> names,
                                         const std::vector<std::string>& selectors) {
  CsvColumns columns;
  for (const std::string& selector : selectors) {
    const absl::StatusOr<size_t> column = FindColumn(column_count, names, selector);
    if (!column.ok()) return column.status();
    if (std::find(columns.targets.begin(), columns.targets.end(), *column) != columns.targets.end()) {
      return absl::InvalidArgumentError(absl::StrCat("column \"", selector, "\" is named twice"));
    }
    columns.targets.push_back(*column);
  }
  for (size_t column = 0; column < column_count; ++column) {
    if (std::find(columns.targets.begin(), columns.targets.end(), column) == columns.targets.end()) {
      columns.inputs.push_back(column);
    }
  }
  columns.names = std::move(names);
  return columns;
}

}  // namespace backprop::client
