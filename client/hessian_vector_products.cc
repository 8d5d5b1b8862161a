#include "client/hessian_vector_products.h"

#include <utility>

namespace backprop::client {
namespace {

v1::Parameters* At(int index, google::protobuf::RepeatedPtrField<v1::Parameters>* vectors) {
  while (vectors->size() <= index) vectors->Add();
  return vectors->Mutable(index);
}

v1::Parameters* VectorOf(const v1::StreamHessianVectorProductResponse& layer,
                         v1::ComputeHessianVectorProductResponse* products) {
  switch (layer.vector()) {
    case v1::StreamHessianVectorProductResponse::VECTOR_PRODUCT:
      return At(layer.index(), products->mutable_products());
    case v1::StreamHessianVectorProductResponse::VECTOR_RANDOM_DIRECTION:
      return At(layer.index(), products->mutable_random_directions());
    default:
      return products->mutable_gradient();
  }
}

}  // namespace

void AddLayer(v1::StreamHessianVectorProductResponse layer, v1::ComputeHessianVectorProductResponse* products) {
  v1::Parameters* const vector = VectorOf(layer, products);
  vector->set_model_version(layer.model_version());
  *vector->add_layers() = std::move(*layer.mutable_parameters());
  products->set_log_likelihood(layer.log_likelihood());
  products->set_pattern_count(layer.pattern_count());
  products->set_model_version(layer.model_version());
}

absl::StatusOr<v1::ComputeHessianVectorProductResponse> HessianVectorProducts(
    const Client& client, const v1::ComputeHessianVectorProductRequest& request, CallOptions options) {
  v1::StreamHessianVectorProductRequest streamed;
  *streamed.mutable_request() = request;
  const std::unique_ptr<ProductLayers> layers = client.StreamHessianVectorProduct(streamed, options);
  v1::ComputeHessianVectorProductResponse products;
  for (v1::StreamHessianVectorProductResponse layer; layers->Read(&layer);) AddLayer(std::move(layer), &products);
  if (absl::Status status = layers->Finish(); !status.ok()) return status;
  return products;
}

}  // namespace backprop::client
