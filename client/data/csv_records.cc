#include "client/data/csv_records.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace backprop::client {
namespace {

constexpr size_t kBlockBytes = 64 << 10;
constexpr char kByteOrderMark[] = "\xEF\xBB\xBF";

}  // namespace

void CsvRecords::Free::operator()(csv_parser* parser) const {
  csv_free(parser);
  delete parser;
}

CsvRecords::CsvRecords(ByteSource source) : source_(std::move(source)), block_(kBlockBytes) { StartParser(); }

void CsvRecords::StartParser() {
  parser_.reset(new csv_parser());
  // Every line end is reported, blank lines too, so that rows are counted as an editor counts them.
  csv_init(parser_.get(), CSV_STRICT | CSV_STRICT_FINI | CSV_REPALL_NL);
  ready_.clear();
  current_ = {.row = 1, .fields = {}};
  last_terminator_ = 0;
  first_block_ = true;
  finished_ = false;
  too_large_ = false;
}

absl::Status CsvRecords::Rewind() {
  StartParser();
  return source_.Rewind();
}

absl::StatusOr<bool> CsvRecords::Next(CsvRecord* record) {
  while (ready_.empty() && !finished_) {
    if (absl::Status status = ParseBlock(); !status.ok()) {
      finished_ = true;
      ready_.clear();
      return status;
    }
  }
  if (ready_.empty()) return false;
  *record = std::move(ready_.front());
  ready_.pop_front();
  return true;
}

absl::Status CsvRecords::ParseBlock() {
  const absl::StatusOr<size_t> count = source_.Read(block_);
  if (!count.ok()) return count.status();
  absl::string_view bytes(block_.data(), *count);
  if (std::exchange(first_block_, false) && absl::StartsWith(bytes, kByteOrderMark)) bytes.remove_prefix(3);
  if (csv_parse(parser_.get(), bytes.data(), bytes.size(), OnField, OnRecordEnd, this) != bytes.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat(name(), ", row ", current_.row, ": malformed quoting (a quote inside of a field is doubled)"));
  }
  if (*count < block_.size()) {
    finished_ = true;
    if (csv_fini(parser_.get(), OnField, OnRecordEnd, this) != 0) {
      return absl::InvalidArgumentError(
          absl::StrCat(name(), ", row ", current_.row, ": the file ends inside of a quoted field"));
    }
  }
  if (too_large_ || csv_get_buffer_size(parser_.get()) > kMaxCsvFieldBytes + kBlockBytes) {
    return absl::InvalidArgumentError(absl::StrCat(name(), ", row ", current_.row, ": more than ", kMaxCsvFields,
                                                   " fields, or a field of more than ", kMaxCsvFieldBytes, " bytes"));
  }
  return absl::OkStatus();
}

void CsvRecords::OnField(void* bytes, size_t byte_count, void* self) {
  auto& records = *static_cast<CsvRecords*>(self);
  if (records.too_large_) return;
  std::vector<std::string>& fields = records.current_.fields;
  if (byte_count > kMaxCsvFieldBytes || fields.size() == kMaxCsvFields) {
    records.too_large_ = true;
    return;
  }
  fields.emplace_back(static_cast<const char*>(bytes), byte_count);
}

void CsvRecords::OnRecordEnd(int terminator, void* self) {
  auto& records = *static_cast<CsvRecords*>(self);
  if (records.too_large_) return;
  const bool second_of_crlf = std::exchange(records.last_terminator_, terminator) == '\r' && terminator == '\n';
  CsvRecord& current = records.current_;
  if (current.fields.empty()) {
    if (!second_of_crlf) ++current.row;
    return;
  }
  const size_t field_count = current.fields.size();
  const int64_t row = current.row;
  records.ready_.push_back(std::exchange(current, {.row = row + 1, .fields = {}}));
  current.fields.reserve(field_count);
}

}  // namespace backprop::client
