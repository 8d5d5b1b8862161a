#include "server/storage/data_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/error.h"
#include "server/sessions/resource_name.h"
#include "server/storage/storage_error.h"

namespace backprop::server {

namespace fs = std::filesystem;
namespace {

constexpr uintmax_t kReservedBytes = 64 << 20;

// Makes the entries of the directories above `path` last: some may just have been made, by this process or by one that
// was killed, and without them a loss of power takes all that is kept in them. Those that cannot be opened were made by
// somebody else; some file systems have nothing to sync.
absl::Status SyncAncestors(const std::string& path) {
  for (fs::path ancestor = fs::path(path).parent_path();; ancestor = ancestor.parent_path()) {
    const int directory = open(ancestor.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) return absl::OkStatus();
    const int error = fsync(directory) == 0 ? 0 : errno;
    close(directory);
    if (error != 0 && error != EINVAL && error != EROFS) {
      return SystemError(ancestor.string(), "the directory cannot be synced", error);
    }
    if (ancestor == ancestor.root_path()) return absl::OkStatus();
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<DataDirectory>> DataDirectory::Open(const std::string& path) {
  std::error_code error;
  const std::string absolute = fs::absolute(path, error).lexically_normal().string();
  if (error) return SystemError(path, "its path", error.value());
  if (!fs::is_directory(absolute, error)) {
    fs::create_directories(fs::path(absolute).parent_path(), error);
    if (error) return SystemError(absolute, "its parent cannot be made", error.value());
    if (mkdir(absolute.c_str(), 0700) != 0) return SystemError(absolute, "the directory cannot be made", errno);
  }
  const int directory = open(absolute.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return SystemError(absolute, "the directory cannot be opened", errno);
  const int lock = openat(directory, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock < 0) {
    const int reason = errno;
    close(directory);
    return SystemError(absolute, "files cannot be made in it", reason);
  }
  std::unique_ptr<DataDirectory> result(new DataDirectory(absolute, directory, lock));
  // And the directory itself, for the file may be removed; some file systems cannot lock directories.
  const bool directory_in_use = flock(directory, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  if (directory_in_use || flock(lock, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return SystemError(absolute, "it cannot be locked", errno);
    return Error(absl::StatusCode::kFailedPrecondition, "DATA_DIRECTORY_IN_USE",
                 absl::StrCat("another server uses the data directory ", absolute,
                              ": stop that one, or choose another directory"));
  }
  if (absl::Status status = SyncAncestors(absolute); !status.ok()) return status;
  return result;
}

DataDirectory::DataDirectory(std::string path, int directory, int lock)
    : path_(std::move(path)), directory_(directory), lock_(lock) {}

DataDirectory::~DataDirectory() {
  close(lock_);
  close(directory_);
}

bool DataDirectory::Has(const std::string& name) const { return faccessat(directory_, name.c_str(), F_OK, 0) == 0; }

absl::Status DataDirectory::CreateMarker(const std::string& name) const {
  const int file = openat(directory_, name.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) return SystemError(PathOf(name), "it cannot be made", errno);
  close(file);
  return Sync();
}

absl::Status DataDirectory::Publish(const std::string& from, const std::string& to) const {
  // SQLite would take the journal of an older file of the name for this one's, and roll it back.
  const std::string journal = to + "-journal";
  if (Has(journal)) {
    if (absl::Status status = Remove({journal}); !status.ok()) return status;
    if (absl::Status status = Sync(); !status.ok()) return status;
  }
  if (renameat(directory_, from.c_str(), directory_, to.c_str()) != 0) {
    return SystemError(PathOf(to), "it cannot be moved into place", errno);
  }
  return Sync();
}

absl::Status DataDirectory::Remove(const std::vector<std::string>& names) const {
  for (const std::string& name : names) {
    if (unlinkat(directory_, name.c_str(), 0) != 0 && errno != ENOENT) {
      return SystemError(PathOf(name), "it cannot be removed", errno);
    }
  }
  return absl::OkStatus();
}

absl::Status DataDirectory::Sync() const {
  return fsync(directory_) == 0 ? absl::OkStatus() : SystemError(path_, "the directory cannot be synced", errno);
}

absl::StatusOr<std::vector<std::string>> DataDirectory::Names() const {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator i(path_, error), end; !error && i != end; i.increment(error)) {
    names.push_back(i->path().filename().string());
  }
  if (error) return SystemError(path_, "the directory cannot be listed", error.value());
  std::sort(names.begin(), names.end());
  return names;
}

absl::StatusOr<std::vector<std::string>> DataDirectory::IdsOf(const std::string& suffix) const {
  absl::StatusOr<std::vector<std::string>> names = Names();
  if (!names.ok()) return names;
  std::vector<std::string> ids;
  for (const std::string& name : *names) {
    if (!absl::EndsWith(name, suffix)) continue;
    std::string id = name.substr(0, name.size() - suffix.size());
    if (IsValidId(id)) ids.push_back(std::move(id));
  }
  std::sort(ids.begin(), ids.end());  // `a` is before `a-b`, but `a-b.session` before `a.session`.
  return ids;
}

absl::StatusOr<std::vector<std::string>> DataDirectory::MarkedIds() const {
  absl::StatusOr<std::vector<std::string>> ids = IdsOf(".running");
  if (ids.ok()) std::erase_if(*ids, [this](const std::string& id) { return !Has(SessionFileName(id)); });
  return ids;
}

absl::Status DataDirectory::TakeUp() const {
  const absl::StatusOr<std::vector<std::string>> names = Names();
  if (!names.ok()) return names.status();
  const std::set<std::string> all(names->begin(), names->end());
  std::vector<std::string> leftovers;
  for (const std::string& name : *names) {
    const bool orphan =
        (absl::EndsWith(name, ".session-journal") && !all.contains(name.substr(0, name.size() - 8))) ||
        (absl::EndsWith(name, ".running") && !all.contains(name.substr(0, name.size() - 8) + ".session"));
    const bool half_made =
        absl::StartsWith(name, ".") && (absl::EndsWith(name, ".new") || absl::EndsWith(name, ".new-journal"));
    if (orphan || half_made) leftovers.push_back(name);
  }
  if (absl::Status status = Remove(leftovers); !status.ok()) return status;
  return Sync();
}

absl::Status CheckRoom(const std::string& path, int64_t bytes) {
  std::error_code error;
  const fs::space_info space = fs::space(fs::path(path).parent_path(), error);
  if (error) return SystemError(path, "the room on its disk cannot be told", error.value());
  if (space.capacity == 0) return absl::OkStatus();  // The file system does not tell.
  const auto reserve = static_cast<int64_t>(std::min(kReservedBytes, space.capacity / 16));
  if (static_cast<int64_t>(space.available) >= bytes + reserve) return absl::OkStatus();
  return SystemError(path, "room", ENOSPC);
}

absl::Status SyncFile(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return SystemError(path, "it cannot be opened", errno);
  const absl::Status status = fsync(file) == 0 ? absl::OkStatus() : SystemError(path, "it cannot be synced", errno);
  close(file);
  return status;
}

absl::Status CopyFile(const std::string& from, const std::string& to) {
  std::error_code error;
  const auto bytes = static_cast<int64_t>(fs::file_size(from, error));
  if (error) return SystemError(from, "its size", error.value());
  if (absl::Status status = CheckRoom(to, bytes); !status.ok()) return status;
  fs::copy_file(from, to, error);
  if (error) return SystemError(from, absl::StrCat("it cannot be copied to ", to), error.value());
  return SyncFile(to);
}

}  // namespace backprop::server
