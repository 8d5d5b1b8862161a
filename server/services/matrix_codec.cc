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
bool CheckShape(const v1::Matrix& wire, const MatrixShape& shape, const std::string& field, Violations* violations) {
  const std::string rows =
      shape.row_count ? absl::StrCat(*shape.row_count) : absl::StrCat("1 to ", shape.max_row_count);
  const bool rows_fit = shape.row_count ? wire.row_count() == *shape.row_count
                                        : wire.row_count() >= 1 && wire.row_count() <= shape.max_row_count;
  if (!rows_fit) {
    violations->Add(absl::StrCat(field, ".row_count"), absl::StrCat("must be ", rows, ", but is ", wire.row_count()));
  }
  if (wire.column_count() != shape.column_count) {
    violations->Add(absl::StrCat(field, ".column_count"),
                    absl::StrCat("must be ", shape.column_count, ", but is ", wire.column_count()));
  }
  return rows_fit && wire.column_count() == shape.column_count;
}

// True when exactly one field holds exactly `count` elements.
bool CheckElements(const v1::Matrix& wire, int64_t count, const std::string& field, Violations* violations) {
  const int given = (wire.values_size() > 0) + (wire.double_values_size() > 0) + !wire.raw_values().empty();
  if (given != 1) {
    violations->Add(field,
                    absl::StrCat("must have its elements in exactly one of values, double_values and raw_values, "
                                 "but has ",
                                 given == 0 ? "none" : "several"));
    return false;
  }
  if (wire.raw_values().empty() && wire.raw_scale() != 0 && wire.raw_scale() != 1) {
    violations->Add(absl::StrCat(field, ".raw_scale"), "is for raw_values, and there are none; scale the values");
    return false;
  }
  int64_t found = wire.values_size() + wire.double_values_size(), wanted = count;
  std::string name = wire.values_size() > 0 ? ".values" : ".double_values", unit = " elements";
  if (!wire.raw_values().empty()) {
    name = ".raw_values";
    unit = " bytes";
    found = std::ssize(wire.raw_values());
    wanted = count * RawElementBytes(wire.raw_type());
    if (wanted == 0) {
      violations->Add(absl::StrCat(field, ".raw_type"), "must say FLOAT32, FLOAT64 or UINT8");
      return false;
    }
    if (!std::isfinite(wire.raw_scale())) {
      violations->Add(absl::StrCat(field, ".raw_scale"), "must be finite; 0 means 1");
      return false;
    }
  }
  if (found == wanted) return true;
  violations->Add(absl::StrCat(field, name),
                  absl::StrCat("must hold row_count x column_count elements, ", wanted, unit, ", but holds ", found));
  return false;
}

// Elements that are converted at a time: what is checked next is in the cache.
constexpr int64_t kElementsAtOnce = 4096;

template <typename Raw, typename Scalar>
void ConvertRaw(const v1::Matrix& wire, int64_t begin, Eigen::Ref<Vector<Scalar>> elements) {
  // The bytes of a protobuf string have no alignment to speak of, and a misaligned Raw* must not be dereferenced.
  Raw copy[kElementsAtOnce];
  const auto size = static_cast<size_t>(elements.size()), first = static_cast<size_t>(begin);
  std::memcpy(copy, wire.raw_values().data() + first * sizeof(Raw), size * sizeof(Raw));
  const Eigen::Map<const Vector<Raw>> raw(copy, elements.size());
  const double scale = wire.raw_scale() == 0 ? 1 : wire.raw_scale();
  if (scale == 1) {
    elements = raw.template cast<Scalar>();
  } else {
    elements = (raw.template cast<double>() * scale).template cast<Scalar>();
  }
}

// Elements `begin` and the next ones, at most kElementsAtOnce.
template <typename Scalar>
void Convert(const v1::Matrix& wire, int64_t begin, Eigen::Ref<Vector<Scalar>> elements) {
  if (wire.values_size() > 0) {
    elements = Eigen::Map<const Vector<float>>(wire.values().data() + begin, elements.size()).template cast<Scalar>();
  } else if (wire.double_values_size() > 0) {
    elements =
        Eigen::Map<const Vector<double>>(wire.double_values().data() + begin, elements.size()).template cast<Scalar>();
  } else if (wire.raw_type() == v1::Matrix::RAW_TYPE_FLOAT32) {
    ConvertRaw<float, Scalar>(wire, begin, elements);
  } else if (wire.raw_type() == v1::Matrix::RAW_TYPE_FLOAT64) {
    ConvertRaw<double, Scalar>(wire, begin, elements);
  } else {
    ConvertRaw<uint8_t, Scalar>(wire, begin, elements);
  }
}

// All elements. False when one is not finite.
template <typename Scalar>
bool ConvertAll(const v1::Matrix& wire, Matrix<Scalar>* matrix) {
  bool finite = true;
  Eigen::Map<Vector<Scalar>> all(matrix->data(), matrix->size());
  for (int64_t begin = 0; begin < all.size(); begin += kElementsAtOnce) {
    auto elements = all.segment(begin, std::min(kElementsAtOnce, all.size() - begin));
    Convert<Scalar>(wire, begin, elements);
    // 0 times a number is 0 unless that is not finite. Unlike Eigen's allFinite this is as fast as the memory.
    finite = (elements.array() * Scalar(0)).sum() == Scalar(0) && finite;
  }
  return finite;
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

template <typename Scalar>
Matrix<Scalar> DecodeMatrix(const v1::Matrix& wire, const MatrixShape& shape, const std::string& field,
                            Violations* violations) {
  if (!CheckShape(wire, shape, field, violations)) return {};
  if (!CheckElements(wire, int64_t{wire.row_count()} * wire.column_count(), field, violations)) return {};
  Matrix<Scalar> matrix(wire.column_count(), wire.row_count());
  if (ConvertAll(wire, &matrix)) return matrix;
  for (Eigen::Index row = 0; row < matrix.cols(); ++row) {
    for (Eigen::Index column = 0; column < matrix.rows(); ++column) {
      if (std::isfinite(matrix(column, row))) continue;
      const bool nan = std::isnan(matrix(column, row));
      violations->Add(
          field, absl::StrCat("must be finite", std::is_same_v<Scalar, float> ? " in FLOAT32" : "", ", but row ", row,
                              ", column ", column, " is ", nan ? "NaN" : "infinite", "; rows count from 0"));
      return {};
    }
  }
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

template Matrix<float> DecodeMatrix(const v1::Matrix&, const MatrixShape&, const std::string&, Violations*);
template Matrix<double> DecodeMatrix(const v1::Matrix&, const MatrixShape&, const std::string&, Violations*);
template void EncodeMatrix(const float*, int64_t, int64_t, v1::Matrix*);
template void EncodeMatrix(const double*, int64_t, int64_t, v1::Matrix*);

}  // namespace backprop::server
