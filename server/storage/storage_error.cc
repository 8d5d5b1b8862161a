#include "server/storage/storage_error.h"

#include <SQLiteCpp/Exception.h>
#include <sqlite3.h>

#include <cereal/cereal.hpp>
#include <cerrno>
#include <cstring>
#include <new>
#include <stdexcept>

#include "absl/strings/str_cat.h"
#include "core/error.h"

namespace backprop::server {
namespace {

bool IsOfDescriptors(int error_number) { return error_number == EMFILE || error_number == ENFILE; }

bool IsFull(int error_number) { return error_number == ENOSPC || error_number == EDQUOT; }

absl::Status FullError(const std::string& path) {
  return Error(absl::StatusCode::kResourceExhausted, kStorageFull,
               absl::StrCat("no space is left to write ", path,
                            "; nothing was changed: free some space on its disk, and try again"));
}

absl::Status TooManyFilesError(const std::string& path) {
  return Error(absl::StatusCode::kUnavailable, kStorageFailed,
               absl::StrCat(path,
                            " cannot be opened: the server has as many files and connections open as it may; close "
                            "some, lower --max-open-sessions, or raise the limit of open files (ulimit -n)"));
}

absl::Status FailedError(const std::string& path, absl::string_view what) {
  return Error(absl::StatusCode::kUnavailable, kStorageFailed,
               absl::StrCat(path, " cannot be read or written: ", what,
                            "; check the disk, and the directory's owner and permissions"));
}

// `error_number` is what errno was when it was caught: of a file that cannot be opened there is no connection to ask.
absl::Status FromSqlite(const std::string& path, const SQLite::Exception& exception, sqlite3* connection,
                        int error_number) {
  const int code = exception.getErrorCode() & 0xff;
  const int system_error = connection == nullptr ? 0 : sqlite3_system_errno(connection);
  const bool cannot_write = code == SQLITE_CANTOPEN || exception.getExtendedErrorCode() == SQLITE_IOERR_WRITE;
  if (code == SQLITE_FULL || (cannot_write && IsFull(system_error))) return FullError(path);
  if (code == SQLITE_NOMEM || exception.getExtendedErrorCode() == SQLITE_IOERR_NOMEM) throw std::bad_alloc();
  if (code == SQLITE_CANTOPEN && IsOfDescriptors(error_number)) return TooManyFilesError(path);
  switch (code) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return DamagedError(path, exception.what());
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return FailedError(path, "another program has it open");
    case SQLITE_CANTOPEN:
    case SQLITE_IOERR:
    case SQLITE_PERM:
    case SQLITE_READONLY:
      return FailedError(path, system_error == 0 ? std::string(exception.what())
                                                 : absl::StrCat(exception.what(), ": ", std::strerror(system_error)));
    default:
      // The statements are fixed: what they do not fit is another database than ours.
      return DamagedError(path, exception.what());
  }
}

}  // namespace

absl::Status DamagedError(const std::string& path, absl::string_view what) {
  return Error(absl::StatusCode::kDataLoss, kSessionDamaged,
               absl::StrCat(path, " is damaged and was not used: ", what, "; restore it from a backup, or delete it"));
}

absl::Status SystemError(const std::string& path, absl::string_view what, int error_number) {
  if (IsFull(error_number)) return FullError(path);
  if (IsOfDescriptors(error_number)) return TooManyFilesError(path);
  return FailedError(path, absl::StrCat(what, ": ", std::strerror(error_number)));
}

absl::Status CurrentError(const std::string& path, sqlite3* connection) {
  const int error_number = errno;
  try {
    try {
      throw;
    } catch (const StorageException& exception) {
      return exception.status();
    } catch (const SQLite::Exception& exception) {
      return FromSqlite(path, exception, connection, error_number);
    }
  } catch (const cereal::Exception& exception) {
    return DamagedError(path, exception.what());
  } catch (const std::length_error& exception) {
    return DamagedError(path, exception.what());
  } catch (const std::bad_alloc&) {
    return Error(absl::StatusCode::kResourceExhausted, "MEMORY_LIMIT",
                 absl::StrCat("there is not enough memory to read or write ", path));
  } catch (const std::exception& exception) {
    return FailedError(path, exception.what());
  }
}

}  // namespace backprop::server
