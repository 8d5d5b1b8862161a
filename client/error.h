// Errors of the server as absl::Status: the same code and message, and the details of google.rpc.Status as payloads.
#pragma once

#include <grpcpp/support/status.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "google/rpc/status.pb.h"

namespace backprop::client {

// One field of a request that the server refused.
struct FieldViolation {
  // Path in the request, for instance `session.network.hidden_layers[1].unit_count`.
  std::string field;
  std::string description;

  bool operator==(const FieldViolation&) const = default;
};

// What the server said beside code and message. Parts that it left out are empty.
struct ErrorDetails {
  // google.rpc.ErrorInfo: a reason in UPPER_SNAKE that is unique in the domain (`backprop`), and its circumstances.
  std::string reason;
  std::string domain;
  std::map<std::string, std::string> metadata;
  // google.rpc.BadRequest.
  std::vector<FieldViolation> field_violations;
  // google.rpc.RetryInfo: the least time to wait before asking again.
  std::optional<absl::Duration> retry_delay;
};

// The details in `status`'s payloads; a payload that does not parse counts as left out.
[[nodiscard]] ErrorDetails DetailsOf(const absl::Status& status);

// The status of a call, with what grpc-status-details-bin carried as payloads. OK gives OK.
[[nodiscard]] absl::Status StatusFrom(const grpc::Status& status);

// The `status` of a streamed answer, in the same form.
[[nodiscard]] absl::Status StatusFrom(const google::rpc::Status& status);

// `status` with ` (note)` behind its message; code and details stay.
[[nodiscard]] absl::Status WithNote(const absl::Status& status, absl::string_view note);

// What the server says of a batch of patterns. A refusal names rows of the batch: where that begins is added.
[[nodiscard]] absl::Status InBatch(const absl::Status& status, int64_t first_pattern);

}  // namespace backprop::client
