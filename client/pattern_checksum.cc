#include "client/pattern_checksum.h"

#include <libdeflate.h>

#include <bit>
#include <cstddef>

namespace backprop::client {
namespace {

// The elements are summed as they lie in memory.
static_assert(std::endian::native == std::endian::little);

template <typename Elements>
uint32_t AddElements(uint32_t checksum, const Elements& elements) {
  // A null pointer, which no elements at all may have, would begin anew.
  if (elements.empty()) return checksum;
  return libdeflate_crc32(checksum, elements.data(), static_cast<size_t>(elements.size()) * sizeof(*elements.data()));
}

uint32_t AddMatrix(uint32_t checksum, const v1::Matrix& matrix) {
  checksum = AddElements(checksum, matrix.values());
  checksum = AddElements(checksum, matrix.double_values());
  return AddElements(checksum, matrix.raw_values());
}

}  // namespace

uint32_t ChecksumOf(const v1::Patterns& patterns) {
  uint32_t checksum = AddMatrix(0, patterns.inputs());
  checksum = AddMatrix(checksum, patterns.targets());
  checksum = AddElements(checksum, patterns.target_classes());
  return AddElements(checksum, patterns.pattern_weights());
}

}  // namespace backprop::client
