#pragma once

#include <zlib.h>

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

  // Reads until `bytes` is full or the file ends; the number of bytes read. DATA_LOSS for damaged or truncated gzip.
  absl::StatusOr<size_t> Read(std::span<char> bytes);

  // Back to the first byte.
  absl::Status Rewind();

  // Bytes of the whole file; nothing when it is compressed or not a regular file.
  [[nodiscard]] std::optional<int64_t> PlainSize() const;

  // For messages.
  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  struct Close {
    void operator()(gzFile file) const { gzclose(file); }
  };
  using File = std::unique_ptr<gzFile_s, Close>;

  ByteSource(std::string name, File file, std::optional<int64_t> file_size);

  std::string name_;
  File file_;
  // As stored; nothing when it is not a regular file.
  std::optional<int64_t> file_size_;
};

}  // namespace backprop::client
