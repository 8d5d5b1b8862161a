#include "client/data/array_file.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/data/array_header.h"

namespace backprop::client {
namespace {

// Elements are copied as they lie in memory.
static_assert(std::endian::native == std::endian::little);

// Calls visit(element) for each T in `bytes`.
template <typename T, typename Visit>
void ForEach(const std::string& bytes, Visit visit) {
  for (size_t at = 0; at < bytes.size(); at += sizeof(T)) {
    T element;
    std::memcpy(&element, bytes.data() + at, sizeof(T));
    visit(element);
  }
}

template <typename Visit>
void ForEachElement(ElementType type, const std::string& bytes, Visit visit) {
  switch (type) {
    case ElementType::kUint8:
      return ForEach<uint8_t>(bytes, visit);
    case ElementType::kInt8:
      return ForEach<int8_t>(bytes, visit);
    case ElementType::kInt16:
      return ForEach<int16_t>(bytes, visit);
    case ElementType::kInt32:
      return ForEach<int32_t>(bytes, visit);
    case ElementType::kInt64:
      return ForEach<int64_t>(bytes, visit);
    case ElementType::kFloat32:
      return ForEach<float>(bytes, visit);
    case ElementType::kFloat64:
      return ForEach<double>(bytes, visit);
  }
}

bool FitsFloat(ElementType type) { return type == ElementType::kFloat32 || SizeOf(type) <= 2; }

}  // namespace

int64_t SizeOf(ElementType type) {
  switch (type) {
    case ElementType::kUint8:
    case ElementType::kInt8:
      return 1;
    case ElementType::kInt16:
      return 2;
    case ElementType::kInt32:
    case ElementType::kFloat32:
      return 4;
    case ElementType::kInt64:
    case ElementType::kFloat64:
      return 8;
  }
  return 0;
}

bool IsInteger(ElementType type) { return type != ElementType::kFloat32 && type != ElementType::kFloat64; }

ArrayFile::ArrayFile(ByteSource source, ArrayHeader header, int64_t row_elements)
    : source_(std::move(source)),
      header_(std::move(header)),
      row_count_(header_.dimensions.front()),
      row_elements_(row_elements) {}

absl::StatusOr<ArrayFile> ArrayFile::OpenIdx(const std::string& path) {
  absl::StatusOr<ByteSource> source = ByteSource::Open(path);
  if (!source.ok()) return source.status();
  absl::StatusOr<ArrayHeader> header = ReadIdxHeader(*source);
  if (!header.ok()) return header.status();
  return Make(*std::move(source), *std::move(header));
}

absl::StatusOr<ArrayFile> ArrayFile::OpenNpy(const std::string& path) {
  absl::StatusOr<ByteSource> source = ByteSource::Open(path);
  if (!source.ok()) return source.status();
  absl::StatusOr<ArrayHeader> header = ReadNpyHeader(*source);
  if (!header.ok()) return header.status();
  return Make(*std::move(source), *std::move(header));
}

absl::StatusOr<ArrayFile> ArrayFile::Make(ByteSource source, ArrayHeader header) {
  int64_t row_elements = 1;
  for (size_t i = 1; i < header.dimensions.size(); ++i) {
    const int64_t dimension = header.dimensions[i];
    if (dimension < 1 || dimension > kMaxRowElements / row_elements) {
      return absl::InvalidArgumentError(
          absl::StrCat(source.name(), ": a pattern must have 1 to ", kMaxRowElements, " elements"));
    }
    row_elements *= dimension;
  }
  const int64_t row_count = header.dimensions.front();
  if (row_count == 0) return absl::InvalidArgumentError(absl::StrCat(source.name(), ": the file holds no patterns"));
  const int64_t row_bytes = row_elements * SizeOf(header.type);
  if (const std::optional<int64_t> size = source.PlainSize(); size && row_count > *size / row_bytes) {
    return absl::DataLossError(absl::StrCat(source.name(), ": the header claims ", row_count, " patterns of ",
                                            row_bytes, " bytes, but the file has only ", *size, " bytes"));
  }
  return ArrayFile(std::move(source), std::move(header), row_elements);
}

absl::StatusOr<std::string> ArrayFile::ReadRows(int32_t max_row_count) {
  const int64_t wanted = std::min<int64_t>(max_row_count, row_count_ - next_row_);
  const int64_t row_bytes = row_elements_ * SizeOf(header_.type);
  std::string bytes(static_cast<size_t>(wanted * row_bytes), '\0');
  const absl::StatusOr<size_t> count = source_.Read(bytes);
  if (!count.ok()) return count.status();
  if (*count < bytes.size()) {
    return absl::DataLossError(absl::StrCat(source_.name(), ": the file ends after ",
                                            next_row_ + static_cast<int64_t>(*count) / row_bytes, " of ", row_count_,
                                            " patterns"));
  }
  next_row_ += wanted;
  if (wanted > 0 && next_row_ == row_count_) {
    char more = 0;
    const absl::StatusOr<size_t> rest = source_.Read({&more, 1});
    if (!rest.ok()) return rest.status();
    if (*rest > 0)
      return absl::DataLossError(absl::StrCat(source_.name(), ": the file goes on after its last pattern"));
  }
  if (header_.big_endian) {
    const auto size = SizeOf(header_.type);
    for (auto at = bytes.begin(); at != bytes.end(); at += size) std::reverse(at, at + size);
  }
  return bytes;
}

absl::StatusOr<v1::Matrix> ArrayFile::ReadMatrix(int32_t max_row_count, double raw_scale) {
  const int64_t first_row = next_row_;
  absl::StatusOr<std::string> bytes = ReadRows(max_row_count);
  if (!bytes.ok()) return bytes.status();
  v1::Matrix matrix;
  matrix.set_row_count(static_cast<int32_t>(next_row_ - first_row));
  matrix.set_column_count(static_cast<int32_t>(row_elements_));
  const int element_count = static_cast<int>(bytes->size() / static_cast<size_t>(SizeOf(header_.type)));
  if (header_.type == ElementType::kUint8) {
    matrix.set_raw_values(*std::move(bytes));
    matrix.set_raw_type(v1::Matrix::RAW_TYPE_UINT8);
    if (raw_scale != 1) matrix.set_raw_scale(raw_scale);
  } else if (FitsFloat(header_.type)) {
    matrix.mutable_values()->Reserve(element_count);
    ForEachElement(header_.type, *bytes, [&](auto element) { matrix.add_values(static_cast<float>(element)); });
  } else {
    matrix.mutable_double_values()->Reserve(element_count);
    ForEachElement(header_.type, *bytes, [&](auto element) { matrix.add_double_values(static_cast<double>(element)); });
  }
  if (absl::Status status = CheckFinite(matrix, first_row); !status.ok()) return status;
  return matrix;
}

absl::Status ArrayFile::CheckFinite(const v1::Matrix& matrix, int64_t first_row) const {
  const auto check = [&](const auto& elements) {
    const auto bad = std::find_if(elements.begin(), elements.end(), [](auto x) { return !std::isfinite(x); });
    if (bad == elements.end()) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat(source_.name(), ", pattern ",
                                                   first_row + (bad - elements.begin()) / row_elements_,
                                                   " (counted from 0): a number is not finite"));
  };
  const absl::Status status = check(matrix.values());
  return status.ok() ? check(matrix.double_values()) : status;
}

absl::StatusOr<std::vector<int64_t>> ArrayFile::ReadIntegers(int32_t max_row_count) {
  const absl::StatusOr<std::string> bytes = ReadRows(max_row_count);
  if (!bytes.ok()) return bytes.status();
  std::vector<int64_t> integers;
  ForEachElement(header_.type, *bytes, [&](auto element) { integers.push_back(static_cast<int64_t>(element)); });
  return integers;
}

}  // namespace backprop::client
