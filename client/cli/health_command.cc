#include <CLI/App.hpp>
#include <iostream>

#include "client/cli/commands.h"

namespace backprop::client {
namespace {

absl::Status RunHealth(CommandContext& context) {
  const absl::Status status = context.client().CheckHealth();
  if (status.ok()) std::cout << (context.json() ? "{\"status\":\"SERVING\"}" : "SERVING") << std::endl;
  return status;
}

}  // namespace

void AddHealth(CLI::App& app, CommandContext& context) {
  CLI::App* command = app.add_subcommand("health", "Succeed only when the server is serving");
  command->callback([&context] { context.command = [&context] { return RunHealth(context); }; });
}

}  // namespace backprop::client
