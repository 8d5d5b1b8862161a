#pragma once

#include <string>
#include <vector>

#include "backprop/v1/network.pb.h"
#include "backprop/v1/pattern_set.pb.h"
#include "backprop/v1/session.pb.h"

namespace backprop::client {

// For instance `784-128-10 multiway classification`.
[[nodiscard]] std::string NetworkText(const v1::NetworkSpec& network);

// A session and its pattern sets over several lines, without the last line end.
[[nodiscard]] std::string SessionText(const v1::Session& session, const std::vector<v1::PatternSet>& pattern_sets);

// Columns under their titles, as wide as their widest cell, without the last line end.
[[nodiscard]] std::string TableText(const std::vector<std::vector<std::string>>& rows);

}  // namespace backprop::client
