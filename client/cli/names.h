#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "client/client.h"

namespace backprop::client {

// `sessions/{name}`; a full name stays as it is.
[[nodiscard]] std::string SessionName(const std::string& name);

// The id in a full session name; an id stays as it is.
[[nodiscard]] std::string SessionId(const std::string& name);

[[nodiscard]] std::string PatternSetName(const std::string& session, const std::string& pattern_set);

// The training run that `name` means: a run's full name itself, or for a session its active run, else its newest.
// NOT_FOUND when the session has none.
absl::StatusOr<std::string> FindTrainingRun(const Client& client, const std::string& name);

}  // namespace backprop::client
