#pragma once

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "backprop/v1/patterns.pb.h"

namespace backprop::client {

// Patterns from a file, a batch at a time, so that files larger than memory stream through. One thread.
class PatternReader {
 public:
  virtual ~PatternReader() = default;

  // The next patterns of the file, at least 1 and at most `max_pattern_count`; nothing at the end. Errors name the file
  // and the place in it; after an error the reader is at its end.
  virtual absl::StatusOr<std::optional<v1::Patterns>> Next(int32_t max_pattern_count) = 0;
};

}  // namespace backprop::client
