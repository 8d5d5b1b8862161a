#include "client/data/byte_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace backprop::client {
namespace {

constexpr unsigned kGzipBufferBytes = 256 << 10;

// A file descriptor of its own to what standard input holds, from which one can go back to the beginning.
absl::StatusOr<int> RewindableStandardInput() {
  if (lseek(STDIN_FILENO, 0, SEEK_CUR) >= 0) return dup(STDIN_FILENO);
  const std::unique_ptr<FILE, int (*)(FILE*)> copy(std::tmpfile(), &std::fclose);
  if (!copy) return absl::ErrnoToStatus(errno, "standard input: cannot make a temporary file");
  std::array<char, 64 << 10> buffer;
  while (true) {
    const ssize_t count = read(STDIN_FILENO, buffer.data(), buffer.size());
    if (count < 0) return absl::ErrnoToStatus(errno, "standard input");
    if (count == 0) break;
    if (std::fwrite(buffer.data(), 1, static_cast<size_t>(count), copy.get()) != static_cast<size_t>(count)) {
      return absl::ErrnoToStatus(errno, "standard input: cannot copy it to a temporary file");
    }
  }
  if (std::fflush(copy.get()) != 0) {
    return absl::ErrnoToStatus(errno, "standard input: cannot copy it to a temporary file");
  }
  const int descriptor = dup(fileno(copy.get()));
  lseek(descriptor, 0, SEEK_SET);
  return descriptor;
}

absl::StatusOr<int> OpenDescriptor(const std::string& path, bool rewindable) {
  if (path == "-") return rewindable ? RewindableStandardInput() : dup(STDIN_FILENO);
  return open(path.c_str(), O_RDONLY | O_CLOEXEC);
}

// zlib begins its messages with what it takes for the path, which is `<fd:3>` here.
absl::string_view WithoutPath(absl::string_view message) {
  const size_t colon = message.find(": ");
  return colon == absl::string_view::npos ? message : message.substr(colon + 2);
}

}  // namespace

ByteSource::ByteSource(std::string name, File file, std::optional<int64_t> file_size)
    : name_(std::move(name)), file_(std::move(file)), file_size_(file_size) {}

absl::StatusOr<ByteSource> ByteSource::Open(const std::string& path, bool rewindable) {
  const std::string name = path == "-" ? "standard input" : path;
  const absl::StatusOr<int> descriptor = OpenDescriptor(path, rewindable);
  if (!descriptor.ok()) return descriptor.status();
  if (*descriptor < 0) return absl::ErrnoToStatus(errno, name);
  struct stat info = {};
  const bool regular = fstat(*descriptor, &info) == 0 && S_ISREG(info.st_mode);
  if (S_ISDIR(info.st_mode)) {
    close(*descriptor);
    return absl::InvalidArgumentError(absl::StrCat(name, ": is a directory"));
  }
  File file(gzdopen(*descriptor, "rb"));
  if (!file) {
    close(*descriptor);
    return absl::ResourceExhaustedError(absl::StrCat(name, ": out of memory"));
  }
  gzbuffer(file.get(), kGzipBufferBytes);
  return ByteSource(name, std::move(file), regular ? std::optional<int64_t>(info.st_size) : std::nullopt);
}

absl::StatusOr<size_t> ByteSource::Read(std::span<char> bytes) {
  size_t filled = 0;
  while (filled < bytes.size()) {
    const size_t wanted = std::min<size_t>(bytes.size() - filled, std::numeric_limits<int>::max());
    const int count = gzread(file_.get(), bytes.data() + filled, static_cast<unsigned>(wanted));
    int error = Z_OK;
    const char* message = gzerror(file_.get(), &error);
    if (error == Z_ERRNO) return absl::ErrnoToStatus(errno, name_);
    // Z_BUF_ERROR: the file ended inside of a compressed stream.
    if (error == Z_BUF_ERROR) return absl::DataLossError(absl::StrCat(name_, ": truncated gzip data"));
    if (count < 0) return absl::DataLossError(absl::StrCat(name_, ": damaged gzip data: ", WithoutPath(message)));
    if (count == 0) break;
    filled += static_cast<size_t>(count);
  }
  return filled;
}

absl::Status ByteSource::Rewind() {
  if (gzrewind(file_.get()) != 0) return absl::FailedPreconditionError(absl::StrCat(name_, ": cannot be read twice"));
  return absl::OkStatus();
}

std::optional<int64_t> ByteSource::PlainSize() const {
  // gzdirect looks at the first bytes, which makes it non-const in zlib's eyes only.
  return gzdirect(file_.get()) ? file_size_ : std::nullopt;
}

}  // namespace backprop::client
