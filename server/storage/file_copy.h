// A copy of a file that is in use, made part by part.
#pragma once

#include <SQLiteCpp/Backup.h>
#include <SQLiteCpp/Database.h>

#include <cstdint>
#include <string>

#include "server/sessions/memory_budget.h"
#include "server/storage/record_file.h"

namespace backprop::server {

// Between parts the file may change by commits of its connection: what was copied before changes with it (SQLite's
// online backup), and behind the last part the copy is the file of that moment. Of use once FinishCopy has checked it.
// Not thread-safe, and used by who uses the file.
class FileCopy {
 public:
  static constexpr int64_t kPartBytes = int64_t{4} << 20;

  // Into the new file `path`. Throws SQLite::Exception, as all of it does. The file outlives the copy.
  FileCopy(RecordFile* file, const std::string& path);

  // Copies the next kPartBytes. Returns how many pages are left.
  int64_t CopyPart();

 private:
  SQLite::Database to_;
  SQLite::Backup backup_;
  const int64_t page_bytes_;
};

// Leaves in a whole copy what is in use, makes it durable, and checks that all of a session is there, with memory of
// `budget`. Otherwise there is no file. Stops by what `interruption` says.
absl::Status FinishCopy(const std::string& path, const Interruption& interruption, MemoryBudget* budget);

}  // namespace backprop::server
