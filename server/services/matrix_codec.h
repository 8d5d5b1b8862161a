// Matrices of the wire, row-major, from and to those of the core.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "backprop/v1/matrix.pb.h"
#include "core/error.h"
#include "core/matrix.h"
#include "server/services/matrix_view.h"

namespace backprop::server {

// What a matrix must be. Rows of the wire become columns of the core.
struct MatrixShape {
  std::optional<int64_t> row_count = std::nullopt;  // None: 1 to max_row_count.
  int64_t max_row_count = 0;
  int64_t column_count = 0;
};

// True when `wire` has `shape` and as many elements; they may still be not finite. Violations name `field`.
bool CheckMatrix(const MatrixView& wire, const MatrixShape& shape, const std::string& field, Violations* violations);

// Takes the elements of a matrix that was checked, row by row. Used by one thread at a time.
template <typename Scalar>
class ElementDecoder {
 public:
  // Borrows `wire`.
  explicit ElementDecoder(const MatrixView& wire);
  // Writes the next `count` elements to `to`. False when one of them is not finite in Scalar.
  bool Decode(Scalar* to, int64_t count);

 private:
  // Elements that are converted at a time: what is checked next is in the cache.
  static constexpr int64_t kElementsAtOnce = 4096;

  template <typename Raw>
  void Convert(Scalar* to, int64_t count);
  void Take(char* to, size_t size);

  const ElementBytes::Runs* const runs_;
  const v1::Matrix::RawType type_;
  const double scale_;
  size_t run_ = 0;
  size_t at_ = 0;  // In that run.
};

// Names the row and the column of the first element of `wire` that is not finite in Scalar.
template <typename Scalar>
void AddNotFinite(const MatrixView& wire, const std::string& field, Violations* violations);

// The elements of `wire`, row by row, as a [column_count x row_count] column-major matrix, which is the same bytes.
// Violations name `field`, and the row of an element that is not finite in Scalar. An empty matrix in case of any.
template <typename Scalar>
Matrix<Scalar> DecodeMatrix(const MatrixView& wire, const MatrixShape& shape, const std::string& field,
                            Violations* violations);
template <typename Scalar>
Matrix<Scalar> DecodeMatrix(const v1::Matrix& wire, const MatrixShape& shape, const std::string& field,
                            Violations* violations) {
  return DecodeMatrix<Scalar>(MatrixView(wire), shape, field, violations);
}

// `row_count` x `column_count` elements, row by row, as values (float) or double_values (double).
template <typename Scalar>
void EncodeMatrix(const Scalar* elements, int64_t row_count, int64_t column_count, v1::Matrix* wire);

// False, and a violation of `field`, when `row_count` patterns of so many units would take over kMaxDecodedBytes.
template <typename Scalar>
bool CheckDecodedBytes(int64_t row_count, int64_t unit_count, const std::string& field, Violations* violations);

// A [unit x pattern] matrix as the wire's [pattern x unit].
template <typename Scalar>
void EncodePatternMatrix(const Matrix<Scalar>& matrix, v1::Matrix* wire) {
  EncodeMatrix(matrix.data(), matrix.cols(), matrix.rows(), wire);
}

}  // namespace backprop::server
