// Limits of calls; those of values stand beside the values. Each is quoted in the protos or the README.
#pragma once

#include <algorithm>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace backprop::server {

// Bytes of one message, received or sent.
inline constexpr int64_t kMaxMessageBytes = int64_t{256} << 20;
// Bytes of the elements in one answer; the rest of a message is for the frame around them.
inline constexpr int64_t kMaxAnswerBytes = kMaxMessageBytes - (int64_t{1} << 20);
// Bytes that the matrices of one request take in the network's precision: bytes on the wire may be fewer by far.
inline constexpr int64_t kMaxDecodedBytes = int64_t{512} << 20;
// Bytes of patterns in one message of ReadPatterns, about.
inline constexpr int64_t kReadPatternsBytes = 1 << 20;
// Bytes of a session's file in one message of ExportSession.
inline constexpr size_t kTransferBytes = 1 << 20;
// Bytes of a file that ImportSession takes, on a server whose sessions may take so much memory: what a session can have
// of that, written down, twice, and room for what it has beside it.
inline constexpr int64_t MaxTransferBytes(int64_t memory_limit_bytes) {
  return 2 * std::min(memory_limit_bytes, int64_t{1} << 60) + (int64_t{64} << 20);
}
inline constexpr int kDefaultPageSize = 100;
inline constexpr int kMaxPageSize = 1000;
// Bytes of a page of sessions, whose names and labels may be long; one session is always answered.
inline constexpr size_t kMaxPageBytes = 16 << 20;

// Multiply-adds of one call for derivatives beyond the gradient, where the operator does not say otherwise: about a
// quarter of an hour of a core.
inline constexpr int64_t kDefaultWorkLimit = 10'000'000'000'000;

// RESOURCE_EXHAUSTED, reason ANSWER_TOO_LARGE, when `what` of so many bytes does not fit an answer.
absl::Status CheckAnswerBytes(int64_t bytes, absl::string_view what,
                              absl::string_view remedy = "ask for fewer patterns at a time");

}  // namespace backprop::server
