#include "core/error.h"

#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace backprop {
namespace {

constexpr char kReasonPayload[] = "backprop/reason";
constexpr char kViolationsPayload[] = "backprop/violations";
constexpr char kRetryDelayPayload[] = "backprop/retry-delay-ms";

// ASCII separators: they occur in no field path, and Add takes them out of descriptions, which may quote the caller.
constexpr char kUnit = '\x1f';
constexpr char kRecord = '\x1e';

std::string WithoutSeparators(std::string text) {
  for (char& c : text) {
    if (c == kUnit || c == kRecord) c = '?';
  }
  return text;
}

}  // namespace

void Violations::Add(std::string field, std::string description) {
  if (violations_.size() == kMaxCount) return;
  violations_.push_back({WithoutSeparators(std::move(field)), WithoutSeparators(std::move(description))});
}

void Violations::AddAll(absl::string_view prefix, const absl::Status& status) {
  for (const Violation& violation : ViolationsOf(status)) {
    Add(prefix.empty() ? violation.field : absl::StrCat(prefix, ".", violation.field), violation.description);
  }
}

absl::Status Violations::ToStatus() const {
  if (empty()) return absl::OkStatus();
  const auto in_words = [](std::string* out, const Violation& v) {
    absl::StrAppend(out, v.field, ": ", v.description);
  };
  const auto in_bytes = [](std::string* out, const Violation& v) {
    out->append(v.field).append(1, kUnit).append(v.description);
  };
  absl::Status status = absl::InvalidArgumentError(absl::StrJoin(violations_, "; ", in_words));
  status.SetPayload(kReasonPayload, absl::Cord("INVALID_FIELDS"));
  status.SetPayload(kViolationsPayload, absl::Cord(absl::StrJoin(violations_, std::string(1, kRecord), in_bytes)));
  return status;
}

absl::Status InvalidField(std::string field, std::string description) {
  Violations violations;
  violations.Add(std::move(field), std::move(description));
  return violations.ToStatus();
}

absl::Status Error(absl::StatusCode code, absl::string_view reason, absl::string_view message) {
  absl::Status status(code, message);
  status.SetPayload(kReasonPayload, absl::Cord(reason));
  return status;
}

absl::Status WithRetryDelay(absl::Status status, std::chrono::milliseconds delay) {
  status.SetPayload(kRetryDelayPayload, absl::Cord(absl::StrCat(delay.count())));
  return status;
}

std::string ReasonOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kReasonPayload);
  return payload ? std::string(*payload) : std::string();
}

std::vector<Violation> ViolationsOf(const absl::Status& status) {
  std::vector<Violation> violations;
  const auto payload = status.GetPayload(kViolationsPayload);
  if (!payload) return violations;
  for (absl::string_view record : absl::StrSplit(std::string(*payload), kRecord)) {
    const std::pair<std::string, std::string> parts = absl::StrSplit(record, absl::MaxSplits(kUnit, 1));
    violations.push_back({parts.first, parts.second});
  }
  return violations;
}

std::optional<std::chrono::milliseconds> RetryDelayOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kRetryDelayPayload);
  int64_t milliseconds = 0;
  if (!payload || !absl::SimpleAtoi(std::string(*payload), &milliseconds)) return std::nullopt;
  return std::chrono::milliseconds(milliseconds);
}

}  // namespace backprop
