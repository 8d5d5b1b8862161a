// Resource names: `sessions/{session}`, `sessions/{session}/patternSets/{pattern_set}`,
// `sessions/{session}/trainingRuns/{training_run}`.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace backprop::server {

// Bytes of an id at most.
inline constexpr size_t kMaxIdBytes = 63;

// True for `[a-z]([a-z0-9-]{0,61}[a-z0-9])?`.
bool IsValidId(absl::string_view id);

// OK or INVALID_ARGUMENT naming `field`.
absl::Status ValidateId(absl::string_view id, absl::string_view field);

std::string SessionName(absl::string_view session);
std::string PatternSetName(absl::string_view session, absl::string_view pattern_set);
std::string TrainingRunName(absl::string_view session, absl::string_view training_run);

// A resource inside a session.
struct ChildName {
  std::string session;
  std::string child;
};

// NOT_FOUND, reason SESSION_NOT_FOUND.
absl::Status SessionNotFound(absl::string_view session);

// The ids in `name`, or INVALID_ARGUMENT naming `field`.
absl::StatusOr<std::string> ParseSessionName(absl::string_view name, absl::string_view field);
absl::StatusOr<ChildName> ParsePatternSetName(absl::string_view name, absl::string_view field);
absl::StatusOr<ChildName> ParseTrainingRunName(absl::string_view name, absl::string_view field);

}  // namespace backprop::server
