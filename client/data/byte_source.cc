#include "client/data/byte_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"

namespace backprop::client {
namespace {

constexpr size_t kBufferBytes = 256 << 10;
// RFC 1952.
constexpr unsigned char kGzipMagic[] = {0x1f, 0x8b};
constexpr int kGzipWindowBits = 15 + 16;  // zlib's largest window, and gzip's frame around it.

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

}  // namespace

struct ByteSource::Input {
  explicit Input(int descriptor) : descriptor(descriptor) {}
  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;
  ~Input() {
    if (unpacking) inflateEnd(&stream);
    close(descriptor);
  }

  // How the bytes that come are to be taken.
  enum class Kind { kUnknown, kPlain, kCompressed };

  const int descriptor;
  Kind kind = Kind::kUnknown;
  bool unpacking = false;  // `stream` is to be ended.
  bool within = false;     // A compressed stream has begun and not ended.
  z_stream stream = {};    // next_in and avail_in are what is left in the buffer, whatever the kind.
  std::array<char, kBufferBytes> buffer;
};

void ByteSource::Delete::operator()(Input* input) const { delete input; }

ByteSource::ByteSource(std::string name, int descriptor, std::optional<int64_t> file_size)
    : name_(std::move(name)), input_(new Input(descriptor)), file_size_(file_size) {}

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
  return ByteSource(name, *descriptor, regular ? std::optional<int64_t>(info.st_size) : std::nullopt);
}

absl::StatusOr<size_t> ByteSource::Fill() {
  z_stream& stream = input_->stream;
  // What is left stays in front.
  if (stream.avail_in > 0) std::memmove(input_->buffer.data(), stream.next_in, stream.avail_in);
  stream.next_in = reinterpret_cast<Bytef*>(input_->buffer.data());
  while (true) {
    const ssize_t count =
        read(input_->descriptor, input_->buffer.data() + stream.avail_in, input_->buffer.size() - stream.avail_in);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return absl::ErrnoToStatus(errno, name_);
    stream.avail_in += static_cast<uInt>(count);
    return static_cast<size_t>(count);
  }
}

absl::Status ByteSource::Begin(bool first) {
  z_stream& stream = input_->stream;
  while (stream.avail_in < 2) {
    const absl::StatusOr<size_t> count = Fill();
    if (!count.ok()) return count.status();
    if (*count == 0) break;
  }
  if (stream.avail_in == 0 && !first) return absl::OkStatus();  // The end.
  const bool compressed =
      stream.avail_in >= 2 && stream.next_in[0] == kGzipMagic[0] && stream.next_in[1] == kGzipMagic[1];
  if (!compressed) {
    if (!first) return Damaged("what follows the compressed data is not compressed");
    input_->kind = Input::Kind::kPlain;
    return absl::OkStatus();
  }
  input_->kind = Input::Kind::kCompressed;
  const int result = input_->unpacking ? inflateReset(&stream) : inflateInit2(&stream, kGzipWindowBits);
  if (result != Z_OK) return absl::ResourceExhaustedError(absl::StrCat(name_, ": out of memory"));
  input_->unpacking = input_->within = true;
  return absl::OkStatus();
}

absl::StatusOr<size_t> ByteSource::Read(std::span<char> bytes) {
  if (input_->kind == Input::Kind::kUnknown) {
    if (absl::Status status = Begin(/*first=*/true); !status.ok()) return status;
  }
  if (input_->kind == Input::Kind::kCompressed) return Unpack(bytes);
  size_t filled = 0;
  while (filled < bytes.size()) {
    z_stream& stream = input_->stream;
    if (stream.avail_in == 0) {
      const absl::StatusOr<size_t> count = Fill();
      if (!count.ok()) return count.status();
      if (*count == 0) break;
    }
    const size_t count = std::min<size_t>(bytes.size() - filled, stream.avail_in);
    std::memcpy(bytes.data() + filled, stream.next_in, count);
    stream.next_in += count;
    stream.avail_in -= static_cast<uInt>(count);
    filled += count;
  }
  return filled;
}

absl::StatusOr<size_t> ByteSource::Unpack(std::span<char> bytes) {
  z_stream& stream = input_->stream;
  size_t filled = 0;
  while (filled < bytes.size() && input_->within) {
    if (stream.avail_in == 0) {
      const absl::StatusOr<size_t> count = Fill();
      if (!count.ok()) return count.status();
      if (*count == 0) return absl::DataLossError(absl::StrCat(name_, ": truncated gzip data"));
    }
    const size_t wanted = std::min<size_t>(bytes.size() - filled, std::numeric_limits<int>::max());
    stream.next_out = reinterpret_cast<Bytef*>(bytes.data() + filled);
    stream.avail_out = static_cast<uInt>(wanted);
    const int result = inflate(&stream, Z_NO_FLUSH);
    filled += wanted - stream.avail_out;
    if (result == Z_MEM_ERROR) return absl::ResourceExhaustedError(absl::StrCat(name_, ": out of memory"));
    if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) {
      return Damaged(stream.msg == nullptr ? "not gzip" : stream.msg);
    }
    if (result != Z_STREAM_END) continue;
    input_->within = false;
    if (absl::Status status = Begin(/*first=*/false); !status.ok()) return status;
  }
  return filled;
}

absl::Status ByteSource::Damaged(const char* what) const {
  return absl::DataLossError(absl::StrCat(name_, ": damaged gzip data: ", what));
}

absl::Status ByteSource::Rewind() {
  if (lseek(input_->descriptor, 0, SEEK_SET) != 0) {
    return absl::FailedPreconditionError(absl::StrCat(name_, ": cannot be read twice"));
  }
  input_->stream.avail_in = 0;
  input_->kind = Input::Kind::kUnknown;
  input_->within = false;
  return absl::OkStatus();
}

std::optional<int64_t> ByteSource::PlainSize() {
  if (input_->kind == Input::Kind::kUnknown && !Begin(/*first=*/true).ok()) return std::nullopt;
  return input_->kind == Input::Kind::kPlain ? file_size_ : std::nullopt;
}

}  // namespace backprop::client
