#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace backprop::client {

// Which columns of a CSV file are targets; the others, in their order, are inputs.
struct CsvColumns {
  // Of all columns; empty without a header.
  std::vector<std::string> names;
  std::vector<size_t> inputs;
  std::vector<size_t> targets;

  [[nodiscard]] size_t count() const { return inputs.size() + targets.size(); }
  // For messages: `column "age"`, or `column 3` counted from 0.
  [[nodiscard]] std::string Describe(size_t column) const;
};

// `selectors` name the target columns: a name of the header, or an index from 0, or from the end with -1 the last.
// INVALID_ARGUMENT for a column that does not exist or is named twice.
absl::StatusOr<CsvColumns> ChooseColumns(size_t column_count, std::vector<std::string> names,
                                         const std::vector<std::string>& selectors);

}  // namespace backprop::client
