#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "backprop/v1/network.pb.h"
#include "backprop/v1/patterns.pb.h"
#include "client/data/class_names.h"
#include "client/data/csv_columns.h"
#include "client/data/csv_records.h"
#include "client/data/pattern_reader.h"

namespace backprop::client {

struct CsvOptions {
  // A CSV file, plain or .gz; `-` is standard input.
  std::string path;
  // The first record names the columns.
  bool header = false;
  // As ChooseColumns takes them. Empty: the last column for multiway classification, otherwise the last
  // output_unit_count columns; none when patterns are read without targets.
  std::vector<std::string> target_columns;
  // False: the target columns are left out, as for predictions.
  bool with_targets = true;
};

// Patterns from comma-separated values. Every error names the row, and the column where one value is to blame.
//
// One target column of a classification network holds classes (ClassScan and ClassIndices say how values are told
// apart); for binary networks also numbers from 0 to 1. Other target columns hold numbers.
class CsvPatternReader final : public PatternReader {
 public:
  // Reads the file once when the class names are not known yet. INVALID_ARGUMENT when the columns do not fit the
  // network or the file is empty.
  static absl::StatusOr<std::unique_ptr<CsvPatternReader>> Open(const CsvOptions& options,
                                                                const v1::NetworkSpec& network);

  absl::StatusOr<std::optional<v1::Patterns>> Next(int32_t max_pattern_count) override;

  // The class names found in the file, which the network lacks; empty when it has them or needs none.
  [[nodiscard]] const std::vector<std::string>& found_class_names() const { return found_class_names_; }

 private:
  CsvPatternReader(CsvRecords records, v1::NetworkSpec network);

  absl::Status ReadColumns(const CsvOptions& options);
  // Decides how the one target column of a classification network is read.
  absl::Status ReadClasses();
  // Back to the first record after the header.
  absl::Status Restart();
  // The next record, of the right length.
  absl::StatusOr<bool> NextRecord(CsvRecord* record);

  absl::Status AddPattern(const CsvRecord& record, v1::Patterns* patterns) const;
  absl::Status CheckTargets(const CsvRecord& record) const;
  absl::Status AddNumbers(const CsvRecord& record, const std::vector<size_t>& columns, v1::Matrix* matrix) const;
  absl::Status AddClass(const CsvRecord& record, v1::Patterns* patterns) const;
  absl::StatusOr<double> NumberAt(const CsvRecord& record, size_t column) const;
  absl::Status ErrorAt(const CsvRecord& record, size_t column, absl::string_view problem) const;

  CsvRecords records_;
  const v1::NetworkSpec network_;
  bool header_ = false;
  size_t column_count_ = 0;
  CsvColumns columns_;
  // Of the one class column; nothing when targets are numbers.
  std::optional<ClassIndices> classes_;
  std::vector<std::string> found_class_names_;
  bool at_end_ = false;
};

}  // namespace backprop::client
