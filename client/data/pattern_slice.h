#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "client/data/pattern_reader.h"

namespace backprop::client {

// A part of what another reader reads: `count` patterns (none: all) behind the first `skip`. One thread.
class PatternSlice final : public PatternReader {
 public:
  PatternSlice(std::unique_ptr<PatternReader> reader, int64_t skip, std::optional<int64_t> count)
      : reader_(std::move(reader)), skip_(skip), left_(count) {}

  absl::StatusOr<std::optional<v1::Patterns>> Next(int32_t max_pattern_count) override;

 private:
  const std::unique_ptr<PatternReader> reader_;
  int64_t skip_;
  std::optional<int64_t> left_;
};

}  // namespace backprop::client
