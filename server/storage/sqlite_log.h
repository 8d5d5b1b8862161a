// The log of one session in its SQLite file.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "server/sessions/session_store.h"
#include "server/storage/data_directory.h"
#include "server/storage/file_copy.h"
#include "server/storage/record_file.h"

namespace backprop::server {

// Loads all of a session, with memory of `budget` (null: without a limit), and checks its patterns; errors as in
// SessionStore::Open.
absl::Status CheckSession(RecordFile* file, MemoryBudget* budget);

// Owns the session's file until it is destroyed; the directory outlives it. Not thread-safe.
template <typename Scalar>
class SqliteLog final : public SessionLog<Scalar> {
 public:
  // Of session `id`, of networks `spec`, whose `file` was opened by Mode::kOpen.
  SqliteLog(std::unique_ptr<RecordFile> file, const DataDirectory* directory, std::string id, NetworkSpec spec);

  absl::Status Commit(const SessionChange<Scalar>& change) override;
  absl::Status ReadPatterns(
      const std::function<absl::Status(int64_t pattern_set_key, const Patterns<Scalar>& patterns)>& visit) override;
  absl::Status BeginCopy(const std::string& path) override;
  absl::StatusOr<int64_t> CopyPart() override;
  void EndCopy() override { copy_.reset(); }

 private:
  absl::Status Mark();
  void Unmark();
  // To be called before the file is used. What an earlier call failed with, or fails with to undo its transaction.
  absl::Status Prepare();
  // After an error: undoes the transaction under way, and says what its caller is to know.
  absl::Status Abandon(const absl::Status& error);

  const std::unique_ptr<RecordFile> file_;
  const DataDirectory* const directory_;
  const std::string id_;
  const NetworkSpec spec_;
  std::unique_ptr<FileCopy> copy_;  // Under way, or null.
  bool marked_;                     // There is a file DataDirectory::MarkerFileName.
  bool undone_ = true;              // No transaction is left from an earlier commit.
  absl::Status failure_;            // Of an earlier commit, which every later one fails with.
};

}  // namespace backprop::server
