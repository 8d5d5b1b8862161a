// Parts of messages, as tests of the services write and read them.
#pragma once

#include <string>
#include <vector>

#include "backprop/v1/matrix.pb.h"
#include "backprop/v1/parameters.pb.h"

namespace backprop::server {

// A matrix of ones, in as few bytes as there are.
inline void Fill(v1::Matrix* matrix, int row_count, int column_count) {
  matrix->set_row_count(row_count);
  matrix->set_column_count(column_count);
  matrix->set_raw_type(v1::Matrix::RAW_TYPE_UINT8);
  matrix->set_raw_values(std::string(static_cast<size_t>(row_count) * static_cast<size_t>(column_count), '\1'));
}

// The numbers of parameters of FLOAT64: for each layer the weights row by row, then the biases.
inline std::vector<double> FlatOf(const v1::Parameters& parameters) {
  std::vector<double> flat;
  for (const v1::LayerParameters& layer : parameters.layers()) {
    for (const v1::Matrix* matrix : {&layer.weights(), &layer.biases()}) {
      flat.insert(flat.end(), matrix->double_values().begin(), matrix->double_values().end());
    }
  }
  return flat;
}

}  // namespace backprop::server
