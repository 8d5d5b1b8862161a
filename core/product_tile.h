// The innermost loops of the matrix products: a tile of results kept in registers, and how it reads its operands; and
// the vectors that they and core/online_ascent.cc are made of.
#pragma once

#include <cstdint>
#include <utility>

// Vectors as wide as the instructions that this file is compiled for have them. GCC's vector extension becomes fused
// multiply-adds where there are such.
#if defined(__AVX512F__)
#define BACKPROP_VECTOR_BYTES 64
#elif defined(__AVX__)
#define BACKPROP_VECTOR_BYTES 32
#else
#define BACKPROP_VECTOR_BYTES 16
#endif

namespace backprop {

template <typename Scalar>
struct Simd {
  static constexpr int kLanes = BACKPROP_VECTOR_BYTES / sizeof(Scalar);
  typedef Scalar Vector __attribute__((vector_size(BACKPROP_VECTOR_BYTES)));
  // In memory: wherever a Scalar may be.
  typedef Scalar Unaligned __attribute__((vector_size(BACKPROP_VECTOR_BYTES), aligned(sizeof(Scalar)), may_alias));

  static Vector Load(const Scalar* from) { return *reinterpret_cast<const Unaligned*>(from); }
  static void Store(Scalar* to, Vector v) { *reinterpret_cast<Unaligned*>(to) = v; }
};

// A tile is rows x vectors of results. Of 16 registers 12 are sums, of the 32 of AVX-512 24, more than keep two
// pipelines of fused multiply-adds of four cycles busy. The wider a tile the better: then it reads few rows at a time
// of the left operand, whose places in a cache are often the same.
#ifdef __AVX512F__
inline constexpr int kTileVectors = 4;
constexpr int TileRows(int vectors) { return vectors == 4 ? 6 : 12; }
#else
inline constexpr int kTileVectors = 2;
constexpr int TileRows(int /*vectors*/) { return 6; }
#endif
inline constexpr int kMostTileRows = TileRows(1);

// The left operand of a product: element (group * kMostTileRows + row, k) stands at
// data[group * group_stride + row * row_stride + k * depth_stride].
template <typename Scalar>
struct LeftOperand {
  const Scalar* data;
  int64_t row_stride, depth_stride, group_stride;

  static LeftOperand OfMatrix(const Scalar* data, int64_t row_stride, int64_t depth_stride) {
    return {data, row_stride, depth_stride, kMostTileRows * row_stride};
  }
  // From `row` on, the first of a tile.
  LeftOperand From(int64_t row) const {
    LeftOperand rest = *this;
    rest.data += row / kMostTileRows * group_stride + row % kMostTileRows * row_stride;
    return rest;
  }
};

// The right operand of a tile, `vectors` vectors of columns: one row after the other, without gaps.
template <typename Scalar, int vectors>
struct PanelRows {
  using S = Simd<Scalar>;
  const Scalar* data;

  __attribute__((always_inline)) void Next(typename S::Vector* row) {
#pragma GCC unroll 4
    for (int i = 0; i < vectors; ++i) row[i] = S::Load(data + i * S::kLanes);
    data += vectors * S::kLanes;
  }
};

// The same from where rows are `stride` apart, copied to `data` for the tiles that follow: beside the arithmetic, which
// does not wait for it.
template <typename Scalar, int vectors>
struct CopiedRows {
  using S = Simd<Scalar>;
  const Scalar* from;
  int64_t stride;
  Scalar* data;

  __attribute__((always_inline)) void Next(typename S::Vector* row) {
    PanelRows<Scalar, vectors>{from}.Next(row);
#pragma GCC unroll 4
    for (int i = 0; i < vectors; ++i) S::Store(data + i * S::kLanes, row[i]);
    from += stride;
    data += vectors * S::kLanes;
  }
};

// What becomes of the sums of a product, a vector or a number of them at a time.
template <typename Scalar>
struct Assign {
  void operator()(typename Simd<Scalar>::Vector sum, Scalar* c) { Simd<Scalar>::Store(c, sum); }
  void operator()(Scalar sum, Scalar* c) { *c = sum; }
};

template <typename Scalar>
struct Add {
  void operator()(typename Simd<Scalar>::Vector sum, Scalar* c) { Simd<Scalar>::Store(c, Simd<Scalar>::Load(c) + sum); }
  void operator()(Scalar sum, Scalar* c) { *c += sum; }
};

// A step along them; keeps the sum of their squares.
template <typename Scalar>
struct Ascend {
  Scalar step;
  typename Simd<Scalar>::Vector squares = {};

  void operator()(typename Simd<Scalar>::Vector sum, Scalar* c) {
    squares += sum * sum;
    Simd<Scalar>::Store(c, Simd<Scalar>::Load(c) + step * sum);
  }
  void operator()(Scalar sum, Scalar* c) {
    squares[0] += sum * sum;
    *c += step * sum;
  }
};

// Hands `result` the sums of a tile of `rows` rows and `vectors` vectors of columns, c = a b. a [rows x depth], b
// [depth x columns], PanelRows or CopiedRows; c [rows x columns] with its rows `c_stride` apart.
template <int rows, int vectors, typename Scalar, typename RightOperand, typename Result>
void MultiplyTile(int64_t depth, LeftOperand<Scalar> a, RightOperand b, Result* result, Scalar* c, int64_t c_stride) {
  using S = Simd<Scalar>;
  // c comes from afar, in time for the end. The compiler is kept from keeping all these addresses until then.
  Scalar* ahead = c;
#pragma GCC unroll 16
  for (int row = 0; row < rows; ++row, ahead += c_stride) {
    asm("" : "+r"(ahead));
#pragma GCC unroll 4
    for (int i = 0; i < vectors; ++i) __builtin_prefetch(ahead + i * S::kLanes, /*rw=*/1);
  }
  typename S::Vector sums[rows][vectors] = {};
  // Unrolled, so that the end of so short a loop is foreseen.
#pragma GCC unroll 4
  for (int64_t k = 0; k < depth; ++k, a.data += a.depth_stride) {
    typename S::Vector right[vectors];
    b.Next(right);
#pragma GCC unroll 16
    for (int row = 0; row < rows; ++row) {
      const Scalar left = a.data[row * a.row_stride];
#pragma GCC unroll 4
      for (int i = 0; i < vectors; ++i) sums[row][i] += left * right[i];
    }
  }
  Result own = *result;  // For all that the compiler knows, c might be in *result.
#pragma GCC unroll 16
  for (int row = 0; row < rows; ++row, c += c_stride) {
#pragma GCC unroll 4
    for (int i = 0; i < vectors; ++i) own(sums[row][i], c + i * S::kLanes);
  }
  *result = own;
}

// One step of a transposition: exchanges the off-diagonal blocks of size `block` of all 2 block x 2 block blocks.
template <typename Scalar, int block, int... lanes>
__attribute__((always_inline)) inline void ExchangeBlocks(typename Simd<Scalar>::Vector* rows,
                                                          std::integer_sequence<int, lanes...> sequence) {
  constexpr int kLanes = sizeof...(lanes);
#pragma GCC unroll 16
  for (int i = 0; i < kLanes; ++i) {
    if (i & block) continue;
    const auto a = rows[i], b = rows[i + block];
    rows[i] = __builtin_shufflevector(a, b, (lanes & block ? kLanes + lanes - block : lanes)...);
    rows[i + block] = __builtin_shufflevector(a, b, (lanes & block ? kLanes + lanes : lanes + block)...);
  }
  if constexpr (block > 1) ExchangeBlocks<Scalar, block / 2>(rows, sequence);
}

// to(j, i) = from(i, j), or with `add` to(j, i) += from(i, j), for kLanes x kLanes elements, rows so far apart.
template <typename Scalar>
__attribute__((always_inline)) inline void TransposeTile(const Scalar* from, int64_t from_stride, bool add, Scalar* to,
                                                         int64_t to_stride) {
  using S = Simd<Scalar>;
  typename S::Vector rows[S::kLanes];
#pragma GCC unroll 16
  for (int i = 0; i < S::kLanes; ++i) rows[i] = S::Load(from + i * from_stride);
  ExchangeBlocks<Scalar, S::kLanes / 2>(rows, std::make_integer_sequence<int, S::kLanes>());
#pragma GCC unroll 16
  for (int i = 0; i < S::kLanes; ++i)
    S::Store(to + i * to_stride, add ? S::Load(to + i * to_stride) + rows[i] : rows[i]);
}

}  // namespace backprop
