#include "server/storage/file_copy.h"

#include <SQLiteCpp/Exception.h>
#include <SQLiteCpp/Statement.h>
#include <sqlite3.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "absl/cleanup/cleanup.h"
#include "server/storage/data_directory.h"
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

// SQLite's instructions between two looks whether to go on: a few MiB of a copy.
constexpr int kInstructions = 100;

// Writes all that is in use of `file` into the new file `path`, and makes it durable.
void Compact(RecordFile* file, const std::string& path, const Interruption& interruption) {
  sqlite3_progress_handler(
      file->connection(), kInstructions,
      [](void* go_on) { return static_cast<const Interruption*>(go_on)->operator()().ok() ? 0 : 1; },
      const_cast<Interruption*>(&interruption));
  const absl::Cleanup uninstall = [file] { sqlite3_progress_handler(file->connection(), 0, nullptr, nullptr); };
  SQLite::Statement copy(file->database(), "VACUUM INTO ?");
  copy.bind(1, path);
  if (copy.tryExecuteStep() != SQLITE_DONE) {
    file->CheckGoOn();
    throw SQLite::Exception(file->connection());
  }
  // VACUUM INTO leaves that to its caller.
  if (absl::Status status = SyncFile(path); !status.ok()) throw StorageException(status);
}

}  // namespace

FileCopy::FileCopy(RecordFile* file, const std::string& path)
    : to_(NewFile(path)), backup_(to_, file->database()), page_bytes_(file->page_bytes()) {}

int64_t FileCopy::CopyPart() {
  // What is left, and all of it again, compacted.
  const int64_t pages = int64_t{backup_.getRemainingPageCount()} + backup_.getTotalPageCount();
  if (absl::Status status = CheckRoom(to_.getFilename(), pages * page_bytes_); !status.ok()) {
    throw StorageException(status);
  }
  if (backup_.executeStep(static_cast<int>(kPartBytes / page_bytes_)) == SQLITE_DONE) return 0;
  return std::max(backup_.getRemainingPageCount(), 1);
}

absl::Status FinishCopy(const std::string& path, const Interruption& interruption, MemoryBudget* budget) {
  absl::Status status = Protect(path, [&] {
    const RecordFileOptions options{.interruption = interruption};
    {
      RecordFile all(path, RecordFile::Mode::kOpenAside, options);
      std::filesystem::remove(path);  // Of use by `all` alone now, which makes room for what it has.
      Compact(&all, path, interruption);
    }
    // A backup that cannot be restored must not pass for one.
    RecordFile copy(path, RecordFile::Mode::kOpenAside, options);
    return CheckSession(&copy, budget);
  });
  if (std::error_code ignored; !status.ok()) std::filesystem::remove(path, ignored);
  return status;
}

}  // namespace backprop::server
