#include "core/products.h"

#include <limits>
#include <vector>

#include "core/random.h"
#include "gtest/gtest.h"

namespace backprop {
namespace {

// Small whole numbers: every sum is exact in either precision, whatever its order.
template <typename M>
M WholeNumbers(int64_t rows, int64_t columns, int64_t seed) {
  Random random(seed);
  M m(rows, columns);
  for (auto& x : m.reshaped()) x = static_cast<typename M::Scalar>(random.Below(9)) - 4;
  return m;
}

struct ProductShape {
  int64_t units, inputs, patterns;
};

// One of each, tiles and their rests in every direction, fewer patterns than make a panel, more inputs and units than
// one panel holds.
const ProductShape kShapes[] = {{1, 1, 1},     {2, 3, 1},      {5, 7, 2},    {6, 16, 16},  {7, 17, 17},   {13, 9, 3},
                                {12, 32, 4},   {10, 128, 5},   {1, 1, 40},   {33, 65, 34}, {30, 100, 70}, {11, 29, 64},
                                {8, 1025, 20}, {1030, 40, 20}, {3, 5, 1024}, {3, 5, 1030}};

template <typename Scalar>
class ProductsTest : public testing::Test {};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(ProductsTest, Scalars);

// Error signals as tiles, copied in two parts as two slices of a batch would, with room left.
template <typename Scalar>
struct TiledSignals {
  explicit TiledSignals(const Matrix<Scalar>& d)
      : memory(SignalTiles<Scalar>::Size(d.rows(), d.cols() + 3)), tiles{memory.data(), d.cols() + 3} {
    const int64_t half = d.cols() / 2;
    tiles.Copy(0, d.leftCols(half));
    tiles.Copy(half, d.rightCols(d.cols() - half));
  }

  std::vector<Scalar> memory;
  SignalTiles<Scalar> tiles;
};

// Each product, assigned and added, is that of the definition, taken coefficient by coefficient.
template <typename Scalar>
void ExpectProducts(const ProductShape& shape) {
  SCOPED_TRACE(testing::Message() << shape.units << " x " << shape.inputs << ", " << shape.patterns << " patterns");
  const auto w = WholeNumbers<WeightMatrix<Scalar>>(shape.units, shape.inputs, 1);
  const auto h = WholeNumbers<Matrix<Scalar>>(shape.inputs, shape.patterns, 2);
  const auto d = WholeNumbers<Matrix<Scalar>>(shape.units, shape.patterns, 3);
  for (const Into into : {Into::kAssign, Into::kAdd}) {
    const Scalar kept = into == Into::kAdd ? 1 : 0;
    auto s = WholeNumbers<Matrix<Scalar>>(shape.units, shape.patterns, 4);
    const Matrix<Scalar> expected_s = kept * s + w.lazyProduct(h);
    MultiplyForward<Scalar>(w, h, into, s);
    EXPECT_EQ(s, expected_s);
    auto dh = WholeNumbers<Matrix<Scalar>>(shape.inputs, shape.patterns, 5);
    const Matrix<Scalar> expected_dh = kept * dh + w.transpose().lazyProduct(d);
    MultiplyBack<Scalar>(w, d, into, dh);
    EXPECT_EQ(dh, expected_dh);
    auto g = WholeNumbers<WeightMatrix<Scalar>>(shape.units, shape.inputs, 6);
    const WeightMatrix<Scalar> expected_g = kept * g + WeightMatrix<Scalar>(d.lazyProduct(h.transpose()));
    MultiplyOuter<Scalar>(d, h, into, g);
    EXPECT_EQ(g, expected_g);
    if (shape.patterns > kMaxProductPatterns) continue;
    g = WholeNumbers<WeightMatrix<Scalar>>(shape.units, shape.inputs, 6);
    TiledSignals<Scalar> tiled(d);
    MultiplyOuter<Scalar>(tiled.tiles, h, into, g);
    EXPECT_EQ(g, expected_g);
  }
}

// Steps of 2 along the product, and the sum of its squares.
template <typename Scalar>
void ExpectAscent(const ProductShape& shape) {
  SCOPED_TRACE(testing::Message() << shape.units << " x " << shape.inputs << ", " << shape.patterns << " patterns");
  const auto h = WholeNumbers<Matrix<Scalar>>(shape.inputs, shape.patterns, 2);
  const auto d = WholeNumbers<Matrix<Scalar>>(shape.units, shape.patterns, 3);
  auto w = WholeNumbers<WeightMatrix<Scalar>>(shape.units, shape.inputs, 6);
  const WeightMatrix<Scalar> g = d.lazyProduct(h.transpose()), expected = w + 2 * g;
  TiledSignals<Scalar> tiled(d);
  // Squares are not small: they are rounded as they are summed.
  const double squares = g.template cast<double>().squaredNorm();
  EXPECT_NEAR(AscendOuter<Scalar>(tiled.tiles, h, Scalar(2), w), squares,
              squares * std::numeric_limits<Scalar>::epsilon() * 100);
  EXPECT_EQ(w, expected);
}

TYPED_TEST(ProductsTest, AscentsFollowTheProduct) {
  for (const ProductShape& shape : kShapes) {
    if (shape.patterns <= kMaxProductPatterns) ExpectAscent<TypeParam>(shape);
  }
}

// A sum of so many squares in float would lose a digit for each ten times as many.
TYPED_TEST(ProductsTest, AscentsKnowTheirNormHoweverManyWeightsThereAre) { ExpectAscent<TypeParam>({600, 3000, 4}); }

TYPED_TEST(ProductsTest, AreThoseOfTheDefinition) {
  for (const ProductShape& shape : kShapes) ExpectProducts<TypeParam>(shape);
}

// Blocks of larger matrices, at addresses that no vector is aligned to; what lies around the result stays.
TYPED_TEST(ProductsTest, ReadAndWriteBlocks) {
  using M = Matrix<TypeParam>;
  using W = WeightMatrix<TypeParam>;
  const auto w = WholeNumbers<W>(40, 50, 1);
  const auto h = WholeNumbers<M>(50, 60, 2), d = WholeNumbers<M>(40, 60, 3);
  for (const int64_t patterns : {2, 33}) {
    M s = M::Constant(40, 60, 7), dh = M::Constant(50, 60, 7);
    W g = W::Constant(40, 50, 7);
    M expected_s = s, expected_dh = dh;
    W expected_g = g;
    const auto some_w = w.block(1, 3, 21, 19);
    const auto some_h = h.block(3, 5, 19, patterns), some_d = d.block(1, 5, 21, patterns);
    expected_s.block(1, 5, 21, patterns) = some_w.lazyProduct(some_h);
    expected_dh.block(3, 5, 19, patterns) = some_w.transpose().lazyProduct(some_d);
    expected_g.block(1, 3, 21, 19) = some_d.lazyProduct(some_h.transpose());
    MultiplyForward<TypeParam>(some_w, some_h, Into::kAssign, s.block(1, 5, 21, patterns));
    MultiplyBack<TypeParam>(some_w, some_d, Into::kAssign, dh.block(3, 5, 19, patterns));
    MultiplyOuter<TypeParam>(some_d, some_h, Into::kAssign, g.block(1, 3, 21, 19));
    EXPECT_EQ(s, expected_s);
    EXPECT_EQ(dh, expected_dh);
    EXPECT_EQ(g, expected_g);
  }
}

// The bits of a pattern's weighted sums and of a weight's gradient do not depend on what else is in the product, so a
// product may be cut into parts of any size from kFewPatterns up.
TYPED_TEST(ProductsTest, PartsHaveTheBitsOfTheWhole) {
  using M = Matrix<TypeParam>;
  using W = WeightMatrix<TypeParam>;
  const W w = W::Random(37, 1100);
  const M h = M::Random(1100, 48), d = M::Random(37, 48);
  M s(37, 48), s_parts(37, 48), dh(1100, 48), dh_parts(1100, 48);
  W g(37, 1100), g_parts(37, 1100);
  MultiplyForward<TypeParam>(w, h, Into::kAssign, s);
  MultiplyBack<TypeParam>(w, d, Into::kAssign, dh);
  MultiplyOuter<TypeParam>(d, h, Into::kAssign, g);
  for (const auto& [begin, n] : std::vector<std::pair<int64_t, int64_t>>{{0, 5}, {5, 16}, {21, 27}}) {
    MultiplyForward<TypeParam>(w, h.middleCols(begin, n), Into::kAssign, s_parts.middleCols(begin, n));
    MultiplyBack<TypeParam>(w, d.middleCols(begin, n), Into::kAssign, dh_parts.middleCols(begin, n));
  }
  for (const auto& [begin, n] : std::vector<std::pair<int64_t, int64_t>>{{0, 3}, {3, 500}, {503, 597}}) {
    MultiplyOuter<TypeParam>(d, h.middleRows(begin, n), Into::kAssign, g_parts.middleCols(begin, n));
  }
  EXPECT_EQ(s, s_parts);
  EXPECT_EQ(dh, dh_parts);
  EXPECT_EQ(g, g_parts);
}

}  // namespace
}  // namespace backprop
