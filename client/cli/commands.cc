#include "client/cli/commands.h"

// What CLI::App is made with, defined here for all commands.
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

namespace backprop::client {

void AddCommands(CLI::App& app, CommandContext& context) {
  AddCreate(app, context);
  AddList(app, context);
  AddDescribe(app, context);
  AddCopy(app, context);
  AddDelete(app, context);
  AddAppend(app, context);
  AddScale(app, context);
  AddTrain(app, context);
  AddWatch(app, context);
  AddCancel(app, context);
  AddRuns(app, context);
  AddPredict(app, context);
  AddEvaluate(app, context);
  AddGradient(app, context);
  AddTrace(app, context);
  AddHvp(app, context);
  AddHessian(app, context);
  AddDerivatives(app, context);
  AddParameters(app, context);
  AddBackupCommands(app, context);
  AddHealth(app, context);
}

}  // namespace backprop::client
