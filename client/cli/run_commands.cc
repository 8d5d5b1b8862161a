#include <CLI/App.hpp>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/commands.h"
#include "client/cli/epoch_text.h"
#include "client/cli/interrupt.h"
#include "client/cli/names.h"
#include "client/cli/run_reports.h"
#include "client/cli/session_text.h"
#include "client/cli/whole_number.h"

namespace backprop::client {
namespace {

absl::Status RunWatch(CommandContext& context, const std::string& name, int64_t after_epoch) {
  BlockInterrupt();
  const absl::StatusOr<std::string> run_name = FindTrainingRun(context.client(), name);
  if (!run_name.ok()) return run_name.status();
  v1::GetTrainingRunRequest run_request;
  run_request.set_name(*run_name);
  const absl::StatusOr<v1::TrainingRun> run = context.client().GetTrainingRun(run_request);
  if (!run.ok()) return run.status();
  v1::WatchTrainingRunRequest request;
  request.set_name(run->name());
  request.set_after_epoch(after_epoch);
  const std::unique_ptr<EpochReports> reports = context.client().WatchTrainingRun(request);
  return ShowReports(context, *reports, run->name(), run->epoch_count());
}

absl::Status RunCancel(CommandContext& context, const std::string& name) {
  const absl::StatusOr<std::string> run_name = FindTrainingRun(context.client(), name);
  if (!run_name.ok()) return run_name.status();
  v1::CancelTrainingRunRequest request;
  request.set_name(*run_name);
  const absl::StatusOr<v1::TrainingRun> run = context.client().CancelTrainingRun(request);
  if (!run.ok()) return run.status();
  context.Print(*run, absl::StrCat(run->name(), " ", StateText(run->state()), " after ", run->completed_epoch_count(),
                                   " epochs"));
  return absl::OkStatus();
}

absl::Status RunRuns(CommandContext& context, const std::string& name) {
  std::vector<std::vector<std::string>> rows = {{"NAME", "STATE", "EPOCHS", "SET", "LOG LIKELIHOOD"}};
  v1::ListTrainingRunsRequest request;
  request.set_session(SessionName(name));
  do {
    const absl::StatusOr<v1::ListTrainingRunsResponse> page = context.client().ListTrainingRuns(request);
    if (!page.ok()) return page.status();
    for (const v1::TrainingRun& run : page->training_runs()) {
      if (context.json()) std::cout << JsonLine(run) << "\n";
      rows.push_back({run.name(), StateText(run.state()),
                      absl::StrCat(run.completed_epoch_count(), "/", run.epoch_count()), run.pattern_set(),
                      run.has_last_report() ? absl::StrFormat("%.6g", run.last_report().mean_log_likelihood()) : ""});
    }
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  if (!context.json()) std::cout << TableText(rows) << "\n";
  return absl::OkStatus();
}

constexpr char kRunOrSession[] = "A training run, or a session: its active run, else its newest";

}  // namespace

void AddWatch(CLI::App& app, CommandContext& context) {
  CLI::App* command = app.add_subcommand("watch", "Show the epochs of a training run");
  const auto name = std::make_shared<std::string>();
  const auto after_epoch = std::make_shared<int64_t>(0);
  command->add_option("name", *name, kRunOrSession)->required();
  command->add_option("--after-epoch", *after_epoch, "Only later epochs")
      ->check(WholeNumber<int64_t>(0))
      ->capture_default_str();
  command->callback([&context, name, after_epoch] {
    context.command = [&context, name, after_epoch] { return RunWatch(context, *name, *after_epoch); };
  });
}

void AddCancel(CLI::App& app, CommandContext& context) {
  CLI::App* command = app.add_subcommand("cancel", "Stop a training run");
  const auto name = std::make_shared<std::string>();
  command->add_option("name", *name, kRunOrSession)->required();
  command->callback([&context, name] { context.command = [&context, name] { return RunCancel(context, *name); }; });
}

void AddRuns(CLI::App& app, CommandContext& context) {
  CLI::App* command = app.add_subcommand("runs", "List the training runs of a session, newest first");
  const auto name = std::make_shared<std::string>();
  command->add_option("name", *name, "The session")->required();
  command->callback([&context, name] { context.command = [&context, name] { return RunRuns(context, *name); }; });
}

}  // namespace backprop::client
