#include <CLI/App.hpp>
#include <CLI/Validators.hpp>
#include <memory>
#include <optional>
#include <string>

#include "absl/strings/str_format.h"
#include "client/cli/commands.h"
#include "client/cli/evaluation_text.h"
#include "client/cli/names.h"
#include "client/cli/whole_number.h"
#include "client/data/class_names.h"
#include "client/data/npy_vector.h"
#include "client/flat_parameters.h"

namespace backprop::client {
namespace {

// What both commands measure.
struct MeasureFlags {
  std::string name;
  std::string set = "training";
  std::optional<int64_t> model_version;
  std::string reduction = "sum";
  std::string npy_path;
};

void AddMeasureFlags(CLI::App& command, MeasureFlags& flags) {
  command.add_option("name", flags.name, "The session")->required();
  command.add_option("--set", flags.set, "The pattern set")->capture_default_str();
  command.add_option("--model-version", flags.model_version, "Version of the parameters (default: the latest)")
      ->check(WholeNumber());
}

absl::Status RunEvaluate(CommandContext& context, const MeasureFlags& flags) {
  v1::GetSessionRequest session_request;
  session_request.set_name(SessionName(flags.name));
  const absl::StatusOr<v1::Session> session = context.client().GetSession(session_request);
  if (!session.ok()) return session.status();
  v1::EvaluateRequest request;
  request.set_session(session->name());
  request.set_pattern_set(flags.set);
  if (flags.model_version) request.set_model_version(*flags.model_version);
  const absl::StatusOr<v1::EvaluateResponse> response = context.client().Evaluate(request, context.LongCall());
  if (!response.ok()) return response.status();
  context.Print(*response, EvaluationText(*response, ClassNamesOf(session->network())));
  return absl::OkStatus();
}

absl::Status RunGradient(CommandContext& context, const MeasureFlags& flags) {
  v1::ComputeGradientRequest request;
  request.set_session(SessionName(flags.name));
  request.set_pattern_set(flags.set);
  request.set_reduction(flags.reduction == "mean" ? v1::REDUCTION_MEAN : v1::REDUCTION_SUM);
  if (flags.model_version) request.set_model_version(*flags.model_version);
  const absl::StatusOr<v1::ComputeGradientResponse> response =
      context.client().ComputeGradient(request, context.LongCall());
  if (!response.ok()) return response.status();
  const v1::Parameters& gradient = response->gradient();
  // First, so that a file that cannot be written does not cost the result.
  context.Print(*response, absl::StrFormat("patterns %d\nmodel version %d\nlog likelihood %.9g\n%s",
                                           response->pattern_count(), response->model_version(),
                                           response->log_likelihood(), NormsText(gradient, "gradient")));
  if (flags.npy_path.empty()) return absl::OkStatus();
  return WriteNpyVector(flags.npy_path, FlatOf(gradient), IsSinglePrecision(gradient));
}

}  // namespace

void AddEvaluate(CLI::App& app, CommandContext& context) {
  CLI::App* command = app.add_subcommand("evaluate", "Measure how well a session does on a pattern set");
  const auto flags = std::make_shared<MeasureFlags>();
  AddMeasureFlags(*command, *flags);
  command->callback(
      [&context, flags] { context.command = [&context, flags] { return RunEvaluate(context, *flags); }; });
}

void AddGradient(CLI::App& app, CommandContext& context) {
  CLI::App* command = app.add_subcommand("gradient", "Compute the exact gradient of the log likelihood");
  const auto flags = std::make_shared<MeasureFlags>();
  AddMeasureFlags(*command, *flags);
  command->add_option("--reduction", flags->reduction, "Over the patterns")
      ->check(CLI::IsMember({"sum", "mean"}))
      ->capture_default_str();
  command->add_option("--npy", flags->npy_path,
                      "Also write it as one vector: for each layer the weights row by row, then the biases");
  command->callback(
      [&context, flags] { context.command = [&context, flags] { return RunGradient(context, *flags); }; });
}

}  // namespace backprop::client
