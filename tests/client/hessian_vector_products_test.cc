#include "client/hessian_vector_products.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/flat_parameters.h"
#include "tests/client/fake_pattern_server.h"

namespace backprop::client {
namespace {

using testing::ElementsAre;

using Layer = v1::StreamHessianVectorProductResponse;

// Of 1 x 1 weights and a bias.
Layer MakeLayer(Layer::Vector vector, int index, int layer, double weight) {
  Layer response;
  response.set_vector(vector);
  response.set_index(index);
  response.set_layer(layer);
  response.mutable_parameters()->mutable_weights()->add_double_values(weight);
  response.mutable_parameters()->mutable_biases()->add_double_values(-weight);
  response.set_log_likelihood(-3);
  response.set_pattern_count(4);
  response.set_model_version(5);
  return response;
}

class FakeDerivatives final : public v1::DerivativeService::Service {
 public:
  v1::StreamHessianVectorProductRequest last_request;
  grpc::Status end;

  grpc::Status StreamHessianVectorProduct(grpc::ServerContext*, const v1::StreamHessianVectorProductRequest* request,
                                          grpc::ServerWriter<Layer>* writer) override {
    last_request = *request;
    double weight = 0;
    for (const auto& [vector, index] : {std::pair{Layer::VECTOR_GRADIENT, 0},
                                        {Layer::VECTOR_PRODUCT, 0},
                                        {Layer::VECTOR_PRODUCT, 1},
                                        {Layer::VECTOR_RANDOM_DIRECTION, 0}}) {
      for (int layer = 0; layer < 2; ++layer) writer->Write(MakeLayer(vector, index, layer, ++weight));
    }
    return end;
  }
};

class HessianVectorProductsTest : public testing::Test {
 protected:
  absl::StatusOr<v1::ComputeHessianVectorProductResponse> Products() {
    v1::ComputeHessianVectorProductRequest request;
    request.set_session("sessions/x");
    return HessianVectorProducts(Client(server_.address()), request);
  }

  FakeDerivatives derivatives_;
  FakePatternStore store_;
  FakeServer server_{store_, 0, {&derivatives_}};
};

TEST_F(HessianVectorProductsTest, LayersBecomeTheVectorsTheyAreOf) {
  const auto products = Products();
  ASSERT_TRUE(products.ok()) << products.status();
  EXPECT_EQ(derivatives_.last_request.request().session(), "sessions/x");
  EXPECT_THAT(FlatOf(products->gradient()), ElementsAre(1, -1, 2, -2));
  ASSERT_EQ(products->products_size(), 2);
  EXPECT_THAT(FlatOf(products->products(0)), ElementsAre(3, -3, 4, -4));
  EXPECT_THAT(FlatOf(products->products(1)), ElementsAre(5, -5, 6, -6));
  ASSERT_EQ(products->random_directions_size(), 1);
  EXPECT_THAT(FlatOf(products->random_directions(0)), ElementsAre(7, -7, 8, -8));
  EXPECT_EQ(products->log_likelihood(), -3);
  EXPECT_EQ(products->pattern_count(), 4);
  EXPECT_EQ(products->model_version(), 5);
  EXPECT_EQ(products->products(1).model_version(), 5);
}

TEST_F(HessianVectorProductsTest, AStreamThatFailsIsItsError) {
  derivatives_.end = {grpc::StatusCode::RESOURCE_EXHAUSTED, "too much"};
  EXPECT_EQ(Products().status().code(), absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace backprop::client
