#include "client/flat_parameters.h"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <numeric>

#include "absl/strings/str_cat.h"

namespace backprop::client {
namespace {

template <typename T>
void AppendRaw(const v1::Matrix& matrix, std::vector<double>* elements) {
  const double scale = matrix.raw_scale() == 0 ? 1 : matrix.raw_scale();
  const std::string& bytes = matrix.raw_values();
  for (size_t at = 0; at + sizeof(T) <= bytes.size(); at += sizeof(T)) {
    T raw;
    std::memcpy(&raw, bytes.data() + at, sizeof(T));
    elements->push_back(static_cast<double>(raw) * scale);
  }
}

void Append(const v1::Matrix& matrix, std::vector<double>* elements) {
  elements->insert(elements->end(), matrix.values().begin(), matrix.values().end());
  elements->insert(elements->end(), matrix.double_values().begin(), matrix.double_values().end());
  switch (matrix.raw_type()) {
    case v1::Matrix::RAW_TYPE_FLOAT32:
      return AppendRaw<float>(matrix, elements);
    case v1::Matrix::RAW_TYPE_FLOAT64:
      return AppendRaw<double>(matrix, elements);
    case v1::Matrix::RAW_TYPE_UINT8:
      return AppendRaw<uint8_t>(matrix, elements);
    default:
      return;
  }
}

// Units of every layer, the input layer first.
std::vector<int64_t> UnitCounts(const v1::NetworkSpec& network) {
  std::vector<int64_t> counts = {network.input_unit_count()};
  for (const v1::HiddenLayer& layer : network.hidden_layers()) counts.push_back(layer.unit_count());
  counts.push_back(network.output_unit_count());
  return counts;
}

v1::Matrix MatrixOf(std::span<const double> elements, int64_t row_count, int64_t column_count) {
  v1::Matrix matrix;
  matrix.set_row_count(static_cast<int32_t>(row_count));
  matrix.set_column_count(static_cast<int32_t>(column_count));
  matrix.mutable_double_values()->Add(elements.begin(), elements.end());
  return matrix;
}

}  // namespace

std::vector<double> ElementsOf(const v1::Matrix& matrix) {
  std::vector<double> elements;
  Append(matrix, &elements);
  return elements;
}

double EuclideanNorm(std::span<const double> elements) {
  return std::sqrt(std::inner_product(elements.begin(), elements.end(), elements.begin(), 0.0));
}

std::vector<double> FlatOf(const v1::Parameters& parameters) {
  std::vector<double> flat;
  for (const v1::LayerParameters& layer : parameters.layers()) {
    Append(layer.weights(), &flat);
    Append(layer.biases(), &flat);
  }
  return flat;
}

bool IsSinglePrecision(const v1::Parameters& parameters) {
  for (const v1::LayerParameters& layer : parameters.layers()) {
    for (const v1::Matrix* matrix : {&layer.weights(), &layer.biases()}) {
      if (matrix->double_values_size() > 0 || matrix->raw_type() == v1::Matrix::RAW_TYPE_FLOAT64) return false;
    }
  }
  return true;
}

absl::StatusOr<v1::Parameters> ParametersFromFlat(std::span<const double> flat, const v1::NetworkSpec& network) {
  const std::vector<int64_t> unit_counts = UnitCounts(network);
  int64_t parameter_count = 0;
  for (size_t i = 1; i < unit_counts.size(); ++i) parameter_count += unit_counts[i] * (unit_counts[i - 1] + 1);
  if (static_cast<int64_t>(flat.size()) != parameter_count) {
    return absl::InvalidArgumentError(
        absl::StrCat(flat.size(), " numbers for a network of ", parameter_count, " parameters"));
  }
  v1::Parameters parameters;
  for (size_t i = 1; i < unit_counts.size(); ++i) {
    const auto weight_count = static_cast<size_t>(unit_counts[i] * unit_counts[i - 1]);
    const auto bias_count = static_cast<size_t>(unit_counts[i]);
    v1::LayerParameters& layer = *parameters.add_layers();
    *layer.mutable_weights() = MatrixOf(flat.first(weight_count), unit_counts[i], unit_counts[i - 1]);
    *layer.mutable_biases() = MatrixOf(flat.subspan(weight_count, bias_count), unit_counts[i], 1);
    flat = flat.subspan(weight_count + bias_count);
  }
  return parameters;
}

}  // namespace backprop::client
