// Matrices of the wire whose elements are borrowed: from a decoded message, or from the bytes that were received.
#pragma once

#include <cstdint>
#include <string_view>

#include "absl/container/inlined_vector.h"
#include "backprop/v1/matrix.pb.h"
#include "backprop/v1/patterns.pb.h"

namespace backprop::server {

// Elements as bytes, little-endian, in one run or in several, one behind the other; an element may lie in two of them.
class ElementBytes {
 public:
  using Runs = absl::InlinedVector<std::string_view, 1>;

  void Add(std::string_view run) {
    if (run.empty()) return;
    runs_.push_back(run);
    size_ += static_cast<int64_t>(run.size());
  }
  template <typename Element>
  void Add(const google::protobuf::RepeatedField<Element>& elements) {
    Add({reinterpret_cast<const char*>(elements.data()), static_cast<size_t>(elements.size()) * sizeof(Element)});
  }

  int64_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  const Runs& runs() const { return runs_; }

 private:
  Runs runs_;
  int64_t size_ = 0;
};

// A v1::Matrix.
struct MatrixView {
  MatrixView() = default;
  explicit MatrixView(const v1::Matrix& wire) {
    TakeShape(wire);
    values.Add(wire.values());
    double_values.Add(wire.double_values());
    raw_values.Add(wire.raw_values());
  }
  // Takes all of `wire` but its elements.
  void TakeShape(const v1::Matrix& wire) {
    row_count = wire.row_count();
    column_count = wire.column_count();
    raw_type = wire.raw_type();
    raw_scale = wire.raw_scale();
  }

  int64_t row_count = 0;
  int64_t column_count = 0;
  ElementBytes values;
  ElementBytes double_values;
  ElementBytes raw_values;
  v1::Matrix::RawType raw_type = v1::Matrix::RAW_TYPE_UNSPECIFIED;
  double raw_scale = 0;
};

// A v1::Patterns: `rest` has what is no matrix, and says which matrices there are.
struct PatternsView {
  explicit PatternsView(const v1::Patterns& wire) : rest(&wire), inputs(wire.inputs()), targets(wire.targets()) {}

  const v1::Patterns* rest;
  MatrixView inputs;
  MatrixView targets;
};

}  // namespace backprop::server
