// Second and higher derivatives over the wire: against differences of the first, against each other, and as the
// requests name them. tests/core compares the mathematics itself.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/server/services/messages.h"
#include "tests/server/services/test_server.h"
#include "tests/support/near.h"

namespace backprop::server {
namespace {

// Patterns of 2 inputs and 3 output units, with weights.
constexpr char kThreePatterns[] =
    "patterns { inputs { row_count: 3 column_count: 2 double_values: [0.5, -1, 2, 0.25, -0.75, 1.5] } "
    "targets { row_count: 3 column_count: 3 double_values: [1, 0, 2, -1, 0.5, 0, 3, 1, 1] } "
    "pattern_weights: [1, 0.5, 2] } ";
constexpr int kParameterCount = 4 * 3 + 3 * 5;

using Vector = std::vector<double>;

double Dot(const Vector& a, const Vector& b) { return std::inner_product(a.begin(), a.end(), b.begin(), 0.0); }

// Some dozens of roundings of numbers, relative to the largest.
constexpr double kRounding = 1e-12;

class DerivativeServiceTest : public testing::Test {
 protected:
  DerivativeServiceTest() {
    CreateScaledRegression(server_);
    Append(server_, absl::StrCat("session: 'sessions/r' pattern_set: 's' ", kThreePatterns));
    parameters_ = Must(server_.sessions, &SessionStub::GetParameters, "name: 'sessions/r'");
  }

  // Of the shape of the parameters, with these numbers.
  v1::Parameters Shaped(const Vector& flat) const {
    v1::Parameters shaped = parameters_;
    auto next = flat.begin();
    for (v1::LayerParameters& layer : *shaped.mutable_layers()) {
      for (v1::Matrix* matrix : {layer.mutable_weights(), layer.mutable_biases()}) {
        for (double& value : *matrix->mutable_double_values()) value = *next++;
      }
    }
    return shaped;
  }
  Vector SomeDirection() const {
    Vector direction(kParameterCount);
    for (int i = 0; i < kParameterCount; ++i) direction[static_cast<size_t>(i)] = 0.1 * (i % 7) - 0.25;
    return direction;
  }

  template <typename Request>
  static Request Of(const std::string& fields) {
    return Parse<Request>("session: 'sessions/r' " + fields);
  }
  v1::ComputeHessianVectorProductResponse Products(const v1::ComputeHessianVectorProductRequest& request) {
    return Must(server_.derivatives, &DerivativeStub::ComputeHessianVectorProduct, request);
  }
  v1::ComputeHessianVectorProductResponse Products(const std::string& fields, const std::vector<Vector>& directions) {
    auto request = Of<v1::ComputeHessianVectorProductRequest>("pattern_set: 's' " + fields);
    for (const Vector& direction : directions) *request.add_directions() = Shaped(direction);
    return Products(request);
  }
  Vector Hessian(const std::string& fields) {
    const auto answer = Must(server_.derivatives, &DerivativeStub::ComputeHessian,
                             Of<v1::ComputeHessianRequest>("pattern_set: 's' " + fields));
    EXPECT_EQ(answer.pattern_count(), 3);
    return {answer.hessian().double_values().begin(), answer.hessian().double_values().end()};
  }
  Vector Line(const std::string& fields, const Vector& direction = {}) {
    auto request = Of<v1::ComputeDirectionalDerivativesRequest>("pattern_set: 's' " + fields);
    if (!direction.empty()) *request.mutable_direction() = Shaped(direction);
    const auto answer = Must(server_.derivatives, &DerivativeStub::ComputeDirectionalDerivatives, request);
    return {answer.derivatives().begin(), answer.derivatives().end()};
  }
  // The gradient at parameters + step * direction.
  Vector GradientAt(const Vector& direction, double step) {
    Vector moved = FlatOf(parameters_);
    for (size_t i = 0; i < moved.size(); ++i) moved[i] += step * direction[i];
    v1::SetParametersRequest set;
    set.set_name("sessions/r");
    *set.mutable_parameters() = Shaped(moved);
    Must(server_.sessions, &SessionStub::SetParameters, set);
    return FlatOf(Must(server_.derivatives, &DerivativeStub::ComputeGradient, "session: 'sessions/r' pattern_set: 's'")
                      .gradient());
  }

  TestServer server_;
  v1::Parameters parameters_;
};

TEST_F(DerivativeServiceTest, AProductIsTheDifferenceOfGradients) {
  const Vector direction = SomeDirection();
  const double step = 1e-5;  // Central differences: an error of about 1e-10 from rounding, and as much from curvature.
  const Vector above = GradientAt(direction, step), below = GradientAt(direction, -step);
  Vector differences(above.size());
  for (size_t i = 0; i < above.size(); ++i) differences[i] = (above[i] - below[i]) / (2 * step);
  const auto answer = Products("model_version: 0", {direction});
  ASSERT_EQ(answer.products_size(), 1);
  EXPECT_TRUE(AllNear(FlatOf(answer.products(0)), differences, 1e-7));
  EXPECT_EQ(answer.model_version(), 0);
  EXPECT_EQ(answer.pattern_count(), 3);
}

TEST_F(DerivativeServiceTest, TheGradientComesWithTheProducts) {
  const auto gradient =
      Must(server_.derivatives, &DerivativeStub::ComputeGradient, "session: 'sessions/r' pattern_set: 's'");
  const auto answer = Products("gradient_direction: true", {});
  EXPECT_TRUE(AllNear(FlatOf(answer.gradient()), FlatOf(gradient.gradient()), kRounding));
  EXPECT_NEAR(answer.log_likelihood(), gradient.log_likelihood(), kRounding * std::abs(gradient.log_likelihood()));
}

TEST_F(DerivativeServiceTest, ProductsComeInTheOrderOfDirectionsThenGradientThenRandomOnes) {
  const auto mixed =
      Products("gradient_direction: true random_directions { count: 2 seed: 7 }", {SomeDirection(), SomeDirection()});
  ASSERT_EQ(mixed.products_size(), 5);
  ASSERT_EQ(mixed.random_directions_size(), 2);
  const auto plain = Products("", {SomeDirection(), SomeDirection(), FlatOf(mixed.gradient()),
                                   FlatOf(mixed.random_directions(0)), FlatOf(mixed.random_directions(1))});
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(AllNear(FlatOf(mixed.products(i)), FlatOf(plain.products(i)), kRounding)) << i;
  }
}

TEST_F(DerivativeServiceTest, RandomDirectionsDependOnTheSeedAlone) {
  const auto two = Products("random_directions { count: 2 seed: 7 }", {});
  const auto three = Products("random_directions { count: 3 seed: 7 }", {SomeDirection()});
  EXPECT_EQ(two.random_directions(1).DebugString(), three.random_directions(1).DebugString());
  const auto other = Products("random_directions { count: 1 seed: 8 }", {});
  EXPECT_NE(FlatOf(two.random_directions(0)), FlatOf(other.random_directions(0)));
  EXPECT_NE(FlatOf(two.random_directions(0)), FlatOf(two.random_directions(1)));
  for (const double element : FlatOf(two.random_directions(0))) EXPECT_EQ(std::abs(element), 1);
}

TEST_F(DerivativeServiceTest, AStreamHasTheSameProductsLayerByLayer) {
  v1::StreamHessianVectorProductRequest request;
  *request.mutable_request() = Of<v1::ComputeHessianVectorProductRequest>(
      "pattern_set: 's' gradient_direction: true random_directions { count: 1 }");
  const auto whole = Products(request.request());
  const auto streamed = Collect(server_.derivatives, &DerivativeStub::StreamHessianVectorProduct, request);
  ASSERT_TRUE(streamed.status.ok()) << streamed.status.error_message();
  using Layer = v1::StreamHessianVectorProductResponse;
  const std::vector<std::tuple<Layer::Vector, int, const v1::Parameters*>> vectors = {
      {Layer::VECTOR_GRADIENT, 0, &whole.gradient()},
      {Layer::VECTOR_PRODUCT, 0, &whole.products(0)},
      {Layer::VECTOR_PRODUCT, 1, &whole.products(1)},
      {Layer::VECTOR_RANDOM_DIRECTION, 0, &whole.random_directions(0)}};
  ASSERT_EQ(streamed.responses.size(), 2 * vectors.size());
  for (size_t i = 0; i < streamed.responses.size(); ++i) {
    const Layer& layer = streamed.responses[i];
    const auto& [vector, index, parameters] = vectors[i / 2];
    EXPECT_EQ(layer.vector(), vector);
    EXPECT_EQ(layer.index(), index);
    EXPECT_EQ(layer.layer(), static_cast<int>(i % 2));
    EXPECT_EQ(layer.parameters().DebugString(), parameters->layers(layer.layer()).DebugString());
    EXPECT_EQ(layer.log_likelihood(), whole.log_likelihood());
    EXPECT_EQ(layer.pattern_count(), 3);
  }
}

TEST_F(DerivativeServiceTest, ColumnsOfTheHessianAreProductsWithUnitVectors) {
  for (const char* const curvature : {"", "curvature: CURVATURE_GAUSS_NEWTON"}) {
    const Vector hessian = Hessian(curvature);
    ASSERT_EQ(hessian.size(), static_cast<size_t>(kParameterCount) * kParameterCount);
    std::vector<Vector> units;
    for (size_t i = 0; i < kParameterCount; ++i) {
      units.emplace_back(kParameterCount);
      units.back()[i] = 1;
    }
    const auto products = Products(curvature, units);
    Vector expected;
    for (const v1::Parameters& product : products.products()) {
      const Vector flat = FlatOf(product);
      expected.insert(expected.end(), flat.begin(), flat.end());
    }
    EXPECT_TRUE(AllNear(hessian, expected, kRounding)) << curvature;
  }
  EXPECT_NE(Hessian(""), Hessian("curvature: CURVATURE_GAUSS_NEWTON"));
}

TEST_F(DerivativeServiceTest, DiagonalAndBlocksArePartsOfTheHessian) {
  const Vector hessian = Hessian(""), diagonal = Hessian("diagonal: true");
  EXPECT_EQ(Hessian("diagonal: false"), hessian);
  const size_t begins[] = {0, 12, kParameterCount};
  Vector on_diagonal;
  for (size_t i = 0; i < kParameterCount; ++i) on_diagonal.push_back(hessian[i * (kParameterCount + 1)]);
  EXPECT_TRUE(AllNear(diagonal, on_diagonal, kRounding));
  for (size_t layer = 0; layer < 2; ++layer) {
    Vector block;
    for (size_t i = begins[layer]; i < begins[layer + 1]; ++i) {
      for (size_t j = begins[layer]; j < begins[layer + 1]; ++j) block.push_back(hessian[i * kParameterCount + j]);
    }
    EXPECT_TRUE(AllNear(Hessian(absl::StrCat("layer: ", layer)), block, kRounding)) << layer;
  }
}

TEST_F(DerivativeServiceTest, DerivativesAlongALineAreThoseOfGradientAndHessian) {
  const Vector v = SomeDirection();
  const auto products = Products("", {v});
  const Vector line = Line("order: 2", v);
  ASSERT_EQ(line.size(), 3u);
  const Vector expected = {products.log_likelihood(), Dot(FlatOf(products.gradient()), v),
                           Dot(FlatOf(products.products(0)), v)};
  EXPECT_TRUE(AllNear(line, expected, kRounding));
  EXPECT_EQ(Line("order: 0", v).size(), 1u);
  EXPECT_EQ(Line("order: 16", v).size(), 17u);
}

TEST_F(DerivativeServiceTest, ALineMayFollowTheGradientOrARandomDirection) {
  const auto products = Products("gradient_direction: true random_directions { count: 1 seed: 5 }", {});
  const Vector gradient = FlatOf(products.gradient()), random = FlatOf(products.random_directions(0));
  EXPECT_TRUE(AllNear(Line("order: 3 gradient_direction: true"), Line("order: 3", gradient), kRounding));
  EXPECT_TRUE(AllNear(Line("order: 3 random_direction_seed: 5"), Line("order: 3", random), kRounding));
}

TEST_F(DerivativeServiceTest, ALineOfInputsIsInTheCallersUnits) {
  const auto gradient = Must(server_.derivatives, &DerivativeStub::ComputeGradient,
                             "session: 'sessions/r' pattern_set: 's' input_gradients: true");
  const Vector line = Line("order: 1 input_direction { row_count: 1 column_count: 2 values: [0.5, -2] }");
  double expected = 0;
  for (int t = 0; t < 3; ++t) {
    expected +=
        0.5 * gradient.input_gradients().double_values(2 * t) - 2 * gradient.input_gradients().double_values(2 * t + 1);
  }
  ASSERT_EQ(line.size(), 2u);
  EXPECT_NEAR(line[1], expected, kRounding * std::abs(expected));
}

TEST_F(DerivativeServiceTest, AStoredSetAndTheSamePatternsGiveTheSameBits) {
  const auto stored = Products("gradient_direction: true", {});
  const auto given =
      Products(Of<v1::ComputeHessianVectorProductRequest>(absl::StrCat(kThreePatterns, "gradient_direction: true")));
  EXPECT_EQ(stored.DebugString(), given.DebugString());
}

TEST_F(DerivativeServiceTest, APinnedVersionIsAnsweredAfterNewerOnes) {
  const auto products = Products("gradient_direction: true", {});
  const Vector hessian = Hessian(""), line = Line("order: 4 gradient_direction: true");
  const auto trace = [&](const std::string& version) {
    const std::string pattern =
        "patterns { inputs { row_count: 1 column_count: 2 values: [1, 2] } targets { row_count: 1 "
        "column_count: 3 values: [1, 0, 2] } } ";
    return Must(server_.derivatives, &DerivativeStub::TraceBackpropagation,
                Of<v1::TraceBackpropagationRequest>(pattern + version))
        .DebugString();
  };
  const auto layers = [&](const std::string& version) {
    v1::StreamHessianVectorProductRequest request;
    *request.mutable_request() =
        Of<v1::ComputeHessianVectorProductRequest>("pattern_set: 's' gradient_direction: true " + version);
    const auto streamed = Collect(server_.derivatives, &DerivativeStub::StreamHessianVectorProduct, request);
    std::string text;
    for (const auto& layer : streamed.responses) text += layer.DebugString();
    return text;
  };
  const std::string traced = trace(""), in_layers = layers("");
  GradientAt(SomeDirection(), 1);
  EXPECT_EQ(trace("model_version: 0"), traced);
  EXPECT_NE(trace(""), traced);
  EXPECT_EQ(layers("model_version: 0"), in_layers);
  EXPECT_NE(layers(""), in_layers);
  EXPECT_EQ(Products("model_version: 0 gradient_direction: true", {}).DebugString(), products.DebugString());
  EXPECT_EQ(Hessian("model_version: 0"), hessian);
  EXPECT_EQ(Line("model_version: 0 order: 4 gradient_direction: true"), line);
  EXPECT_NE(Hessian(""), hessian);
}

TEST_F(DerivativeServiceTest, FieldsOfTheFutureAreIgnored) {
  auto request = Of<v1::ComputeHessianVectorProductRequest>("pattern_set: 's' gradient_direction: true");
  request.GetReflection()->MutableUnknownFields(&request)->AddVarint(1000, 7);
  EXPECT_EQ(Products(request).DebugString(), Products("gradient_direction: true", {}).DebugString());
}

}  // namespace
}  // namespace backprop::server
