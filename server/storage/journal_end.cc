#include "server/storage/journal_end.h"

#include <sqlite3.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <system_error>

#include "server/storage/storage_error.h"

namespace backprop::server {
namespace {

constexpr int kHeadBytes = 28;  // Of a journal; SQLite's file format, section 3.

void CheckDone(int result, int error_number, const std::string& journal) {
  if (result == SQLITE_OK) return;
  if (result == SQLITE_FULL) error_number = ENOSPC;
  throw StorageException(
      SystemError(journal, "the end of a commit cannot be synced", error_number == 0 ? EIO : error_number));
}

}  // namespace

void MakeJournalEndLast(const std::string& path, const std::string& vfs) {
  const std::string journal = path + "-journal";
  std::error_code error;
  const uintmax_t size = std::filesystem::file_size(journal, error);
  if (error == std::errc::no_such_file_or_directory || (!error && size == 0)) return;  // No commit has used it.
  CheckDone(error ? SQLITE_IOERR : SQLITE_OK, error.value(), journal);
  sqlite3_vfs* const files = sqlite3_vfs_find(vfs.empty() ? nullptr : vfs.c_str());
  const auto memory = std::make_unique<std::max_align_t[]>(
      (static_cast<size_t>(files->szOsFile) + sizeof(std::max_align_t) - 1) / sizeof(std::max_align_t));
  auto* const file = reinterpret_cast<sqlite3_file*>(memory.get());
  errno = 0;
  int result = files->xOpen(files, journal.c_str(), file, SQLITE_OPEN_READWRITE | SQLITE_OPEN_MAIN_JOURNAL, nullptr);
  CheckDone(result, errno, journal);
  const std::array<char, kHeadBytes> zeros = {};
  result = file->pMethods->xWrite(file, zeros.data(), kHeadBytes, 0);
  if (result == SQLITE_OK) result = file->pMethods->xSync(file, SQLITE_SYNC_FULL);
  const int error_number = errno;
  file->pMethods->xClose(file);
  CheckDone(result, error_number, journal);
}

}  // namespace backprop::server
