#include "server/storage/file_copy.h"

#include <sqlite3.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "server/storage/sqlite_log.h"
#include "server/storage/storage_error.h"

namespace backprop::server {
namespace {

// Nothing of a copy is of use before FinishCopy.
SQLite::Database NewFile(const std::string& path) {
  SQLite::Database file(path, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
  file.exec("PRAGMA synchronous = OFF");
  file.exec("PRAGMA journal_mode = OFF");
  return file;
}

}  // namespace

FileCopy::FileCopy(RecordFile* file, const std::string& path) : to_(NewFile(path)), backup_(to_, file->database()) {}

int64_t FileCopy::CopyPart() {
  if (backup_.executeStep(kPartPages) == SQLITE_DONE) return 0;
  return std::max(backup_.getRemainingPageCount(), 1);
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
