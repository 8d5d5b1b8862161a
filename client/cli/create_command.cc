#include <CLI/App.hpp>
#include <memory>

#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/create_flags.h"
#include "client/cli/session_text.h"

namespace backprop::client {
namespace {

absl::Status RunCreate(CommandContext& context, const CreateFlags& flags) {
  const absl::StatusOr<v1::CreateSessionRequest> request = CreateRequestFrom(flags);
  if (!request.ok()) return request.status();
  const absl::StatusOr<v1::Session> session = context.client().CreateSession(*request);
  if (!session.ok()) return session.status();
  context.Print(*session, absl::StrCat("created ", session->name(), ": ", NetworkText(session->network()), ", ",
                                       session->parameter_count(), " parameters"));
  return absl::OkStatus();
}

}  // namespace

void AddCreate(CLI::App& app, CommandContext& context) {
  CLI::App* command = app.add_subcommand("create", "Create a session: a named network");
  const auto flags = std::make_shared<CreateFlags>();
  AddCreateFlags(*command, *flags);
  command->callback([&context, flags] { context.command = [&context, flags] { return RunCreate(context, *flags); }; });
}

}  // namespace backprop::client
