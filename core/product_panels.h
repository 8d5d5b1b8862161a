// The right operand of a matrix product, in the order in which tiles read it, and the loops over tiles.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include "core/product_tile.h"

namespace backprop {

// Depth of a panel. Those of one time stay in the second level of the cache.
inline constexpr int64_t kPanelDepth = 1024;
// Columns that become panels at a time.
template <typename Scalar>
inline constexpr int64_t kPanelsColumns = std::max(32, kTileVectors* Simd<Scalar>::kLanes);

// Columns of the right operand, panel by panel. A panel is as wide as a tile may be; the last columns go into narrower
// ones.
template <typename Scalar>
class Panels {
 public:
  // Columns [column_count x depth] that are `stride` apart; what is missing of a panel counts as 0.
  void CopyColumns(const Scalar* from, int64_t stride, int64_t depth, int64_t column_count) {
    SetShape(depth, column_count);
    for (int64_t j = 0; j < column_count; j += ColumnsAt(j)) {
      CopyColumns(from + j * stride, stride, Width(j), ColumnsAt(j), panel(j));
    }
  }

  // Hands `result` the sums of c = a * panels. a [row_count x depth], c [row_count x column_count] with rows `c_stride`
  // apart.
  template <typename Result>
  void Multiply(int64_t row_count, const LeftOperand<Scalar>& a, Result* result, Scalar* c, int64_t c_stride) const {
    for (int64_t j = 0; j < column_count_; j += ColumnsAt(j)) {
      WithVectors(j, [&]<int vectors>() { MultiplyPanel<vectors>(j, 0, row_count, a, result, c + j, c_stride); });
    }
  }

  // The same, when there are rows [depth x column_count] of the right operand that are `stride` apart, which become
  // the panels on the way.
  template <typename Result>
  void CopyRowsAndMultiply(const Scalar* from, int64_t stride, int64_t depth, int64_t column_count, int64_t row_count,
                           const LeftOperand<Scalar>& a, Result* result, Scalar* c, int64_t c_stride) {
    SetShape(depth, column_count);
    for (int64_t j = 0; j < column_count; j += ColumnsAt(j)) {
      WithVectors(j, [&]<int vectors>() {
        constexpr int kRows = TileRows(vectors);
        int64_t first = 0;
        if (Width(j) == ColumnsOf(vectors) && row_count >= kRows) {
          const CopiedRows<Scalar, vectors> rows{from + j, stride, panel(j)};
          MultiplyTile<kRows, vectors>(depth, a, rows, result, c + j, c_stride);
          first = kRows;
        } else {
          CopyRows<ColumnsOf(vectors)>(from + j, stride, Width(j), panel(j));
        }
        MultiplyPanel<vectors>(j, first, row_count, a, result, c + j, c_stride);
      });
    }
  }

 private:
  static constexpr int kLanes = Simd<Scalar>::kLanes;
  static constexpr int ColumnsOf(int vectors) { return vectors * kLanes; }

  void SetShape(int64_t depth, int64_t column_count) {
    depth_ = depth;
    column_count_ = column_count;
  }
  // The panel that begins with column j: its width in vectors, for how many columns it has room, and how many of them
  // there are.
  Scalar* panel(int64_t j) { return data_ + j * depth_; }
  const Scalar* panel(int64_t j) const { return data_ + j * depth_; }
  int VectorsAt(int64_t j) const {
    const int64_t left = column_count_ - j;
    return left >= ColumnsOf(kTileVectors) ? kTileVectors : left > kLanes ? 2 : 1;
  }
  int64_t ColumnsAt(int64_t j) const { return ColumnsOf(VectorsAt(j)); }
  int64_t Width(int64_t j) const { return std::min<int64_t>(ColumnsAt(j), column_count_ - j); }
  // Calls f made for that width.
  template <typename F>
  void WithVectors(int64_t j, const F& f) const {
    const int vectors = VectorsAt(j);
    if (vectors == kTileVectors) return f.template operator()<kTileVectors>();
    vectors == 2 ? f.template operator()<2>() : f.template operator()<1>();
  }

  template <int columns>
  void CopyRows(const Scalar* from, int64_t stride, int64_t width, Scalar* to) {
    for (int64_t k = 0; k < depth_; ++k, from += stride, to += columns) {
      // Most often a number that the compiler knows.
      width == columns ? std::copy_n(from, columns, to) : std::copy_n(from, width, to);
      std::fill(to + width, to + columns, Scalar(0));
    }
  }

  void CopyColumns(const Scalar* from, int64_t stride, int64_t width, int64_t columns, Scalar* to) {
    int64_t k = 0;
    if (width == columns) {
      for (; k + kLanes <= depth_; k += kLanes) {
        for (int64_t j = 0; j < columns; j += kLanes) {
          TransposeTile(from + k + j * stride, stride, false, to + k * columns + j, columns);
        }
      }
    }
    for (; k < depth_; ++k) {
      for (int64_t j = 0; j < columns; ++j) to[k * columns + j] = j < width ? from[k + j * stride] : Scalar(0);
    }
  }

  // The panel of column j; rows [first, row_count) of a and c, which are those of row 0.
  template <int vectors, typename Result>
  void MultiplyPanel(int64_t j, int64_t first, int64_t row_count, const LeftOperand<Scalar>& a, Result* result,
                     Scalar* c, int64_t c_stride) const {
    constexpr int kRows = TileRows(vectors);
    const int64_t width = Width(j);
    for (int64_t row = first; row < row_count; row += kRows) {
      const int rows = static_cast<int>(std::min<int64_t>(kRows, row_count - row));
      Scalar* const to = c + row * c_stride;
      if (width == ColumnsOf(vectors)) {
        Tile<vectors>(rows, a.From(row), panel(j), result, to, c_stride);
        continue;
      }
      Scalar tile[kRows * ColumnsOf(vectors)];
      Assign<Scalar> assign;
      Tile<vectors>(rows, a.From(row), panel(j), &assign, tile, ColumnsOf(vectors));
      for (int i = 0; i < rows; ++i) {
        for (int64_t k = 0; k < width; ++k) (*result)(tile[i * ColumnsOf(vectors) + k], to + i * c_stride + k);
      }
    }
  }

  // The MultiplyTile that was made for so many rows.
  template <int vectors, typename Result>
  void Tile(int rows, const LeftOperand<Scalar>& a, const Scalar* b, Result* result, Scalar* c,
            int64_t c_stride) const {
    const auto multiply = [&]<int... less>(std::integer_sequence<int, less...>) {
      (void)((rows == less + 1 &&
              (MultiplyTile<less + 1, vectors>(depth_, a, PanelRows<Scalar, vectors>{b}, result, c, c_stride), true)) ||
             ...);
    };
    multiply(std::make_integer_sequence<int, TileRows(vectors)>());
  }

  alignas(64) Scalar data_[kPanelDepth * kPanelsColumns<Scalar>];
  int64_t depth_ = 0, column_count_ = 0;
};

}  // namespace backprop
