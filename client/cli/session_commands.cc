#include <CLI/App.hpp>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/names.h"
#include "client/cli/session_text.h"

namespace backprop::client {
namespace {

constexpr int kPageSize = 1000;

absl::StatusOr<v1::Session> Get(CommandContext& context, const std::string& name) {
  v1::GetSessionRequest request;
  request.set_name(SessionName(name));
  return context.client().GetSession(request);
}

absl::Status RunList(CommandContext& context, const std::string& filter) {
  std::vector<std::vector<std::string>> rows = {{"NAME", "NETWORK", "PARAMETERS", "MODEL VERSION", "TRAINING RUN"}};
  v1::ListSessionsRequest request;
  request.set_page_size(kPageSize);
  request.set_filter(filter);
  do {
    const absl::StatusOr<v1::ListSessionsResponse> page = context.client().ListSessions(request);
    if (!page.ok()) return page.status();
    for (const v1::Session& session : page->sessions()) {
      if (context.json()) std::cout << JsonLine(session) << "\n";
      if (!session.has_network()) {
        rows.push_back({SessionId(session.name()), "cannot be read", "", "", ""});
        continue;
      }
      rows.push_back({SessionId(session.name()), NetworkText(session.network()),
                      absl::StrCat(session.parameter_count()), absl::StrCat(session.model_version()),
                      session.active_training_run().substr(session.active_training_run().rfind('/') + 1)});
    }
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  if (!context.json()) std::cout << TableText(rows) << "\n";
  return absl::OkStatus();
}

absl::StatusOr<std::vector<v1::PatternSet>> PatternSets(CommandContext& context, const std::string& name) {
  std::vector<v1::PatternSet> sets;
  v1::ListPatternSetsRequest request;
  request.set_session(SessionName(name));
  do {
    const absl::StatusOr<v1::ListPatternSetsResponse> page = context.client().ListPatternSets(request);
    if (!page.ok()) return page.status();
    sets.insert(sets.end(), page->pattern_sets().begin(), page->pattern_sets().end());
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  return sets;
}

absl::Status RunDescribe(CommandContext& context, const std::string& name) {
  const absl::StatusOr<v1::Session> session = Get(context, name);
  if (!session.ok()) return session.status();
  const absl::StatusOr<std::vector<v1::PatternSet>> sets = PatternSets(context, name);
  if (!sets.ok()) return sets.status();
  context.Print(*session, SessionText(*session, *sets));
  if (context.json()) {
    for (const v1::PatternSet& set : *sets) std::cout << JsonLine(set) << "\n";
  }
  return absl::OkStatus();
}

absl::Status RunCopy(CommandContext& context, const std::string& from, const std::string& to) {
  v1::CopySessionRequest request;
  request.set_name(SessionName(from));
  request.set_session_id(SessionId(to));
  const absl::StatusOr<v1::Session> copy = context.client().CopySession(request);
  if (!copy.ok()) return copy.status();
  context.Print(*copy, absl::StrCat("copied ", request.name(), " to ", copy->name()));
  return absl::OkStatus();
}

absl::Status RunDelete(CommandContext& context, const std::string& name) {
  v1::DeleteSessionRequest request;
  request.set_name(SessionName(name));
  const absl::Status status = context.client().DeleteSession(request);
  if (status.ok()) context.Print(google::protobuf::Empty(), absl::StrCat("deleted ", request.name()));
  return status;
}

absl::Status RunScale(CommandContext& context, const v1::FitScalingRequest& request) {
  const absl::StatusOr<v1::Session> session = context.client().FitScaling(request, context.LongCall());
  if (!session.ok()) return session.status();
  const bool with_targets = !session->target_scaling().offset().empty();
  context.Print(*session, absl::StrCat("fitted the scaling of inputs", with_targets ? " and targets" : "", " of ",
                                       session->name(), " to pattern set ", request.pattern_set()));
  return absl::OkStatus();
}

}  // namespace

void AddList(CLI::App& app, CommandContext& context) {
  CLI::App* command = app.add_subcommand("list", "List the sessions");
  const auto filter = std::make_shared<std::string>();
  command->add_option("--filter", *filter, "Only sessions with these labels, for instance 'labels.team=vision'");
  command->callback([&context, filter] { context.command = [&context, filter] { return RunList(context, *filter); }; });
}

void AddDescribe(CLI::App& app, CommandContext& context) {
  CLI::App* command = app.add_subcommand("describe", "Describe a session and its pattern sets");
  const auto name = std::make_shared<std::string>();
  command->add_option("name", *name, "The session")->required();
  command->callback([&context, name] { context.command = [&context, name] { return RunDescribe(context, *name); }; });
}

void AddCopy(CLI::App& app, CommandContext& context) {
  CLI::App* command = app.add_subcommand("copy", "Copy a session with its patterns and latest parameters");
  const auto from = std::make_shared<std::string>();
  const auto to = std::make_shared<std::string>();
  command->add_option("from", *from, "The session")->required();
  command->add_option("to", *to, "Id of the copy")->required();
  command->callback(
      [&context, from, to] { context.command = [&context, from, to] { return RunCopy(context, *from, *to); }; });
}

void AddDelete(CLI::App& app, CommandContext& context) {
  CLI::App* command = app.add_subcommand("delete", "Delete a session and everything in it");
  const auto name = std::make_shared<std::string>();
  command->add_option("name", *name, "The session")->required();
  command->callback([&context, name] { context.command = [&context, name] { return RunDelete(context, *name); }; });
}

void AddScale(CLI::App& app, CommandContext& context) {
  CLI::App* command =
      app.add_subcommand("scale", "Fit the scaling of inputs (regression: and targets) to a pattern set");
  const auto name = std::make_shared<std::string>();
  const auto set = std::make_shared<std::string>("training");
  const auto min_max = std::make_shared<bool>(false);
  command->add_option("name", *name, "The session")->required();
  command->add_option("--set", *set, "The pattern set")->capture_default_str();
  CLI::Option* standardize = command->add_flag_function(
      "--standardize", [](int64_t) {}, "To mean 0 and standard deviation 1 (the default)");
  command->add_flag("--min-max", *min_max, "To the range from 0 to 1")->excludes(standardize);
  command->callback([&context, name, set, min_max] {
    v1::FitScalingRequest request;
    request.set_session(SessionName(*name));
    request.set_pattern_set(*set);
    request.set_method(*min_max ? v1::FitScalingRequest::METHOD_MIN_MAX : v1::FitScalingRequest::METHOD_STANDARDIZE);
    context.command = [&context, request] { return RunScale(context, request); };
  });
}

}  // namespace backprop::client
