#include <CLI/App.hpp>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/interrupt.h"
#include "client/cli/names.h"
#include "client/cli/run_reports.h"
#include "client/cli/training_flags.h"
#include "client/cli/whole_number.h"

namespace backprop::client {
namespace {

struct TrainFlags {
  std::string name;
  std::string set = "training";
  std::string validation_set;
  int64_t epoch_count = 0;
  bool detach = false;
  TrainingFlags training;
};

absl::Status PrintStarted(CommandContext& context, const std::string& training_run) {
  v1::GetTrainingRunRequest request;
  request.set_name(training_run);
  const absl::StatusOr<v1::TrainingRun> run = context.client().GetTrainingRun(request);
  if (!run.ok()) return run.status();
  context.Print(*run, absl::StrCat("started ", training_run));
  return absl::OkStatus();
}

absl::Status RunTrain(CommandContext& context, const TrainFlags& flags) {
  v1::RunEpochsRequest request;
  request.set_session(SessionName(flags.name));
  request.set_pattern_set(flags.set);
  request.set_validation_pattern_set(flags.validation_set);
  request.set_epoch_count(flags.epoch_count);
  absl::StatusOr<v1::TrainingOptions> options = TrainingOptionsFrom(flags.training);
  if (!options.ok()) return options.status();
  *request.mutable_options() = *std::move(options);
  BlockInterrupt();
  const std::unique_ptr<EpochReports> reports = context.client().RunEpochs(request);
  const std::string training_run = reports->InitialMetadata(kTrainingRunMetadata);
  // Without a name there is no run: the call has failed.
  if (training_run.empty()) return reports->Finish();
  if (flags.detach) return PrintStarted(context, training_run);
  return ShowReports(context, *reports, training_run, flags.epoch_count);
}

}  // namespace

void AddTrain(CLI::App& app, CommandContext& context) {
  CLI::App* command = app.add_subcommand("train", "Train on a pattern set and show each epoch");
  const auto flags = std::make_shared<TrainFlags>();
  command->add_option("name", flags->name, "The session")->required();
  command->add_option("--set", flags->set, "The pattern set to train on")->capture_default_str();
  command->add_option("--validation-set", flags->validation_set, "A pattern set to evaluate after every epoch");
  command->add_option("--epochs", flags->epoch_count, "How often to go through the patterns")
      ->required()
      ->check(WholeNumber());
  command->add_flag("--detach", flags->detach, "Start the run, print its name and leave");
  AddTrainingFlags(*command, flags->training);
  command->callback([&context, flags] { context.command = [&context, flags] { return RunTrain(context, *flags); }; });
}

}  // namespace backprop::client
