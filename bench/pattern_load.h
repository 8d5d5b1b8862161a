// Streams of patterns into a server, as fast as it acknowledges them.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backprop/v1/pattern_service.pb.h"
#include "client/client.h"

namespace backprop::bench {

// Units of the network that all rows of this benchmark use: 784-128-10, float32.
inline constexpr int32_t kInputUnits = 784;
inline constexpr int32_t kHiddenUnits = 128;
inline constexpr int32_t kOutputUnits = 10;

// `count` patterns of random inputs and one class each, the targets as a matrix: 3176 bytes a pattern.
v1::Patterns RandomPatterns(int32_t count);

// Creates `sessions/{id}`.
absl::Status CreateSession(const client::Client& client, const std::string& id);

struct PatternLoad {
  // Bytes of a message are those of its patterns, nearly.
  int32_t patterns_per_message = 1;
  // Each appends to a set of its own; all share the client's connection.
  int stream_count = 1;
  // Bytes sent and not yet acknowledged, of all streams; each stream has 16 messages at least.
  int64_t window_bytes = 0;
  // Whether messages carry their CRC-32, as those of client::PatternWriter do.
  bool checksums = true;
  double seconds = 1;
  // Where the load ends if it has not by time.
  int64_t byte_limit = 0;
};

// Bytes of messages acknowledged a second, from the first write to the last acknowledgement within the time. What is on
// its way then is dropped. Messages are made before, and are the same but for their offsets.
absl::StatusOr<double> MeasureAppends(const client::Client& client, const std::string& session_id,
                                      const PatternLoad& load);

}  // namespace backprop::bench
