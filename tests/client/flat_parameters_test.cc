#include "client/flat_parameters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

namespace backprop::client {
namespace {

using testing::ElementsAre;

// 2-2-1: (2 + 1) * 2 + (2 + 1) * 1 = 9 parameters.
v1::NetworkSpec SmallNetwork() {
  v1::NetworkSpec network;
  network.set_input_unit_count(2);
  network.add_hidden_layers()->set_unit_count(2);
  network.set_output_unit_count(1);
  return network;
}

std::vector<double> FlatNumbers(size_t count) {
  std::vector<double> numbers(count);
  std::iota(numbers.begin(), numbers.end(), 0.0);
  return numbers;
}

TEST(FlatParametersTest, LayersAreWeightsRowByRowThenBiases) {
  const auto parameters = ParametersFromFlat(FlatNumbers(9), SmallNetwork());
  ASSERT_TRUE(parameters.ok()) << parameters.status();
  ASSERT_EQ(parameters->layers_size(), 2);
  const v1::LayerParameters& hidden = parameters->layers(0);
  EXPECT_THAT(ElementsOf(hidden.weights()), ElementsAre(0, 1, 2, 3));
  EXPECT_EQ(hidden.weights().row_count(), 2);
  EXPECT_EQ(hidden.weights().column_count(), 2);
  EXPECT_THAT(ElementsOf(hidden.biases()), ElementsAre(4, 5));
  EXPECT_THAT(ElementsOf(parameters->layers(1).weights()), ElementsAre(6, 7));
  EXPECT_THAT(ElementsOf(parameters->layers(1).biases()), ElementsAre(8));
}

TEST(FlatParametersTest, FlatIsTheInverse) {
  const auto parameters = ParametersFromFlat(FlatNumbers(9), SmallNetwork());
  ASSERT_TRUE(parameters.ok());
  EXPECT_EQ(FlatOf(*parameters), FlatNumbers(9));
}

TEST(FlatParametersTest, WrongCountIsAnError) {
  for (const size_t count : {0, 8, 10}) {
    EXPECT_EQ(ParametersFromFlat(FlatNumbers(count), SmallNetwork()).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
}

TEST(FlatParametersTest, ElementsAreReadInEveryForm) {
  v1::Matrix floats;
  floats.add_values(1.5F);
  EXPECT_THAT(ElementsOf(floats), ElementsAre(1.5));
  v1::Matrix doubles;
  doubles.add_double_values(2.5);
  EXPECT_THAT(ElementsOf(doubles), ElementsAre(2.5));
  v1::Matrix bytes;
  bytes.set_raw_type(v1::Matrix::RAW_TYPE_UINT8);
  bytes.set_raw_values("\x02\xFF");
  bytes.set_raw_scale(0.5);
  EXPECT_THAT(ElementsOf(bytes), ElementsAre(1, 127.5));
  v1::Matrix raw_doubles;
  const double element = -3;
  raw_doubles.set_raw_type(v1::Matrix::RAW_TYPE_FLOAT64);
  raw_doubles.set_raw_values(&element, sizeof element);
  EXPECT_THAT(ElementsOf(raw_doubles), ElementsAre(-3));
}

TEST(FlatParametersTest, PrecisionIsThatOfTheMatrices) {
  v1::Parameters parameters;
  parameters.add_layers()->mutable_weights()->add_values(1);
  EXPECT_TRUE(IsSinglePrecision(parameters));
  parameters.add_layers()->mutable_biases()->add_double_values(1);
  EXPECT_FALSE(IsSinglePrecision(parameters));
}

TEST(FlatParametersTest, NormIsEuclidean) { EXPECT_DOUBLE_EQ(EuclideanNorm(std::vector<double>{3, 4}), 5); }

}  // namespace
}  // namespace backprop::client
