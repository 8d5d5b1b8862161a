// Matrices of the wire, row-major, from and to those of the core.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "backprop/v1/matrix.pb.h"
#include "core/error.h"
#include "core/matrix.h"

namespace backprop::server {

// What a matrix must be. Rows of the wire become columns of the core.
struct MatrixShape {
  std::optional<int64_t> row_count = std::nullopt;  // None: 1 to max_row_count.
  int64_t max_row_count = 0;
  int64_t column_count = 0;
};

// The elements of `wire`, row by row, as a [column_count x row_count] column-major matrix, which is the same bytes.
// Violations name `field`, and the row of an element that is not finite in Scalar. An empty matrix in case of any.
template <typename Scalar>
Matrix<Scalar> DecodeMatrix(const v1::Matrix& wire, const MatrixShape& shape, const std::string& field,
                            Violations* violations);

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
