#pragma once

#include <csv.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/data/byte_source.h"

namespace backprop::client {

// Limits of one record: what the largest network takes, with room, and what no damaged file can get past.
inline constexpr size_t kMaxCsvFields = 1 << 20;
inline constexpr size_t kMaxCsvFieldBytes = 64 << 10;

struct CsvRecord {
  // Counted from 1. Blank lines count, so it is the line an editor shows unless a quoted field spans lines.
  int64_t row = 0;
  // Blanks around a field that is not quoted are dropped.
  std::vector<std::string> fields;
};

// The records of comma-separated values (RFC 4180; LF, CR or CRLF; a byte order mark is skipped), a block at a time.
// One thread.
class CsvRecords {
 public:
  explicit CsvRecords(ByteSource source);

  // The next record that is not blank; false at the end. INVALID_ARGUMENT naming file and row for malformed quoting and
  // for a record over the limits.
  absl::StatusOr<bool> Next(CsvRecord* record);

  // Back to the first record.
  absl::Status Rewind();

  // For messages.
  [[nodiscard]] const std::string& name() const { return source_.name(); }

 private:
  struct Free {
    void operator()(csv_parser* parser) const;
  };

  void StartParser();
  // Parses one block, or after the last the rest that it left.
  absl::Status ParseBlock();
  static void OnField(void* bytes, size_t byte_count, void* self);
  static void OnRecordEnd(int terminator, void* self);

  ByteSource source_;
  std::unique_ptr<csv_parser, Free> parser_;
  std::vector<char> block_;
  // Parsed and not yet taken: at most a block's.
  std::deque<CsvRecord> ready_;
  CsvRecord current_{.row = 1, .fields = {}};
  int last_terminator_ = 0;
  bool first_block_ = true;
  bool finished_ = false;
  bool too_large_ = false;
};

}  // namespace backprop::client
