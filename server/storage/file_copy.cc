#include "server/storage/file_copy.h"

#include <sqlite3.h>

#include <filesystem>
#include <system_error>

#include "server/storage/sqlite_log.h"
#include "server/storage/storage_error.h"

namespace backprop::server {

FileCopy::FileCopy(RecordFile* file, const std::string& path)
    : to_(path, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE), backup_(to_, file->database()) {}

bool FileCopy::CopyPart() {
  const bool last = part_count_ > 0 && --part_count_ == 0;
  const int result = backup_.executeStep(last ? -1 : kPartPages);
  if (part_count_ == 0) part_count_ = 1 + backup_.getTotalPageCount() / kPartPages;
  return result == SQLITE_DONE;
}

absl::Status FinishCopy(const std::string& path) {
  absl::Status status = Protect(path, [&] {
    {
      RecordFile all(path, RecordFile::Mode::kOpenAside, {});
      std::filesystem::remove(path);  // Of use by `all` alone now, which makes room for what it has.
      all.CopyTo(path);
    }
    // A backup that cannot be restored must not pass for one.
    RecordFile copy(path, RecordFile::Mode::kOpenAside, {});
    return CheckSession(&copy);
  });
  if (std::error_code ignored; !status.ok()) std::filesystem::remove(path, ignored);
  return status;
}

}  // namespace backprop::server
