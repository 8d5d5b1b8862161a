#include "client/data/pattern_slice.h"

#include <algorithm>

namespace backprop::client {

absl::StatusOr<std::optional<v1::Patterns>> PatternSlice::Next(int32_t max_pattern_count) {
  while (skip_ > 0) {
    const auto skipped = reader_->Next(static_cast<int32_t>(std::min<int64_t>(skip_, max_pattern_count)));
    if (!skipped.ok() || !*skipped) return skipped;
    skip_ -= (*skipped)->inputs().row_count();
  }
  if (left_ == 0) return std::nullopt;
  auto patterns =
      reader_->Next(static_cast<int32_t>(std::min<int64_t>(left_.value_or(max_pattern_count), max_pattern_count)));
  if (left_ && patterns.ok() && *patterns) *left_ -= (*patterns)->inputs().row_count();
  return patterns;
}

}  // namespace backprop::client
