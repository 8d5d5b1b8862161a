#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace backprop::client {

// The bytes of a file, unpacked when it is gzip-compressed. Errors name the file. One thread.
class ByteSource {
 public:
  // `-` is standard input, which is copied to a temporary file first when it must be rewindable and is not.
  // NOT_FOUND when there is no such file, PERMISSION_DENIED when it cannot be read.
  static absl::StatusOr<ByteSource> Open(const std::string& path, bool rewindable = false);

  // Reads until `bytes` is full or the file ends; the number of bytes read. DATA_LOSS for damaged or truncated gzip,
  // also for what follows a compressed stream and is none.
  absl::StatusOr<size_t> Read(std::span<char> bytes);

  // Back to the first byte.
  absl::Status Rewind();

  // Bytes of the whole file; nothing when it is compressed or not a regular file.
  [[nodiscard]] std::optional<int64_t> PlainSize();

  // For messages.
  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  struct Input;  // The file, what was read of it, and zlib's state.
  struct Delete {
    void operator()(Input* input) const;
  };

  ByteSource(std::string name, int descriptor, std::optional<int64_t> file_size);

  // What the buffer has no more of; 0 at the file's end.
  absl::StatusOr<size_t> Fill();
  // Looks at the first bytes of a file, or of what follows a compressed stream, of which there may be several.
  absl::Status Begin(bool first);
  absl::StatusOr<size_t> Unpack(std::span<char> bytes);
  absl::Status Damaged(const char* what) const;

  std::string name_;
  std::unique_ptr<Input, Delete> input_;
  // As stored; nothing when it is not a regular file.
  std::optional<int64_t> file_size_;
};

}  // namespace backprop::client
