// The subcommands. Each function adds one to the command line; naming it there sets the context's command.
#pragma once

#include <CLI/App.hpp>

#include "client/cli/command_context.h"

namespace backprop::client {

// All of them. `context` must outlive `app`.
void AddCommands(CLI::App& app, CommandContext& context);

void AddCreate(CLI::App& app, CommandContext& context);
void AddList(CLI::App& app, CommandContext& context);
void AddDescribe(CLI::App& app, CommandContext& context);
void AddCopy(CLI::App& app, CommandContext& context);
void AddDelete(CLI::App& app, CommandContext& context);
void AddScale(CLI::App& app, CommandContext& context);
void AddAppend(CLI::App& app, CommandContext& context);
void AddTrain(CLI::App& app, CommandContext& context);
void AddWatch(CLI::App& app, CommandContext& context);
void AddCancel(CLI::App& app, CommandContext& context);
void AddRuns(CLI::App& app, CommandContext& context);
void AddPredict(CLI::App& app, CommandContext& context);
void AddEvaluate(CLI::App& app, CommandContext& context);
void AddGradient(CLI::App& app, CommandContext& context);
void AddTrace(CLI::App& app, CommandContext& context);
void AddHvp(CLI::App& app, CommandContext& context);
void AddHessian(CLI::App& app, CommandContext& context);
void AddDerivatives(CLI::App& app, CommandContext& context);
void AddParameters(CLI::App& app, CommandContext& context);
void AddBackupCommands(CLI::App& app, CommandContext& context);
void AddHealth(CLI::App& app, CommandContext& context);

}  // namespace backprop::client
