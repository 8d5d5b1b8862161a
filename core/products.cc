#include "core/products.h"

#include <algorithm>

#include "core/product_panels.h"

// A product is made panel by panel: as many columns of the right operand as a tile has are copied into one run of
// memory, and all rows of the left operand go past a few of them, a tile at a time. It beats a general matrix
// product here for three reasons: the weights, which are large, are read where they are; a part of a product costs only
// that part; and nothing is allocated. bench/README.md has the numbers.

namespace backprop {
namespace {

static_assert(kMaxProductPatterns <= kPanelDepth, "AscendOuter has a product's sums at once");

// Units whose weighted sums are made in one go.
constexpr int64_t kPanelUnits = 512;

// Hands `result` the sums of c = a b, of a depth of at most kPanelDepth; b [depth x column_count] in rows.
template <typename Scalar, typename Result>
void Multiply(int64_t row_count, int64_t column_count, int64_t depth, const LeftOperand<Scalar>& a, const Scalar* b,
              int64_t b_stride, Result* result, Scalar* c, int64_t c_stride) {
  Panels<Scalar> panels;
  for (int64_t j = 0; j < column_count; j += kPanelsColumns<Scalar>) {
    const int64_t columns = std::min(kPanelsColumns<Scalar>, column_count - j);
    panels.CopyRowsAndMultiply(b + j, b_stride, depth, columns, row_count, a, result, c + j, c_stride);
  }
}

// c = a b, or with `add` c += a b, of any depth.
template <typename Scalar>
void Multiply(int64_t row_count, int64_t column_count, int64_t depth, LeftOperand<Scalar> a, const Scalar* b,
              int64_t b_stride, bool add, Scalar* c, int64_t c_stride) {
  Assign<Scalar> assign;
  Add<Scalar> to_sum;
  for (int64_t k = 0; k < depth; k += kPanelDepth) {
    const int64_t part = std::min(kPanelDepth, depth - k);
    if (add || k > 0) {
      Multiply(row_count, column_count, part, a, b, b_stride, &to_sum, c, c_stride);
    } else {
      Multiply(row_count, column_count, part, a, b, b_stride, &assign, c, c_stride);
    }
    a.data += part * a.depth_stride;
    b += part * b_stride;
  }
}

// to(t, i) (+)= from(i, t) for `unit_count` rows of `from`, kPanelsColumns<Scalar> apart, of which the first
// `pattern_count` elements are used.
template <typename Scalar>
void TransposeInto(const Scalar* from, int64_t unit_count, int64_t pattern_count, bool add, Scalar* to,
                   int64_t stride) {
  constexpr int kLanes = Simd<Scalar>::kLanes;
  int64_t i = 0;
  for (; i + kLanes <= unit_count && pattern_count % kLanes == 0; i += kLanes) {
    for (int64_t t = 0; t < pattern_count; t += kLanes) {
      TransposeTile(from + i * kPanelsColumns<Scalar> + t, kPanelsColumns<Scalar>, add, to + t * stride + i, stride);
    }
  }
  for (; i < unit_count; ++i) {
    for (int64_t t = 0; t < pattern_count; ++t) {
      to[t * stride + i] = from[i * kPanelsColumns<Scalar> + t] + (add ? to[t * stride + i] : Scalar(0));
    }
  }
}

}  // namespace

// Patterns are the panels, so that the weights need no copy.
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
  Panels<Scalar> panels;
  alignas(64) Scalar sums[kPanelUnits * kPanelsColumns<Scalar>];
  Assign<Scalar> assign;
  Add<Scalar> to_sum;
  for (int64_t t = 0; t < h.cols(); t += kPanelsColumns<Scalar>) {
    const int64_t patterns = std::min<int64_t>(kPanelsColumns<Scalar>, h.cols() - t);
    for (int64_t i = 0; i < w.rows(); i += kPanelUnits) {
      const int64_t units = std::min<int64_t>(kPanelUnits, w.rows() - i);
      for (int64_t k = 0; k < w.cols(); k += kPanelDepth) {
        const int64_t depth = std::min<int64_t>(kPanelDepth, w.cols() - k);
        if (i == 0 || w.cols() > kPanelDepth) {
          panels.CopyColumns(h.data() + t * h.outerStride() + k, h.outerStride(), depth, patterns);
        }
        const auto weights = LeftOperand<Scalar>::OfMatrix(w.data() + i * w.outerStride() + k, w.outerStride(), 1);
        if (k > 0) {
          panels.Multiply(units, weights, &to_sum, sums, kPanelsColumns<Scalar>);
        } else {
          panels.Multiply(units, weights, &assign, sums, kPanelsColumns<Scalar>);
        }
      }
      TransposeInto(sums, units, patterns, add, s.data() + t * s.outerStride() + i, s.outerStride());
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
  Multiply<Scalar>(d.cols(), w.cols(), w.rows(), LeftOperand<Scalar>::OfMatrix(d.data(), d.outerStride(), 1), w.data(),
                   w.outerStride(), add, dh.data(), dh.outerStride());
}

template <typename Scalar>
void MultiplyOuter(const ConstColumns<Scalar>& d, const ConstColumns<Scalar>& h, Into into, Weights<Scalar> g) {
  const bool add = into == Into::kAdd;
  if (d.cols() < kFewPatterns) {
    if (!add) g.setZero();
    for (Eigen::Index t = 0; t < d.cols(); ++t) g.noalias() += d.col(t) * h.col(t).transpose();
    return;
  }
  Multiply<Scalar>(g.rows(), g.cols(), d.cols(), LeftOperand<Scalar>::OfMatrix(d.data(), 1, d.outerStride()), h.data(),
                   h.outerStride(), add, g.data(), g.outerStride());
}

template <typename Scalar>
int64_t SignalTiles<Scalar>::Size(int64_t unit_count, int64_t pattern_capacity) {
  return (unit_count + kMostTileRows - 1) / kMostTileRows * kMostTileRows * pattern_capacity;
}

template <typename Scalar>
void SignalTiles<Scalar>::Copy(int64_t begin, const ConstColumns<Scalar>& d) {
  for (int64_t i = 0; i < d.rows(); i += kMostTileRows) {
    const int64_t units = std::min<int64_t>(kMostTileRows, d.rows() - i);
    const Scalar* from = d.data() + i;
    Scalar* to = data + i * pattern_capacity + begin * kMostTileRows;
    for (int64_t t = 0; t < d.cols(); ++t, from += d.outerStride(), to += kMostTileRows) {
      // Most often a number that the compiler knows.
      units == kMostTileRows ? std::copy_n(from, kMostTileRows, to) : std::copy_n(from, units, to);
    }
  }
}

namespace {

template <typename Scalar>
LeftOperand<Scalar> OperandOf(const SignalTiles<Scalar>& d) {
  return {d.data, 1, kMostTileRows, kMostTileRows * d.pattern_capacity};
}

}  // namespace

template <typename Scalar>
void MultiplyOuter(const SignalTiles<Scalar>& d, const ConstColumns<Scalar>& h, Into into, Weights<Scalar> g) {
  Multiply<Scalar>(g.rows(), g.cols(), h.cols(), OperandOf(d), h.data(), h.outerStride(), into == Into::kAdd, g.data(),
                   g.outerStride());
}

template <typename Scalar>
double AscendOuter(const SignalTiles<Scalar>& d, const ConstColumns<Scalar>& h, Scalar step, Weights<Scalar> w) {
  Panels<Scalar> panels;
  double sum = 0;
  // Squares are summed in Scalar a few columns at a time: of a million of them float would lose digits.
  for (int64_t j = 0; j < w.cols(); j += kPanelsColumns<Scalar>) {
    const int64_t columns = std::min<int64_t>(kPanelsColumns<Scalar>, w.cols() - j);
    Ascend<Scalar> ascend{step};
    panels.CopyRowsAndMultiply(h.data() + j, h.outerStride(), h.cols(), columns, w.rows(), OperandOf(d), &ascend,
                               w.data() + j, w.outerStride());
    for (int lane = 0; lane < Simd<Scalar>::kLanes; ++lane) sum += double{ascend.squares[lane]};
  }
  return sum;
}

template void MultiplyForward(const ConstWeights<float>&, const ConstColumns<float>&, Into, Columns<float>);
template void MultiplyForward(const ConstWeights<double>&, const ConstColumns<double>&, Into, Columns<double>);
template void MultiplyBack(const ConstWeights<float>&, const ConstColumns<float>&, Into, Columns<float>);
template void MultiplyBack(const ConstWeights<double>&, const ConstColumns<double>&, Into, Columns<double>);
template void MultiplyOuter(const ConstColumns<float>&, const ConstColumns<float>&, Into, Weights<float>);
template void MultiplyOuter(const ConstColumns<double>&, const ConstColumns<double>&, Into, Weights<double>);
template struct SignalTiles<float>;
template struct SignalTiles<double>;
template void MultiplyOuter(const SignalTiles<float>&, const ConstColumns<float>&, Into, Weights<float>);
template void MultiplyOuter(const SignalTiles<double>&, const ConstColumns<double>&, Into, Weights<double>);
template double AscendOuter(const SignalTiles<float>&, const ConstColumns<float>&, float, Weights<float>);
template double AscendOuter(const SignalTiles<double>&, const ConstColumns<double>&, double, Weights<double>);

}  // namespace backprop
