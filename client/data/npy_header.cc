#include <array>
#include <map>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "client/data/array_header.h"

namespace backprop::client {
namespace {

// NumPy writes 118 bytes or so for a plain array; its own reader stops at 10,000.
constexpr size_t kMaxHeaderBytes = 10'000;

absl::Status Bad(const ByteSource& source, absl::string_view problem) {
  return absl::InvalidArgumentError(absl::StrCat(source.name(), ": ", problem));
}

absl::StatusOr<std::string> ReadExactly(ByteSource& source, size_t byte_count) {
  std::string bytes(byte_count, '\0');
  const absl::StatusOr<size_t> count = source.Read(bytes);
  if (!count.ok()) return count.status();
  if (*count == byte_count) return bytes;
  return absl::DataLossError(absl::StrCat(source.name(), ": the file ends inside of its npy header"));
}

// The dictionary's text, after the magic string, the version and its length.
absl::StatusOr<std::string> ReadDictionary(ByteSource& source) {
  absl::StatusOr<std::string> start = ReadExactly(source, 8);
  if (!start.ok()) return start.status();
  const int version = (*start)[6];
  if (!absl::StartsWith(*start, "\x93NUMPY")) return Bad(source, "not an npy file (bad magic string)");
  if (version < 1 || version > 3) return Bad(source, absl::StrCat("npy version ", version, " is not known"));
  const absl::StatusOr<std::string> length = ReadExactly(source, version == 1 ? 2 : 4);
  if (!length.ok()) return length.status();
  size_t byte_count = 0;
  for (size_t i = length->size(); i-- > 0;) byte_count = byte_count << 8 | static_cast<uint8_t>((*length)[i]);
  if (byte_count > kMaxHeaderBytes) {
    return Bad(source, absl::StrCat("npy header of ", byte_count, " bytes; at most ", kMaxHeaderBytes));
  }
  return ReadExactly(source, byte_count);
}

// What follows `key` and its colon in the dictionary; empty when it is not there.
absl::string_view ValueOf(absl::string_view dictionary, absl::string_view key) {
  const size_t at = dictionary.find(absl::StrCat("'", key, "'"));
  if (at == absl::string_view::npos) return {};
  absl::string_view rest = absl::StripLeadingAsciiWhitespace(dictionary.substr(at + key.size() + 2));
  return absl::ConsumePrefix(&rest, ":") ? absl::StripLeadingAsciiWhitespace(rest) : absl::string_view();
}

absl::Status ReadType(const ByteSource& source, absl::string_view value, ArrayHeader* header) {
  static const auto& types = *new std::map<std::string, ElementType>{
      {"u1", ElementType::kUint8},   {"b1", ElementType::kUint8},   {"i1", ElementType::kInt8},
      {"i2", ElementType::kInt16},   {"i4", ElementType::kInt32},   {"i8", ElementType::kInt64},
      {"f4", ElementType::kFloat32}, {"f8", ElementType::kFloat64},
  };
  const std::vector<std::string> quoted = absl::StrSplit(value, absl::MaxSplits('\'', 2));
  const std::string descr = quoted.size() == 3 && quoted[0].empty() ? quoted[1] : std::string(value.substr(0, 40));
  const auto found = descr.empty() ? types.end() : types.find(descr.substr(1));
  if (found == types.end() || (descr[0] != '<' && descr[0] != '>' && descr[0] != '|')) {
    return Bad(source, absl::StrCat("elements of type ", descr, " are not read; u1, i1, i2, i4, i8, f4, f8 are"));
  }
  header->type = found->second;
  header->big_endian = descr[0] == '>';
  return absl::OkStatus();
}

absl::Status ReadShape(const ByteSource& source, absl::string_view value, ArrayHeader* header) {
  const size_t end = value.find(')');
  if (!absl::ConsumePrefix(&value, "(") || end == absl::string_view::npos) {
    return Bad(source, "npy header without a shape");
  }
  for (const absl::string_view part : absl::StrSplit(value.substr(0, end - 1), ',')) {
    const absl::string_view digits = absl::StripAsciiWhitespace(part);
    int64_t dimension = 0;
    // (3,) ends in an empty part.
    if (digits.empty()) continue;
    if (!absl::SimpleAtoi(digits, &dimension) || dimension < 0) return Bad(source, "npy header with a damaged shape");
    header->dimensions.push_back(dimension);
  }
  return header->dimensions.empty() ? Bad(source, "an array without dimensions holds no patterns") : absl::OkStatus();
}

}  // namespace

absl::StatusOr<ArrayHeader> ReadNpyHeader(ByteSource& source) {
  const absl::StatusOr<std::string> dictionary = ReadDictionary(source);
  if (!dictionary.ok()) return dictionary.status();
  ArrayHeader header;
  if (absl::Status status = ReadType(source, ValueOf(*dictionary, "descr"), &header); !status.ok()) return status;
  if (absl::Status status = ReadShape(source, ValueOf(*dictionary, "shape"), &header); !status.ok()) return status;
  const absl::string_view order = ValueOf(*dictionary, "fortran_order");
  if (absl::StartsWith(order, "True") && header.dimensions.size() > 1) {
    return Bad(source, "the array is in Fortran order; save it with numpy.ascontiguousarray");
  }
  if (!absl::StartsWith(order, "True") && !absl::StartsWith(order, "False")) {
    return Bad(source, "npy header without fortran_order");
  }
  return header;
}

}  // namespace backprop::client
