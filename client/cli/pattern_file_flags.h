#pragma once

#include <CLI/App.hpp>

#include "client/data/pattern_file.h"

namespace backprop::client {

// FILE, --format, --targets, --header and --raw-scale.
void AddPatternFileFlags(CLI::App& command, PatternFile& file);

}  // namespace backprop::client
