// How fast a server trains a session.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "client/client.h"

namespace backprop::bench {

// Of the set that MeasureTraining trains on.
inline constexpr int32_t kTrainingPatterns = 8192;

// Makes `sessions/{id}` with its training set.
absl::Status PrepareTraining(const client::Client& client, const std::string& session_id);

// Patterns a second of `epoch_count` epochs in batches of 128, from the call to the end of its reports.
absl::StatusOr<double> MeasureTraining(const client::Client& client, const std::string& session_id,
                                       int64_t epoch_count);

}  // namespace backprop::bench
