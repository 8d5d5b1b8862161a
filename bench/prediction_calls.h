// Predict calls over gRPC, one after the other.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "client/client.h"

namespace backprop::bench {

struct CallTimes {
  double calls_per_second = 0;  // Of all callers.
  double p50 = 0, p99 = 0;      // Seconds of a call.
};

// `caller_count` threads, each with a connection of its own to `address`, have `sessions/{session_id}` of kInputUnits
// predict one pattern a call for `seconds`, not counting a few calls before.
absl::StatusOr<CallTimes> MeasurePredictCalls(const std::string& address, const std::string& session_id,
                                              int caller_count, double seconds);

}  // namespace backprop::bench
