// A copy of a file that is in use, made part by part.
#pragma once

#include <SQLiteCpp/Backup.h>
#include <SQLiteCpp/Database.h>

#include <string>

#include "server/storage/record_file.h"

namespace backprop::server {

// Between parts the file may change by commits of its connection: what was copied before changes with it (SQLite's
// online backup), and behind the last part the copy is the file of that moment. Of use once FinishCopy has checked it.
// Not thread-safe, and used by who uses the file.
class FileCopy {
 public:
  static constexpr int kPartPages = 256;  // 4 MiB.

  // Into the new file `path`. Throws SQLite::Exception, as all of it does. The file outlives the copy.
  FileCopy(RecordFile* file, const std::string& path);

  // Copies the next part; true when nothing is left. What the file had in the beginning goes by parts of kPartPages,
  // and the rest at once, so that it comes to an end however fast the file grows.
  bool CopyPart();

 private:
  SQLite::Database to_;
  SQLite::Backup backup_;
  int part_count_ = 0;
};

// Leaves in a whole copy what is in use, makes it durable, and checks that all of a session is there. Otherwise there
// is no file.
absl::Status FinishCopy(const std::string& path);

}  // namespace backprop::server
