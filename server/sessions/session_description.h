// What identifies and describes a session, beside its parameters and patterns.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "core/network_spec.h"

namespace backprop::server {

using Labels = std::map<std::string, std::string>;

// Limits of labels; quoted in session.proto.
inline constexpr size_t kMaxLabels = 64;
inline constexpr size_t kMaxLabelKeyBytes = 63;
inline constexpr size_t kMaxLabelValueBytes = 255;
// Pinned model versions of a session at most; likewise.
inline constexpr size_t kMaxPinnedVersions = 32;

// A value.
struct SessionDescription {
  std::string id;
  NetworkSpec spec;
  Labels labels = {};
  std::chrono::system_clock::time_point create_time = {};
  std::vector<int64_t> pinned_versions = {};  // Model versions kept however old they become.
};

// Bytes that the names and labels take, about.
int64_t BytesOf(const SessionDescription& description);

// OK or INVALID_ARGUMENT naming `labels` or `labels[key]`.
absl::Status Validate(const Labels& labels);

}  // namespace backprop::server
