#include "client/data/npy_vector.h"

#include <bit>
#include <cerrno>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "client/data/array_file.h"

namespace backprop::client {
namespace {

static_assert(std::endian::native == std::endian::little);

// The data of a .npy file begin at a multiple of this.
constexpr size_t kAlignment = 64;
constexpr int32_t kRowsAtOnce = 1 << 16;

// `shape` as Python writes a tuple.
std::string Header(absl::string_view shape, bool single_precision) {
  std::string dictionary = absl::StrCat("{'descr': '", single_precision ? "<f4" : "<f8",
                                        "', 'fortran_order': False, 'shape': ", shape, ", }");
  constexpr size_t kPrefixBytes = 10;
  const size_t unpadded = kPrefixBytes + dictionary.size() + 1;
  dictionary.append((kAlignment - unpadded % kAlignment) % kAlignment, ' ');
  dictionary.push_back('\n');
  std::string header("\x93NUMPY\x01\x00", 8);
  header.push_back(static_cast<char>(dictionary.size() & 0xFF));
  header.push_back(static_cast<char>(dictionary.size() >> 8));
  return header + dictionary;
}

template <typename T>
void WriteElements(std::ofstream& file, std::span<const double> elements) {
  const std::vector<T> converted(elements.begin(), elements.end());
  file.write(reinterpret_cast<const char*>(converted.data()),
             static_cast<std::streamsize>(converted.size() * sizeof(T)));
}

absl::Status WriteNpy(const std::string& path, absl::string_view shape, std::span<const double> elements,
                      bool single_precision) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << Header(shape, single_precision);
  if (single_precision) {
    WriteElements<float>(file, elements);
  } else {
    WriteElements<double>(file, elements);
  }
  file.close();
  return file ? absl::OkStatus() : absl::ErrnoToStatus(errno == 0 ? EIO : errno, absl::StrCat("cannot write ", path));
}

}  // namespace

absl::Status WriteNpyVector(const std::string& path, std::span<const double> elements, bool single_precision) {
  return WriteNpy(path, absl::StrCat("(", elements.size(), ",)"), elements, single_precision);
}

absl::Status WriteNpyMatrix(const std::string& path, std::span<const double> elements, size_t row_count,
                            bool single_precision) {
  const std::string shape = absl::StrCat("(", row_count, ", ", row_count == 0 ? 0 : elements.size() / row_count, ")");
  return WriteNpy(path, shape, elements, single_precision);
}

absl::StatusOr<std::vector<double>> ReadNpyVectors(const std::string& path, int64_t element_count,
                                                   int64_t max_row_count) {
  absl::StatusOr<ArrayFile> file = ArrayFile::OpenNpy(path);
  if (!file.ok()) return file.status();
  const int64_t row_count = file->row_count();
  const bool vector = file->row_elements() == 1 && row_count == element_count;
  const bool rows = file->row_elements() == element_count && row_count >= 1 && row_count <= max_row_count;
  if (!vector && !rows) {
    const std::string several = absl::StrCat(", or up to ", max_row_count, " rows of as many,");
    return absl::InvalidArgumentError(absl::StrCat(path, ": an array of ", row_count, " x ", file->row_elements(),
                                                   " where a vector of ", element_count, " elements",
                                                   max_row_count > 1 ? several : "", " is needed"));
  }
  if (file->type() != ElementType::kFloat32 && file->type() != ElementType::kFloat64) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": the elements must be f4 or f8"));
  }
  std::vector<double> elements;
  while (static_cast<int64_t>(elements.size()) < row_count * file->row_elements()) {
    const absl::StatusOr<v1::Matrix> rows = file->ReadMatrix(kRowsAtOnce, /*raw_scale=*/1);
    if (!rows.ok()) return rows.status();
    elements.insert(elements.end(), rows->values().begin(), rows->values().end());
    elements.insert(elements.end(), rows->double_values().begin(), rows->double_values().end());
  }
  return elements;
}

}  // namespace backprop::client
