#include "server/storage/transfer_file.h"

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "server/storage/data_directory.h"
#include "server/storage/storage_error.h"

namespace backprop::server {

DirectoryTransferFile::~DirectoryTransferFile() {
  std::error_code ignored;
  std::filesystem::remove(path_, ignored);
}

absl::Status DirectoryTransferFile::Append(const std::string& bytes) {
  if (absl::Status status = CheckRoom(path_, std::ssize(bytes)); !status.ok()) return status;
  if (!out_.is_open()) out_.open(path_, std::ios::binary | std::ios::trunc);
  errno = 0;
  out_.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  out_.flush();
  return out_ ? absl::OkStatus() : SystemError(path_, "it cannot be written", errno);
}

absl::StatusOr<std::string> DirectoryTransferFile::Read(size_t most) {
  if (!in_.is_open()) in_.open(path_, std::ios::binary);
  std::string bytes(most, '\0');
  errno = 0;
  in_.read(bytes.data(), static_cast<std::streamsize>(most));
  if (in_.bad() || !in_.is_open()) return SystemError(path_, "it cannot be read", errno);
  bytes.resize(static_cast<size_t>(in_.gcount()));
  return bytes;
}

}  // namespace backprop::server
