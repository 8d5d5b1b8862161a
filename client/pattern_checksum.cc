#include "client/pattern_checksum.h"

#include <zlib.h>

#include <bit>
#include <cstddef>

namespace backprop::client {
namespace {

// The elements are summed as they lie in memory.
static_assert(std::endian::native == std::endian::little);

uLong Add(uLong checksum, const void* bytes, size_t byte_count) {
  return crc32_z(checksum, static_cast<const Bytef*>(bytes), byte_count);
}

template <typename Elements>
uLong AddElements(uLong checksum, const Elements& elements) {
  // zlib takes a null pointer as the wish for the initial value.
  if (elements.empty()) return checksum;
  return Add(checksum, elements.data(), static_cast<size_t>(elements.size()) * sizeof(*elements.data()));
}

uLong AddMatrix(uLong checksum, const v1::Matrix& matrix) {
  checksum = AddElements(checksum, matrix.values());
  checksum = AddElements(checksum, matrix.double_values());
  return AddElements(checksum, matrix.raw_values());
}

}  // namespace

uint32_t ChecksumOf(const v1::Patterns& patterns) {
  uLong checksum = crc32_z(0, nullptr, 0);
  checksum = AddMatrix(checksum, patterns.inputs());
  checksum = AddMatrix(checksum, patterns.targets());
  checksum = AddElements(checksum, patterns.target_classes());
  checksum = AddElements(checksum, patterns.pattern_weights());
  return static_cast<uint32_t>(checksum);
}

}  // namespace backprop::client
