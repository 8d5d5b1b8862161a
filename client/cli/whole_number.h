#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace backprop::client {

// Whether `text` is a whole number, if perhaps a very large one.
[[nodiscard]] inline bool IsInDigits(absl::string_view text) {
  absl::ConsumePrefix(&text, "-");
  return !text.empty() && text.find_first_not_of("0123456789") == absl::string_view::npos;
}

// A check for CLI::Option: empty for a whole number from `least` to the largest `Number`, else what is wrong. CLI11 by
// itself takes a number that is too large for the largest, and words the limits of its ranges as floating point.
template <typename Number = int64_t>
[[nodiscard]] std::function<std::string(const std::string&)> WholeNumber(
    Number least = std::numeric_limits<Number>::min()) {
  return [least](const std::string& text) -> std::string {
    Number number = 0;
    if (absl::SimpleAtoi(text, &number) && number >= least) return "";
    if (!IsInDigits(text)) return absl::StrCat("must be a whole number, but is ", text);
    return absl::StrCat("must be a whole number from ", least, " to ", std::numeric_limits<Number>::max(), ", but is ",
                        text);
  };
}

}  // namespace backprop::client
