// The store of `backpropd --data-dir`: every session in a SQLite file of its own, in one directory.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "server/sessions/session_store.h"
#include "server/storage/data_directory.h"
#include "server/storage/deletion_log.h"
#include "server/storage/file_copy.h"
#include "server/storage/record_file.h"

namespace backprop::server {

struct SqliteStoreOptions {
  std::string vfs = {};                    // SQLite's name of a file system; empty: the default.
  const Migrations* migrations = nullptr;  // Of session files; null: SessionMigrations().
  MemoryBudget* budget = nullptr;          // Of what is read, outlives the store; null: without a limit.
  Interruption interruption = [] { return absl::OkStatus(); };  // Of opening and importing a session. Thread-safe.
};

// Beside the errors of SessionStore all calls fail with RESOURCE_EXHAUSTED, reason STORAGE_FULL, where there is no room
// on the disk, and UNAVAILABLE, reason STORAGE_FAILED, where it cannot be read or written. Logs must not outlive the
// store. Thread-safe, as SessionStore says.
class SqliteStore final : public SessionStore {
 public:
  // Creates the directory where there is none, finishes what a process that was killed left undone, and keeps other
  // processes out. FAILED_PRECONDITION, reason DATA_DIRECTORY_IN_USE, when another store has it.
  static absl::StatusOr<std::unique_ptr<SqliteStore>> OpenDirectory(const std::string& directory,
                                                                    const SqliteStoreOptions& options = {});

  absl::StatusOr<std::unique_ptr<SessionLog<float>>> Create(const std::string& id,
                                                            const SessionChange<float>& first) override;
  absl::StatusOr<std::unique_ptr<SessionLog<double>>> Create(const std::string& id,
                                                             const SessionChange<double>& first) override;
  absl::StatusOr<AnyOpenedSession> Open(const std::string& id) override;
  absl::StatusOr<SessionState> Describe(const std::string& id) override;
  absl::Status Delete(const std::string& id, const RequestAnswer* answer) override;
  absl::StatusOr<std::optional<RequestAnswer>> FindDeletion(const std::string& request_id) override;
  absl::Status FinishCopy(const std::string& path, const StopCheck& given_up) override;
  absl::Status Import(const std::string& path, const std::string& id) override;
  absl::StatusOr<std::unique_ptr<TransferFile>> NewTransfer() override;
  bool durable() const override { return true; }
  absl::StatusOr<std::vector<std::string>> List() override;
  absl::StatusOr<std::vector<std::string>> ListUnfinished() override;

 private:
  SqliteStore(std::unique_ptr<DataDirectory> directory, std::unique_ptr<DeletionLog> deletions, MemoryBudget* budget,
              RecordFileOptions options);

  template <typename Scalar>
  absl::StatusOr<std::unique_ptr<SessionLog<Scalar>>> CreateTyped(const std::string& id,
                                                                  const SessionChange<Scalar>& first);
  template <typename Scalar>
  absl::StatusOr<AnyOpenedSession> OpenTyped(std::unique_ptr<RecordFile> file, const SessionDescription& description);
  // Makes sure that no file of the id is left, or returns ALREADY_EXISTS.
  absl::Status PrepareNew(const std::string& id);
  // Moves the new file of the id into place. Where that or what went before failed, by `status`, nothing is left.
  absl::Status FinishNew(const std::string& id, bool unfinished_run, absl::Status status);
  // Without those whose deletion is not finished.
  absl::StatusOr<std::vector<std::string>> Present(absl::StatusOr<std::vector<std::string>> ids) const;
  std::unique_ptr<RecordFile> OpenFile(const std::string& id, RecordFile::Mode mode) const;

  const std::unique_ptr<DataDirectory> directory_;
  const std::unique_ptr<DeletionLog> deletions_;
  MemoryBudget* const budget_;
  const RecordFileOptions options_;
  std::atomic<int64_t> transfer_count_ = 0;
};

}  // namespace backprop::server
