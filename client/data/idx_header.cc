#include <array>
#include <optional>

#include "absl/strings/str_cat.h"
#include "client/data/array_header.h"

namespace backprop::client {
namespace {

std::optional<ElementType> IdxType(uint8_t code) {
  switch (code) {
    case 0x08:
      return ElementType::kUint8;
    case 0x09:
      return ElementType::kInt8;
    case 0x0B:
      return ElementType::kInt16;
    case 0x0C:
      return ElementType::kInt32;
    case 0x0D:
      return ElementType::kFloat32;
    case 0x0E:
      return ElementType::kFloat64;
    default:
      return std::nullopt;
  }
}

absl::Status ReadExactly(ByteSource& source, std::span<char> bytes) {
  const absl::StatusOr<size_t> count = source.Read(bytes);
  if (!count.ok()) return count.status();
  if (*count == bytes.size()) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(source.name(), ": the file ends inside of its idx header"));
}

}  // namespace

absl::StatusOr<ArrayHeader> ReadIdxHeader(ByteSource& source) {
  std::array<char, 4> magic;
  if (absl::Status status = ReadExactly(source, magic); !status.ok()) return status;
  const std::optional<ElementType> type = IdxType(static_cast<uint8_t>(magic[2]));
  if (magic[0] != 0 || magic[1] != 0 || !type || magic[3] == 0) {
    return absl::InvalidArgumentError(absl::StrCat(source.name(), ": not an idx file (bad magic number)"));
  }
  ArrayHeader header{.type = *type, .big_endian = true, .dimensions = {}};
  for (int i = 0; i < static_cast<uint8_t>(magic[3]); ++i) {
    std::array<char, 4> bytes;
    if (absl::Status status = ReadExactly(source, bytes); !status.ok()) return status;
    int64_t dimension = 0;
    for (const char byte : bytes) dimension = dimension << 8 | static_cast<uint8_t>(byte);
    header.dimensions.push_back(dimension);
  }
  return header;
}

}  // namespace backprop::client
