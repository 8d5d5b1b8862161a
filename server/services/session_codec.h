// Networks, scalings and sessions of the wire from and to those of the domain.
#pragma once

#include <chrono>
#include <string>

#include "absl/status/statusor.h"
#include "backprop/v1/network.pb.h"
#include "backprop/v1/pattern_set.pb.h"
#include "backprop/v1/session.pb.h"
#include "core/error.h"
#include "google/protobuf/timestamp.pb.h"
#include "server/sessions/session.h"
#include "server/sessions/session_registry.h"

namespace backprop::server {

// Violations name fields of NetworkSpec; what is not given gets its default.
absl::StatusOr<NetworkSpec> DecodeNetwork(const v1::NetworkSpec& wire);
void EncodeNetwork(const NetworkSpec& spec, v1::NetworkSpec* wire);

Scaling DecodeScaling(const v1::Scaling& wire);

v1::Session EncodeSession(const SessionState& state);
v1::Session EncodeSession(const AnySession& session);
v1::PatternSet EncodePatternSet(const std::string& session_id, const PatternSetDescription& set);

google::protobuf::Timestamp EncodeTime(std::chrono::system_clock::time_point time);

}  // namespace backprop::server
