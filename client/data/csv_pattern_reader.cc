#include "client/data/csv_pattern_reader.h"

#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/data/target_check.h"

namespace backprop::client {
namespace {

constexpr char kHeaderHint[] = " (--header says that the first row is a header)";

bool TakesDoubles(const v1::NetworkSpec& network) { return network.precision() == v1::PRECISION_FLOAT64; }

std::vector<std::string> DefaultTargets(const v1::NetworkSpec& network) {
  const int32_t count = network.task() == v1::TASK_MULTIWAY_CLASSIFICATION ? 1 : network.output_unit_count();
  std::vector<std::string> columns;
  for (int32_t column = -count; column < 0; ++column) columns.push_back(absl::StrCat(column));
  return columns;
}

// True when the targets of `columns` are one column of classes.
bool HasClassColumn(const v1::NetworkSpec& network, const CsvColumns& columns) {
  if (columns.targets.size() != 1) return false;
  return network.task() == v1::TASK_MULTIWAY_CLASSIFICATION ||
         (network.task() == v1::TASK_BINARY_CLASSIFICATION && network.output_unit_count() == 1);
}

bool IsShare(const std::string& value) {
  double number = 0;
  return absl::SimpleAtod(value, &number) && number >= 0 && number <= 1;
}

absl::Status CheckWidth(const v1::NetworkSpec& network, const CsvColumns& columns, bool with_targets) {
  const auto input_count = static_cast<size_t>(network.input_unit_count());
  const auto output_count = static_cast<size_t>(network.output_unit_count());
  if (columns.inputs.size() != input_count) {
    return absl::InvalidArgumentError(absl::StrCat(
        columns.count(), " columns with ", columns.targets.size(), " target columns leave ", columns.inputs.size(),
        " inputs, but the network has ", input_count, " input units",
        columns.count() == 1 ? " (columns are told apart by commas)" : " (--targets names the target columns)"));
  }
  const bool one_class_column = columns.targets.size() == 1 && network.task() == v1::TASK_MULTIWAY_CLASSIFICATION;
  if (with_targets && !one_class_column && columns.targets.size() != output_count) {
    return absl::InvalidArgumentError(
        absl::StrCat(columns.targets.size(), " target columns, but the network has ", output_count, " output units"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<CsvPatternReader>> CsvPatternReader::Open(const CsvOptions& options,
                                                                         const v1::NetworkSpec& network) {
  absl::StatusOr<ByteSource> source = ByteSource::Open(options.path, /*rewindable=*/true);
  if (!source.ok()) return source.status();
  std::unique_ptr<CsvPatternReader> reader(new CsvPatternReader(CsvRecords(*std::move(source)), network));
  if (absl::Status status = reader->ReadColumns(options); !status.ok()) return status;
  if (options.with_targets && HasClassColumn(network, reader->columns_)) {
    if (absl::Status status = reader->ReadClasses(); !status.ok()) return status;
  }
  if (!options.with_targets) reader->columns_.targets.clear();
  if (absl::Status status = reader->Restart(); !status.ok()) return status;
  return reader;
}

CsvPatternReader::CsvPatternReader(CsvRecords records, v1::NetworkSpec network)
    : records_(std::move(records)), network_(std::move(network)) {}

absl::Status CsvPatternReader::ReadColumns(const CsvOptions& options) {
  header_ = options.header;
  CsvRecord first;
  absl::StatusOr<bool> found = records_.Next(&first);
  if (!found.ok()) return found.status();
  if (!*found) return absl::InvalidArgumentError(absl::StrCat(records_.name(), ": the file is empty"));
  const size_t column_count = first.fields.size();
  std::vector<std::string> selectors = options.target_columns;
  if (selectors.empty() && options.with_targets) selectors = DefaultTargets(network_);
  absl::StatusOr<CsvColumns> columns =
      ChooseColumns(column_count, header_ ? std::move(first.fields) : std::vector<std::string>(), selectors);
  absl::Status status = columns.ok() ? CheckWidth(network_, *columns, options.with_targets) : columns.status();
  if (!status.ok()) return absl::Status(status.code(), absl::StrCat(records_.name(), ": ", status.message()));
  columns_ = *std::move(columns);
  column_count_ = column_count;
  if (header_) {
    found = records_.Next(&first);
    if (!found.ok()) return found.status();
    if (!*found) return absl::InvalidArgumentError(absl::StrCat(records_.name(), ": no row after the header"));
  }
  return absl::OkStatus();
}

absl::Status CsvPatternReader::ReadClasses() {
  if (std::vector<std::string> names = ClassNamesOf(network_); !names.empty()) {
    classes_.emplace(std::move(names));
    return absl::OkStatus();
  }
  if (absl::Status status = Restart(); !status.ok()) return status;
  const size_t column = columns_.targets.front();
  const bool binary = network_.task() == v1::TASK_BINARY_CLASSIFICATION;
  ClassScan scan(ClassCountOf(network_));
  bool all_shares = true;
  CsvRecord record;
  while (true) {
    const absl::StatusOr<bool> found = NextRecord(&record);
    if (!found.ok()) return found.status();
    if (!*found) break;
    // What is missing is said when its pattern is read, which may be left out.
    if (record.fields[column].empty()) continue;
    scan.Add(record.fields[column]);
    all_shares = all_shares && binary && IsShare(record.fields[column]);
  }
  // Targets of a binary network may be numbers between 0 and 1 as well.
  if (all_shares) return absl::OkStatus();
  absl::StatusOr<ClassIndices> classes = scan.Finish();
  if (!classes.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(records_.name(), ", ", columns_.Describe(column), ": ",
                                                   classes.status().message(), header_ ? "" : kHeaderHint));
  }
  found_class_names_ = classes->names();
  classes_ = *std::move(classes);
  return absl::OkStatus();
}

absl::Status CsvPatternReader::Restart() {
  if (absl::Status status = records_.Rewind(); !status.ok()) return status;
  CsvRecord header;
  return header_ ? records_.Next(&header).status() : absl::OkStatus();
}

absl::StatusOr<bool> CsvPatternReader::NextRecord(CsvRecord* record) {
  absl::StatusOr<bool> found = records_.Next(record);
  if (found.ok() && *found && record->fields.size() != column_count_) {
    return absl::InvalidArgumentError(absl::StrCat(records_.name(), ", row ", record->row, ": ", record->fields.size(),
                                                   " columns where the first row has ", column_count_));
  }
  return found;
}

absl::StatusOr<std::optional<v1::Patterns>> CsvPatternReader::Next(int32_t max_pattern_count) {
  v1::Patterns patterns;
  CsvRecord record;
  int32_t count = 0;
  while (!at_end_ && count < max_pattern_count) {
    const absl::StatusOr<bool> found = NextRecord(&record);
    absl::Status status = found.status();
    if (found.ok() && *found) status = AddPattern(record, &patterns);
    at_end_ = !status.ok() || !*found;
    if (!status.ok()) return status;
    count += *found ? 1 : 0;
  }
  if (count == 0) return std::nullopt;
  patterns.mutable_inputs()->set_row_count(count);
  if (patterns.has_targets()) patterns.mutable_targets()->set_row_count(count);
  return patterns;
}

absl::Status CsvPatternReader::AddPattern(const CsvRecord& record, v1::Patterns* patterns) const {
  absl::Status status = AddNumbers(record, columns_.inputs, patterns->mutable_inputs());
  if (!status.ok() || columns_.targets.empty()) return status;
  if (classes_) return AddClass(record, patterns);
  if (absl::Status wrong = CheckTargets(record); !wrong.ok()) return wrong;
  return AddNumbers(record, columns_.targets, patterns->mutable_targets());
}

absl::Status CsvPatternReader::CheckTargets(const CsvRecord& record) const {
  std::vector<double> targets;
  for (const size_t column : columns_.targets) {
    const absl::StatusOr<double> number = NumberAt(record, column);
    if (!number.ok()) return number.status();
    targets.push_back(*number);
  }
  const std::optional<TargetError> error = FindTargetError(network_, targets);
  if (!error) return absl::OkStatus();
  return ErrorAt(record, columns_.targets[error->target.value_or(0)], error->problem);
}

absl::Status CsvPatternReader::AddClass(const CsvRecord& record, v1::Patterns* patterns) const {
  const size_t column = columns_.targets.front();
  const std::string& value = record.fields[column];
  if (value.empty()) return ErrorAt(record, column, "missing value");
  const absl::StatusOr<int32_t> index = classes_->IndexOf(value);
  if (!index.ok()) return ErrorAt(record, column, index.status().message());
  if (network_.task() == v1::TASK_MULTIWAY_CLASSIFICATION) {
    patterns->add_target_classes(*index);
  } else {
    patterns->mutable_targets()->set_column_count(1);
    if (TakesDoubles(network_)) {
      patterns->mutable_targets()->add_double_values(*index);
    } else {
      patterns->mutable_targets()->add_values(static_cast<float>(*index));
    }
  }
  return absl::OkStatus();
}

absl::Status CsvPatternReader::AddNumbers(const CsvRecord& record, const std::vector<size_t>& columns,
                                          v1::Matrix* matrix) const {
  matrix->set_column_count(static_cast<int32_t>(columns.size()));
  for (const size_t column : columns) {
    const absl::StatusOr<double> number = NumberAt(record, column);
    if (!number.ok()) return number.status();
    if (TakesDoubles(network_)) {
      matrix->add_double_values(*number);
    } else {
      matrix->add_values(static_cast<float>(*number));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<double> CsvPatternReader::NumberAt(const CsvRecord& record, size_t column) const {
  const std::string& field = record.fields[column];
  double number = 0;
  if (field.empty()) return ErrorAt(record, column, "missing value");
  if (!absl::SimpleAtod(field, &number)) {
    const bool may_be_header = record.row == 1 && !header_;
    return ErrorAt(record, column, absl::StrCat("\"", field, "\" is not a number", may_be_header ? kHeaderHint : ""));
  }
  if (!std::isfinite(number)) return ErrorAt(record, column, absl::StrCat("\"", field, "\" is not finite"));
  if (!TakesDoubles(network_) && std::abs(number) > std::numeric_limits<float>::max()) {
    return ErrorAt(record, column, absl::StrCat("\"", field, "\" does not fit a network of FLOAT32"));
  }
  return number;
}

absl::Status CsvPatternReader::ErrorAt(const CsvRecord& record, size_t column, absl::string_view problem) const {
  return absl::InvalidArgumentError(
      absl::StrCat(records_.name(), ", row ", record.row, ", ", columns_.Describe(column), ": ", problem));
}

}  // namespace backprop::client
