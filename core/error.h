// The errors of the core and of the domain: an absl::Status with a machine-readable reason and, for bad input, every
// violation with the path of its field. They travel as payloads of the status.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace backprop {

// What is wrong with one field of a request. `field` is a path such as `hidden_layers[1].unit_count`; `description`
// says what was found and what would be right.
struct Violation {
  std::string field;
  std::string description;
  bool operator==(const Violation&) const = default;
};

// A list of violations under construction. Not thread-safe.
class Violations {
 public:
  // At most so many are kept: an error message stays readable, and bounded whatever the request.
  static constexpr size_t kMaxCount = 32;

  void Add(std::string field, std::string description);
  // Adds the violations of `status`, their fields prefixed by `prefix` and a dot; none when it is OK.
  void AddAll(absl::string_view prefix, const absl::Status& status);
  bool empty() const { return violations_.empty(); }
  // OK when empty, else INVALID_ARGUMENT, reason INVALID_FIELDS, naming all of them.
  absl::Status ToStatus() const;

 private:
  std::vector<Violation> violations_;
};

// INVALID_ARGUMENT with the one violation.
absl::Status InvalidField(std::string field, std::string description);

// An error with a reason in UPPER_SNAKE and a message that says what to change.
absl::Status Error(absl::StatusCode code, absl::string_view reason, absl::string_view message);

// `status` with a fact for programs: of a limit "limit", of an active run "training_run". A key is given once.
absl::Status WithMetadata(absl::Status status, absl::string_view key, absl::string_view value);
absl::Status WithMetadata(absl::Status status, absl::string_view key, int64_t value);

// `status` with the advice to try again after `delay`.
absl::Status WithRetryDelay(absl::Status status, std::chrono::milliseconds delay);

// The reason given to Error, INVALID_FIELDS for violations, or empty.
std::string ReasonOf(const absl::Status& status);
std::vector<Violation> ViolationsOf(const absl::Status& status);
std::map<std::string, std::string> MetadataOf(const absl::Status& status);
std::optional<std::chrono::milliseconds> RetryDelayOf(const absl::Status& status);

}  // namespace backprop
