// Which sessions were deleted, and what was answered to that: what is left to keep of a session without a file. It is
// the file directory.sqlite, of the format in session_schema.h.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "server/sessions/session_store.h"
#include "server/storage/data_directory.h"
#include "server/storage/record_file.h"

namespace backprop::server {

// A deletion is a commit here. Removing the files comes behind that, and is made up for when it was cut off: at Open,
// and before the id is used again. Thread-safe.
class DeletionLog {
 public:
  // Finishes deletions that were cut off. `directory` outlives this.
  static absl::StatusOr<std::unique_ptr<DeletionLog>> Open(const DataDirectory* directory, RecordFileOptions options);

  // Deletes the session's files and keeps `answer`, if it is not null; the newest kMaxKeptAnswers deletions are kept.
  absl::Status Delete(const std::string& id, const RequestAnswer* answer);
  // To be called, and to return OK, before the id is used: no file of a session that was deleted is left.
  absl::Status Finish(const std::string& id);
  // Whether the session was deleted, while files may be left.
  bool IsPending(const std::string& id);
  absl::StatusOr<std::optional<RequestAnswer>> Find(const std::string& request_id);

 private:
  struct Deletion {
    std::string id;
    bool pending = false;
    std::optional<RequestAnswer> answer;
    template <typename Archive>
    void serialize(Archive& archive);
  };

  DeletionLog(const DataDirectory* directory, RecordFileOptions options);
  // Leaves so many pages free in the file, and its journal so long, that sessions can be deleted when the disk is full.
  void Reserve() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Opens the file where it is not open.
  absl::Status Load() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Keeps `deletion`; of an error other than STORAGE_FULL it is in doubt until the next Load whether it was kept.
  absl::Status Keep(int64_t number, const Deletion& deletion) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool HasPending(const std::string& id) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Of all ids where `id` is null.
  absl::Status FinishAll(const std::string* id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const DataDirectory* const directory_;
  const RecordFileOptions options_;
  std::mutex mutex_;
  std::unique_ptr<RecordFile> file_ ABSL_GUARDED_BY(mutex_);       // Null: to be opened anew.
  std::map<int64_t, Deletion> deletions_ ABSL_GUARDED_BY(mutex_);  // By number; all that is in the file.
  std::set<std::string> in_doubt_ ABSL_GUARDED_BY(mutex_);         // Ids whose deletion may have been kept.
};

}  // namespace backprop::server
