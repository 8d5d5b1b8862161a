#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "client/cli/command_context.h"
#include "client/client.h"

namespace backprop::client {

// Prints a training run's reports until it ends: a bar on a terminal, a line an epoch when piped. Ctrl-C leaves the run
// going, says how to come back to it, and counts as success. Otherwise the run's own end: OK, or why it failed. Needs
// BlockInterrupt.
absl::Status ShowReports(CommandContext& context, EpochReports& reports, const std::string& training_run,
                         int64_t epoch_count);

}  // namespace backprop::client
