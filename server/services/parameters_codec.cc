#include "server/services/parameters_codec.h"

#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/services/matrix_codec.h"

namespace backprop::server {
namespace {

// Stands for parameters that were refused.
template <typename Scalar>
Parameters<Scalar> NoParameters() {
  return Parameters<Scalar>(std::make_shared<const ParameterLayout>());
}

}  // namespace

template <typename Scalar>
Parameters<Scalar> DecodeParameters(const v1::Parameters& wire, const NetworkSpec& spec, const std::string& field,
                                    Violations* violations) {
  if (wire.layers_size() != spec.layer_count()) {
    violations->Add(absl::StrCat(field, ".layers"),
                    absl::StrCat("must be ", spec.layer_count(),
                                 ", hidden layers first and then the output layer, but are ", wire.layers_size()));
    return NoParameters<Scalar>();
  }
  std::vector<Matrix<Scalar>> weights, biases;
  bool good = true;
  for (int i = 0; i < spec.layer_count(); ++i) {
    const std::string layer_field = absl::StrCat(field, ".layers[", i, "]");
    const LayerShape& shape = spec.layout()->layers[i];
    weights.push_back(DecodeMatrix<Scalar>(wire.layers(i).weights(),
                                           {.row_count = shape.unit_count, .column_count = shape.input_count},
                                           absl::StrCat(layer_field, ".weights"), violations));
    biases.push_back(DecodeMatrix<Scalar>(wire.layers(i).biases(), {.row_count = shape.unit_count, .column_count = 1},
                                          absl::StrCat(layer_field, ".biases"), violations));
    good = good && weights.back().size() > 0 && biases.back().size() > 0;
  }
  // Nothing is allocated for a network of millions of parameters before as many numbers have come.
  if (!good) return NoParameters<Scalar>();
  Parameters<Scalar> parameters(spec.layout());
  for (int layer = 1; layer <= spec.layer_count(); ++layer) {
    parameters.weights(layer) = weights[layer - 1].transpose();
    parameters.biases(layer) = biases[layer - 1].transpose();
  }
  return parameters;
}

template <typename Scalar>
void EncodeLayerParameters(const Parameters<Scalar>& parameters, int layer, v1::LayerParameters* wire) {
  const LayerShape& shape = parameters.shape(layer);
  EncodeMatrix(parameters.weights(layer).data(), shape.unit_count, shape.input_count, wire->mutable_weights());
  EncodeMatrix(parameters.biases(layer).data(), shape.unit_count, 1, wire->mutable_biases());
}

template <typename Scalar>
void EncodeParameters(const Parameters<Scalar>& parameters, int64_t model_version, v1::Parameters* wire) {
  for (int layer = 1; layer <= parameters.layer_count(); ++layer) {
    EncodeLayerParameters(parameters, layer, wire->add_layers());
  }
  wire->set_model_version(model_version);
}

template Parameters<float> DecodeParameters(const v1::Parameters&, const NetworkSpec&, const std::string&, Violations*);
template void EncodeLayerParameters(const Parameters<float>&, int, v1::LayerParameters*);
template void EncodeParameters(const Parameters<float>&, int64_t, v1::Parameters*);
template Parameters<double> DecodeParameters(const v1::Parameters&, const NetworkSpec&, const std::string&,
                                             Violations*);
template void EncodeLayerParameters(const Parameters<double>&, int, v1::LayerParameters*);
template void EncodeParameters(const Parameters<double>&, int64_t, v1::Parameters*);

}  // namespace backprop::server
