// Pages of a list, by the rules of AIP-158.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "core/error.h"
#include "server/services/limits.h"

namespace backprop::server {

// Items of a page, or INVALID_ARGUMENT for a negative size. Sizes above the limit mean the limit.
inline absl::StatusOr<size_t> PageSize(int32_t page_size) {
  if (page_size < 0) return InvalidField("page_size", absl::StrCat("must be 0 or more, but is ", page_size));
  return page_size == 0 ? kDefaultPageSize : std::min(page_size, kMaxPageSize);
}

}  // namespace backprop::server
