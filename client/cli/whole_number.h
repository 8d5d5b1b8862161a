#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace backprop::client {

// A check for CLI::Option: empty for a whole number from `least` to the largest `Number`, else what is wrong. CLI11 by
// itself takes a number that is too large for the largest, and words the limits of its ranges as floating point.
template <typename Number = int64_t>
[[nodiscard]] std::function<std::string(const std::string&)> WholeNumber(
    Number least = std::numeric_limits<Number>::min()) {
  return [least](const std::string& text) -> std::string {
    Number number = 0;
    if (absl::SimpleAtoi(text, &number) && number >= least) return "";
    return absl::StrCat("must be a whole number from ", least, " to ", std::numeric_limits<Number>::max(), ", but is ",
                        text);
  };
}

}  // namespace backprop::client
