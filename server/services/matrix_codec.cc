#include "server/services/matrix_codec.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "absl/strings/str_cat.h"
#include "server/services/limits.h"

namespace backprop::server {
namespace {

static_assert(std::endian::native == std::endian::little, "raw_values are little-endian");

int64_t RawElementBytes(v1::Matrix::RawType type) {
  switch (type) {
    case v1::Matrix::RAW_TYPE_FLOAT32:
      return 4;
    case v1::Matrix::RAW_TYPE_FLOAT64:
      return 8;
    case v1::Matrix::RAW_TYPE_UINT8:
      return 1;
    default:
      return 0;
  }
}

// True when row_count and column_count are as wanted.
bool CheckShape(const MatrixView& wire, const MatrixShape& shape, const std::string& field, Violations* violations) {
  const std::string rows =
      shape.row_count ? absl::StrCat(*shape.row_count) : absl::StrCat("1 to ", shape.max_row_count);
  const bool rows_fit = shape.row_count ? wire.row_count == *shape.row_count
                                        : wire.row_count >= 1 && wire.row_count <= shape.max_row_count;
  if (!rows_fit) {
    violations->Add(absl::StrCat(field, ".row_count"), absl::StrCat("must be ", rows, ", but is ", wire.row_count));
  }
  if (wire.column_count != shape.column_count) {
    violations->Add(absl::StrCat(field, ".column_count"),
                    absl::StrCat("must be ", shape.column_count, ", but is ", wire.column_count));
  }
  return rows_fit && wire.column_count == shape.column_count;
}

// True when exactly one field holds exactly `count` elements.
bool CheckElements(const MatrixView& wire, int64_t count, const std::string& field, Violations* violations) {
  const int given = !wire.values.empty() + !wire.double_values.empty() + !wire.raw_values.empty();
  if (given != 1) {
    violations->Add(field,
                    absl::StrCat("must have its elements in exactly one of values, double_values and raw_values, "
                                 "but has ",
                                 given == 0 ? "none" : "several"));
    return false;
  }
  if (wire.raw_values.empty() && wire.raw_scale != 0 && wire.raw_scale != 1) {
    violations->Add(absl::StrCat(field, ".raw_scale"), "is for raw_values, and there are none; scale the values");
    return false;
  }
  int64_t found = wire.values.size() / int64_t{sizeof(float)} + wire.double_values.size() / int64_t{sizeof(double)};
  int64_t wanted = count;
  std::string name = !wire.values.empty() ? ".values" : ".double_values", unit = " elements";
  if (!wire.raw_values.empty()) {
    name = ".raw_values";
    unit = " bytes";
    found = wire.raw_values.size();
    wanted = count * RawElementBytes(wire.raw_type);
    if (wanted == 0) {
      violations->Add(absl::StrCat(field, ".raw_type"), "must say FLOAT32, FLOAT64 or UINT8");
      return false;
    }
    if (!std::isfinite(wire.raw_scale)) {
      violations->Add(absl::StrCat(field, ".raw_scale"), "must be finite; 0 means 1");
      return false;
    }
  }
  if (found == wanted) return true;
  violations->Add(absl::StrCat(field, name),
                  absl::StrCat("must hold row_count x column_count elements, ", wanted, unit, ", but holds ", found));
  return false;
}

}  // namespace

template <typename Scalar>
bool CheckDecodedBytes(int64_t row_count, int64_t unit_count, const std::string& field, Violations* violations) {
  const int64_t most = kMaxDecodedBytes / (unit_count * int64_t{sizeof(Scalar)});
  if (row_count <= most) return true;
  violations->Add(field, absl::StrCat("must be at most ", most, " patterns of this network at a time, but are ",
                                      row_count, "; send them in several batches"));
  return false;
}

template bool CheckDecodedBytes<float>(int64_t, int64_t, const std::string&, Violations*);
template bool CheckDecodedBytes<double>(int64_t, int64_t, const std::string&, Violations*);

bool CheckMatrix(const MatrixView& wire, const MatrixShape& shape, const std::string& field, Violations* violations) {
  return CheckShape(wire, shape, field, violations) &&
         CheckElements(wire, wire.row_count * wire.column_count, field, violations);
}

template <typename Scalar>
ElementDecoder<Scalar>::ElementDecoder(const MatrixView& wire)
    : runs_(&(!wire.values.empty()          ? wire.values.runs()
              : !wire.double_values.empty() ? wire.double_values.runs()
                                            : wire.raw_values.runs())),
      type_(!wire.values.empty()          ? v1::Matrix::RAW_TYPE_FLOAT32
            : !wire.double_values.empty() ? v1::Matrix::RAW_TYPE_FLOAT64
                                          : wire.raw_type),
      scale_(wire.raw_scale == 0 ? 1 : wire.raw_scale) {}

template <typename Scalar>
void ElementDecoder<Scalar>::Take(char* to, size_t size) {
  while (size > 0) {
    const std::string_view left = (*runs_)[run_].substr(at_);
    const size_t n = std::min(size, left.size());
    std::memcpy(to, left.data(), n);
    to += n;
    size -= n;
    at_ += n;
    if (n < left.size()) return;
    ++run_;
    at_ = 0;
  }
}

template <typename Scalar>
template <typename Raw>
void ElementDecoder<Scalar>::Convert(Scalar* to, int64_t count) {
  const size_t size = static_cast<size_t>(count) * sizeof(Raw);
  if (std::is_same_v<Raw, Scalar> && scale_ == 1) return Take(reinterpret_cast<char*>(to), size);
  // Received bytes have no alignment to speak of.
  Raw copy[kElementsAtOnce];
  Take(reinterpret_cast<char*>(copy), size);
  const Eigen::Map<const Vector<Raw>> raw(copy, count);
  Eigen::Map<Vector<Scalar>> elements(to, count);
  if (scale_ == 1) {
    elements = raw.template cast<Scalar>();
  } else {
    elements = (raw.template cast<double>() * scale_).template cast<Scalar>();
  }
}

template <typename Scalar>
bool ElementDecoder<Scalar>::Decode(Scalar* to, int64_t count) {
  bool finite = true;
  while (count > 0) {
    const int64_t n = std::min(count, kElementsAtOnce);
    if (type_ == v1::Matrix::RAW_TYPE_FLOAT32) {
      Convert<float>(to, n);
    } else if (type_ == v1::Matrix::RAW_TYPE_FLOAT64) {
      Convert<double>(to, n);
    } else {
      Convert<uint8_t>(to, n);
    }
    // 0 times a number is 0 unless that is not finite. Unlike Eigen's allFinite this is as fast as the memory.
    finite = (Eigen::Map<Vector<Scalar>>(to, n).array() * Scalar(0)).sum() == Scalar(0) && finite;
    to += n;
    count -= n;
  }
  return finite;
}

template <typename Scalar>
void AddNotFinite(const MatrixView& wire, const std::string& field, Violations* violations) {
  ElementDecoder<Scalar> decoder(wire);
  Vector<Scalar> row(wire.column_count);
  for (int64_t t = 0; t < wire.row_count; ++t) {
    if (decoder.Decode(row.data(), row.size())) continue;
    Eigen::Index column = 0;
    while (std::isfinite(row(column))) ++column;
    violations->Add(field, absl::StrCat("must be finite", std::is_same_v<Scalar, float> ? " in FLOAT32" : "",
                                        ", but row ", t, ", column ", column, " is ",
                                        std::isnan(row(column)) ? "NaN" : "infinite", "; rows count from 0"));
    return;
  }
}

template <typename Scalar>
Matrix<Scalar> DecodeMatrix(const MatrixView& wire, const MatrixShape& shape, const std::string& field,
                            Violations* violations) {
  if (!CheckMatrix(wire, shape, field, violations)) return {};
  Matrix<Scalar> matrix(wire.column_count, wire.row_count);
  if (ElementDecoder<Scalar>(wire).Decode(matrix.data(), matrix.size())) return matrix;
  AddNotFinite<Scalar>(wire, field, violations);
  return {};
}

template <typename Scalar>
void EncodeMatrix(const Scalar* elements, int64_t row_count, int64_t column_count, v1::Matrix* wire) {
  wire->set_row_count(static_cast<int32_t>(row_count));
  wire->set_column_count(static_cast<int32_t>(column_count));
  const Scalar* const end = elements + row_count * column_count;
  if constexpr (std::is_same_v<Scalar, float>) {
    wire->mutable_values()->Assign(elements, end);
  } else {
    wire->mutable_double_values()->Assign(elements, end);
  }
}

template class ElementDecoder<float>;
template class ElementDecoder<double>;
template void AddNotFinite<float>(const MatrixView&, const std::string&, Violations*);
template void AddNotFinite<double>(const MatrixView&, const std::string&, Violations*);
template Matrix<float> DecodeMatrix(const MatrixView&, const MatrixShape&, const std::string&, Violations*);
template Matrix<double> DecodeMatrix(const MatrixView&, const MatrixShape&, const std::string&, Violations*);
template void EncodeMatrix(const float*, int64_t, int64_t, v1::Matrix*);
template void EncodeMatrix(const double*, int64_t, int64_t, v1::Matrix*);

}  // namespace backprop::server
