#include <CLI/App.hpp>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/evaluation_text.h"
#include "client/cli/names.h"
#include "client/cli/parameters_file.h"
#include "client/cli/whole_number.h"
#include "client/data/npy_vector.h"
#include "client/flat_parameters.h"

namespace backprop::client {
namespace {

struct ParametersFlags {
  std::string name;
  std::optional<int64_t> model_version;
  std::string npy_path;
  std::string set_from_path;
};

absl::Status RunGetParameters(CommandContext& context, const ParametersFlags& flags) {
  v1::GetParametersRequest request;
  request.set_name(SessionName(flags.name));
  if (flags.model_version) request.set_model_version(*flags.model_version);
  const absl::StatusOr<v1::Parameters> parameters = context.client().GetParameters(request);
  if (!parameters.ok()) return parameters.status();
  context.Print(*parameters, absl::StrCat("model version ", parameters->model_version(), "\n",
                                          NormsText(*parameters, "parameters")));
  if (flags.npy_path.empty()) return absl::OkStatus();
  return WriteNpyVector(flags.npy_path, FlatOf(*parameters), IsSinglePrecision(*parameters));
}

absl::Status RunSetParameters(CommandContext& context, const ParametersFlags& flags) {
  v1::GetSessionRequest session_request;
  session_request.set_name(SessionName(flags.name));
  const absl::StatusOr<v1::Session> session = context.client().GetSession(session_request);
  if (!session.ok()) return session.status();
  absl::StatusOr<v1::Parameters> parameters = ReadParametersFile(flags.set_from_path, *session);
  if (!parameters.ok()) return parameters.status();
  v1::SetParametersRequest request;
  request.set_name(session->name());
  *request.mutable_parameters() = *std::move(parameters);
  const absl::StatusOr<v1::Parameters> published = context.client().SetParameters(request);
  if (!published.ok()) return published.status();
  context.Print(*published, absl::StrCat("set the parameters of ", session->name(), ", model version ",
                                         published->model_version()));
  return absl::OkStatus();
}

}  // namespace

void AddParameters(CLI::App& app, CommandContext& context) {
  CLI::App* command = app.add_subcommand("parameters", "Show, save or replace the parameters of a session");
  const auto flags = std::make_shared<ParametersFlags>();
  command->add_option("name", flags->name, "The session")->required();
  CLI::Option* set_from = command->add_option("--set-from", flags->set_from_path,
                                              "Publish the parameters in this file: .npy, numbers or JSON");
  command->add_option("--model-version", flags->model_version, "Version to show (default: the latest)")
      ->check(WholeNumber())
      ->excludes(set_from);
  command
      ->add_option("--npy", flags->npy_path,
                   "Also write them as one vector: for each layer the weights row by row, then the biases")
      ->excludes(set_from);
  command->callback([&context, flags] {
    context.command = [&context, flags] {
      return flags->set_from_path.empty() ? RunGetParameters(context, *flags) : RunSetParameters(context, *flags);
    };
  });
}

}  // namespace backprop::client
