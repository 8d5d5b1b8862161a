// The directory that a store keeps its files in, and what is done with files as wholes.
//
//   lock                  Locked (flock), as the directory is, by the one process that uses it.
//   directory.sqlite      Deletions; deletion_log.h.
//   {id}.session          A session; session_schema.h. SQLite's rollback journal is {id}.session-journal.
//   {id}.running          Empty: the session may have a training run that has not ended.
//   .{id}.new             A session that is not complete yet.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace backprop::server {

// Thread-safe: a thin layer over the file system. Names of files are those in the directory.
class DataDirectory {
 public:
  // Creates the directory (mode 0700), durably, where there is none, and locks it until this is destroyed.
  // FAILED_PRECONDITION, reason DATA_DIRECTORY_IN_USE, when it is locked; errors of SystemError otherwise.
  static absl::StatusOr<std::unique_ptr<DataDirectory>> Open(const std::string& path);
  ~DataDirectory();
  DataDirectory(const DataDirectory&) = delete;
  DataDirectory& operator=(const DataDirectory&) = delete;

  // Absolute.
  const std::string& path() const { return path_; }
  std::string PathOf(const std::string& name) const { return path_ + "/" + name; }
  static std::string SessionFileName(const std::string& id) { return id + ".session"; }
  static std::string JournalFileName(const std::string& id) { return SessionFileName(id) + "-journal"; }
  static std::string MarkerFileName(const std::string& id) { return id + ".running"; }
  static std::string NewFileName(const std::string& id) { return "." + id + ".new"; }

  bool Has(const std::string& name) const;
  // Makes an empty file that survives the loss of power.
  absl::Status CreateMarker(const std::string& name) const;
  // Moves a complete database to a name that is free, and makes that survive the loss of power.
  absl::Status Publish(const std::string& from, const std::string& to) const;
  // Removes those files that are there, in this order. Not yet durable: Sync.
  absl::Status Remove(const std::vector<std::string>& names) const;
  // Makes durable what was created, moved or removed.
  absl::Status Sync() const;

  // In order: ids of sessions, and of those with a marker.
  absl::StatusOr<std::vector<std::string>> SessionIds() const { return IdsOf(".session"); }
  absl::StatusOr<std::vector<std::string>> MarkedIds() const;
  // Puts right what a process left that was killed: removes sessions that were half made or half removed, and makes
  // durable what else it had created, moved or removed, before anybody is told of it.
  absl::Status TakeUp() const;

 private:
  DataDirectory(std::string path, int directory, int lock);
  absl::StatusOr<std::vector<std::string>> Names() const;
  absl::StatusOr<std::vector<std::string>> IdsOf(const std::string& suffix) const;

  const std::string path_;
  const int directory_;  // File descriptors.
  const int lock_;
};

// RESOURCE_EXHAUSTED, reason STORAGE_FULL, unless the disk of `path` has room for so many bytes beside a reserve, 64
// MiB or a sixteenth of the disk: files as wholes must not take what the sessions that are open need.
absl::Status CheckRoom(const std::string& path, int64_t bytes);
// Copies `from` to `to`, a new file, and makes its bytes durable.
absl::Status CopyFile(const std::string& from, const std::string& to);
// Makes the bytes of a file durable.
absl::Status SyncFile(const std::string& path);

}  // namespace backprop::server
