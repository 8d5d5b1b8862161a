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
constexpr char kMetadataPayload[] = "backprop/metadata";
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

// What a payload has in records of two units.
std::vector<std::pair<std::string, std::string>> PairsOf(const absl::Status& status, absl::string_view payload_type) {
  std::vector<std::pair<std::string, std::string>> pairs;
  const auto payload = status.GetPayload(payload_type);
  if (!payload) return pairs;
  for (absl::string_view record : absl::StrSplit(std::string(*payload), kRecord)) {
    pairs.push_back(absl::StrSplit(record, absl::MaxSplits(kUnit, 1)));
  }
  return pairs;
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

absl::Status WithMetadata(absl::Status status, absl::string_view key, absl::string_view value) {
  const auto before = status.GetPayload(kMetadataPayload);
  std::string all = before ? std::string(*before) + kRecord : std::string();
  absl::StrAppend(&all, key, std::string(1, kUnit), WithoutSeparators(std::string(value)));
  status.SetPayload(kMetadataPayload, absl::Cord(all));
  return status;
}

absl::Status WithMetadata(absl::Status status, absl::string_view key, int64_t value) {
  return WithMetadata(std::move(status), key, absl::StrCat(value));
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
  for (auto& [field, description] : PairsOf(status, kViolationsPayload)) {
    violations.push_back({std::move(field), std::move(description)});
  }
  return violations;
}

std::map<std::string, std::string> MetadataOf(const absl::Status& status) {
  const std::vector<std::pair<std::string, std::string>> pairs = PairsOf(status, kMetadataPayload);
  return {pairs.begin(), pairs.end()};
}

std::optional<std::chrono::milliseconds> RetryDelayOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kRetryDelayPayload);
  int64_t milliseconds = 0;
  if (!payload || !absl::SimpleAtoi(std::string(*payload), &milliseconds)) return std::nullopt;
  return std::chrono::milliseconds(milliseconds);
}

}  // namespace backprop
