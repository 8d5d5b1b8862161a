#include "server/storage/session_schema.h"

#include <optional>
#include <string>

#include "server/storage/record_file.h"

namespace backprop::server {
namespace {

void CreateTables(RecordFile* file) {
  // Without rowid: the head and what changes with it stand on one page of a small session.
  file->Execute(
      "CREATE TABLE record (kind INTEGER NOT NULL, key INTEGER NOT NULL, data BLOB NOT NULL,"
      " checksum INTEGER NOT NULL, PRIMARY KEY (kind, key)) STRICT, WITHOUT ROWID");
  // With rowid: small batches stand in the leaves, one behind the other.
  file->Execute(
      "CREATE TABLE patterns (key INTEGER PRIMARY KEY, data BLOB NOT NULL, checksum INTEGER NOT NULL) STRICT");
}

// Format 2: the numbers of a checkpoint end with two more of the optimizer's, 0 for those that there were.
void AddOptimizerNumbers(RecordFile* file) {
  std::optional<std::string> numbers = file->Get(RecordKind::kCheckpoint, 0);
  if (!numbers) return;
  numbers->append(2 * sizeof(double), '\0');
  file->Put(RecordKind::kCheckpoint, 0, *numbers);
}

}  // namespace

const Migrations& SessionMigrations() {
  static const Migrations* const migrations = new Migrations{CreateTables, AddOptimizerNumbers};
  return *migrations;
}

}  // namespace backprop::server
