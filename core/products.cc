#include "core/products.h"

#include <algorithm>

#include "core/product_tile.h"

// A product is made panel by panel: kTileColumns columns of the right operand are copied into one run of memory, and
// all rows of the left operand go past them, kTileRows at a time. It beats a general matrix product here for three
// reasons: the weights, which are large, are read where they are; a part of a product costs only that part; and
// nothing is allocated. bench/README.md has the numbers.

namespace backprop {
namespace {

// Depth of a panel: its 64 KiB stay in the second level of the cache.
constexpr int64_t kPanelDepth = 1024;
// Units whose weighted sums are made in one go, and panels of patterns for which weights are read once.
constexpr int64_t kPanelUnits = 512;
constexpr int64_t kPanels = 2;
// Fewer patterns than this go through the network one by one.
constexpr int64_t kFewPatterns = 4;

// The right operand's columns for one tile's width.
template <typename Scalar>
class Panel {
 public:
  static constexpr int kColumns = kTileColumns<Scalar>;

  // Rows [depth x column_count] that are `stride` apart; what is missing of kColumns counts as 0.
  void CopyRows(const Scalar* from, int64_t stride, int64_t depth, int64_t column_count) {
    using S = Simd<Scalar>;
    Scalar* to = data_;
    for (int64_t k = 0; k < depth; ++k, from += stride, to += kColumns) {
      if (column_count == kColumns) {
        S::Store(to, S::Load(from));
        S::Store(to + S::kLanes, S::Load(from + S::kLanes));
      } else {
        std::copy_n(from, column_count, to);
        std::fill(to + column_count, to + kColumns, Scalar(0));
      }
    }
  }
  // The same from columns that are `stride` apart.
  void CopyColumns(const Scalar* from, int64_t stride, int64_t depth, int64_t column_count) {
    constexpr int kLanes = Simd<Scalar>::kLanes;
    int64_t k = 0;
    if (column_count == kColumns) {
      for (; k + kLanes <= depth; k += kLanes) {
        TransposeTile(from + k, stride, false, data_ + k * kColumns, kColumns);
        TransposeTile(from + k + kLanes * stride, stride, false, data_ + k * kColumns + kLanes, kColumns);
      }
    }
    for (; k < depth; ++k) {
      for (int j = 0; j < kColumns; ++j) data_[k * kColumns + j] = j < column_count ? from[k + j * stride] : Scalar(0);
    }
  }

  // c (+)= a * panel. a [row_count x depth], c [row_count x column_count] with rows `c_stride` apart.
  void Multiply(int64_t row_count, int64_t depth, LeftOperand<Scalar> a, int64_t column_count, bool add, Scalar* c,
                int64_t c_stride) const {
    for (int64_t row = 0; row < row_count; row += kTileRows) {
      const auto rows = static_cast<int>(std::min<int64_t>(kTileRows, row_count - row));
      if (column_count == kColumns) {
        Tile(rows, depth, a, add, c, c_stride);
      } else {
        Scalar tile[kTileRows * kColumns];
        Tile(rows, depth, a, /*add=*/false, tile, kColumns);
        for (int i = 0; i < rows; ++i) {
          for (int64_t j = 0; j < column_count; ++j) {
            c[i * c_stride + j] = tile[i * kColumns + j] + (add ? c[i * c_stride + j] : Scalar(0));
          }
        }
      }
      a.data += kTileRows * a.row_stride;
      c += kTileRows * c_stride;
    }
  }

 private:
  void Tile(int rows, int64_t depth, LeftOperand<Scalar> a, bool add, Scalar* c, int64_t c_stride) const {
    switch (rows) {
      case 1:
        return MultiplyTile<Scalar, 1>(depth, a, data_, add, c, c_stride);
      case 2:
        return MultiplyTile<Scalar, 2>(depth, a, data_, add, c, c_stride);
      case 3:
        return MultiplyTile<Scalar, 3>(depth, a, data_, add, c, c_stride);
      case 4:
        return MultiplyTile<Scalar, 4>(depth, a, data_, add, c, c_stride);
      case 5:
        return MultiplyTile<Scalar, 5>(depth, a, data_, add, c, c_stride);
      default:
        return MultiplyTile<Scalar, 6>(depth, a, data_, add, c, c_stride);
    }
  }

  alignas(64) Scalar data_[kPanelDepth * kColumns];
};

// c (+)= a b, b [depth x column_count] in rows.
template <typename Scalar>
void Multiply(int64_t row_count, int64_t column_count, int64_t depth, const LeftOperand<Scalar>& a, const Scalar* b,
              int64_t b_stride, bool add, Scalar* c, int64_t c_stride) {
  Panel<Scalar> panel;
  for (int64_t k = 0; k < depth; k += kPanelDepth) {
    const int64_t panel_depth = std::min(kPanelDepth, depth - k);
    const LeftOperand<Scalar> part{a.data + k * a.depth_stride, a.row_stride, a.depth_stride};
    for (int64_t j = 0; j < column_count; j += panel.kColumns) {
      const int64_t columns = std::min<int64_t>(panel.kColumns, column_count - j);
      panel.CopyRows(b + k * b_stride + j, b_stride, panel_depth, columns);
      panel.Multiply(row_count, panel_depth, part, columns, add || k > 0, c + j, c_stride);
    }
  }
}

// to(t, i) (+)= from(i, t) for `unit_count` rows of `from`, of which the first `pattern_count` elements are used.
template <typename Scalar>
void TransposeInto(const Scalar* from, int64_t unit_count, int64_t pattern_count, bool add, Scalar* to,
                   int64_t stride) {
  constexpr int kLanes = Simd<Scalar>::kLanes, kColumns = kTileColumns<Scalar>;
  int64_t i = 0;
  if (pattern_count == kColumns) {
    for (; i + kLanes <= unit_count; i += kLanes) {
      TransposeTile(from + i * kColumns, kColumns, add, to + i, stride);
      TransposeTile(from + i * kColumns + kLanes, kColumns, add, to + i + kLanes * stride, stride);
    }
  }
  for (; i < unit_count; ++i) {
    for (int64_t t = 0; t < pattern_count; ++t) {
      to[t * stride + i] = from[i * kColumns + t] + (add ? to[t * stride + i] : Scalar(0));
    }
  }
}

}  // namespace

// Patterns are the panel, so that the weights need no copy.
template <typename Scalar>
void MultiplyForward(const ConstWeights<Scalar>& w, const ConstColumns<Scalar>& h, Into into, Columns<Scalar> s) {
  const bool add = into == Into::kAdd;
  if (h.cols() < kFewPatterns) {
    for (Eigen::Index t = 0; t < h.cols(); ++t) {
      if (!add) s.col(t).setZero();
      s.col(t).noalias() += w * h.col(t);
    }
    return;
  }
  constexpr int64_t kColumns = kTileColumns<Scalar>;
  Panel<Scalar> panels[kPanels];
  alignas(64) Scalar sums[kPanels][kPanelUnits * kColumns];
  for (int64_t t = 0; t < h.cols(); t += kPanels * kColumns) {
    const int64_t pattern_count = std::min<int64_t>(kPanels * kColumns, h.cols() - t);
    const int64_t panel_count = (pattern_count + kColumns - 1) / kColumns;
    const auto patterns_of = [&](int64_t p) { return std::min<int64_t>(kColumns, pattern_count - p * kColumns); };
    for (int64_t i = 0; i < w.rows(); i += kPanelUnits) {
      const int64_t units = std::min<int64_t>(kPanelUnits, w.rows() - i);
      for (int64_t k = 0; k < w.cols(); k += kPanelDepth) {
        const int64_t depth = std::min<int64_t>(kPanelDepth, w.cols() - k);
        for (int64_t p = 0; p < panel_count && (i == 0 || w.cols() > kPanelDepth); ++p) {
          const Scalar* from = h.data() + (t + p * kColumns) * h.outerStride() + k;
          panels[p].CopyColumns(from, h.outerStride(), depth, patterns_of(p));
        }
        for (int64_t row = 0; row < units; row += kTileRows) {
          const LeftOperand<Scalar> weights{w.data() + (i + row) * w.outerStride() + k, w.outerStride(), 1};
          const int64_t rows = std::min<int64_t>(kTileRows, units - row);
          for (int64_t p = 0; p < panel_count; ++p) {
            panels[p].Multiply(rows, depth, weights, kColumns, k > 0, sums[p] + row * kColumns, kColumns);
          }
        }
      }
      for (int64_t p = 0; p < panel_count; ++p) {
        Scalar* to = s.data() + (t + p * kColumns) * s.outerStride() + i;
        TransposeInto(sums[p], units, patterns_of(p), add, to, s.outerStride());
      }
    }
  }
}

template <typename Scalar>
void MultiplyBack(const ConstWeights<Scalar>& w, const ConstColumns<Scalar>& d, Into into, Columns<Scalar> dh) {
  const bool add = into == Into::kAdd;
  if (d.cols() < kFewPatterns) {
    for (Eigen::Index t = 0; t < d.cols(); ++t) {
      if (!add) dh.col(t).setZero();
      dh.col(t).noalias() += w.transpose() * d.col(t);
    }
    return;
  }
  Multiply<Scalar>(d.cols(), w.cols(), w.rows(), {d.data(), d.outerStride(), 1}, w.data(), w.outerStride(), add,
                   dh.data(), dh.outerStride());
}

template <typename Scalar>
void MultiplyOuter(const ConstColumns<Scalar>& d, const ConstColumns<Scalar>& h, Into into, Weights<Scalar> g) {
  const bool add = into == Into::kAdd;
  if (d.cols() < kFewPatterns) {
    if (!add) g.setZero();
    for (Eigen::Index t = 0; t < d.cols(); ++t) g.noalias() += d.col(t) * h.col(t).transpose();
    return;
  }
  Multiply<Scalar>(g.rows(), g.cols(), d.cols(), {d.data(), 1, d.outerStride()}, h.data(), h.outerStride(), add,
                   g.data(), g.outerStride());
}

template void MultiplyForward(const ConstWeights<float>&, const ConstColumns<float>&, Into, Columns<float>);
template void MultiplyForward(const ConstWeights<double>&, const ConstColumns<double>&, Into, Columns<double>);
template void MultiplyBack(const ConstWeights<float>&, const ConstColumns<float>&, Into, Columns<float>);
template void MultiplyBack(const ConstWeights<double>&, const ConstColumns<double>&, Into, Columns<double>);
template void MultiplyOuter(const ConstColumns<float>&, const ConstColumns<float>&, Into, Weights<float>);
template void MultiplyOuter(const ConstColumns<double>&, const ConstColumns<double>&, Into, Weights<double>);

}  // namespace backprop
