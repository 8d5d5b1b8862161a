#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backprop/v1/matrix.pb.h"
#include "client/data/byte_source.h"

namespace backprop::client {

// Elements of one row: as many as the widest layer has units.
inline constexpr int64_t kMaxRowElements = 262'144;

enum class ElementType { kUint8, kInt8, kInt16, kInt32, kInt64, kFloat32, kFloat64 };

[[nodiscard]] int64_t SizeOf(ElementType type);
[[nodiscard]] bool IsInteger(ElementType type);

// What the header of a binary array file says.
struct ArrayHeader {
  ElementType type = ElementType::kUint8;
  bool big_endian = false;
  // The first counts the rows; the others are flattened. Not empty.
  std::vector<int64_t> dimensions;
};

// An array stored after a header, row by row. Reads what is asked for and never allocates what a header merely claims.
// Errors name the file. One thread.
class ArrayFile {
 public:
  // .idx as of the MNIST files (http://yann.lecun.com/exdb/mnist), magic number first.
  static absl::StatusOr<ArrayFile> OpenIdx(const std::string& path);
  // NumPy's .npy, versions 1 to 3, in C order.
  static absl::StatusOr<ArrayFile> OpenNpy(const std::string& path);

  [[nodiscard]] int64_t row_count() const { return row_count_; }
  [[nodiscard]] int64_t row_elements() const { return row_elements_; }
  [[nodiscard]] ElementType type() const { return header_.type; }
  [[nodiscard]] const std::string& name() const { return source_.name(); }

  // The next rows, at most `max_row_count`, as a matrix with 0 rows at the end. UINT8 stays raw_values with
  // `raw_scale`; numbers that binary32 holds exactly become values, others double_values. DATA_LOSS when the file ends
  // early or goes on after its last row, INVALID_ARGUMENT for a number that is not finite.
  absl::StatusOr<v1::Matrix> ReadMatrix(int32_t max_row_count, double raw_scale);

  // Of an integer type with one element a row: the next rows' elements.
  absl::StatusOr<std::vector<int64_t>> ReadIntegers(int32_t max_row_count);

 private:
  ArrayFile(ByteSource source, ArrayHeader header, int64_t row_elements);

  static absl::StatusOr<ArrayFile> Make(ByteSource source, ArrayHeader header);

  // Little-endian bytes of the next rows.
  absl::StatusOr<std::string> ReadRows(int32_t max_row_count);
  absl::Status CheckFinite(const v1::Matrix& matrix, int64_t first_row) const;

  ByteSource source_;
  ArrayHeader header_;
  int64_t row_count_;
  int64_t row_elements_;
  int64_t next_row_ = 0;
};

}  // namespace backprop::client
