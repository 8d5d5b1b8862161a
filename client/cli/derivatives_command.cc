#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/derivative_flags.h"
#include "client/cli/parameters_file.h"
#include "client/cli/session_text.h"
#include "client/cli/whole_number.h"
#include "client/data/npy_vector.h"

namespace backprop::client {
namespace {

struct LineFlags : DerivativeFlags {
  int32_t order = 2;
  std::string direction_path;
  bool gradient = false;
  std::optional<int64_t> random_seed;
  std::vector<double> input_direction;
};

std::string DerivativesText(const v1::ComputeDirectionalDerivativesResponse& response) {
  std::vector<std::vector<std::string>> rows = {{"order", "derivative"}};
  for (int order = 0; order < response.derivatives_size(); ++order) {
    rows.push_back({absl::StrCat(order), absl::StrFormat("%.9g", response.derivatives(order))});
  }
  return absl::StrCat("patterns ", response.pattern_count(), "\nmodel version ", response.model_version(), "\n",
                      TableText(rows));
}

absl::Status RunDerivatives(CommandContext& context, const LineFlags& flags) {
  if (!flags.gradient && !flags.random_seed && flags.direction_path.empty() && flags.input_direction.empty()) {
    return absl::InvalidArgumentError(
        "a line needs a direction: --gradient, --random-seed N, --direction FILE or --input-direction NUMBERS");
  }
  v1::ComputeDirectionalDerivativesRequest request;
  SetDerivativeFields(flags, &request);
  request.set_order(flags.order);
  if (flags.gradient) request.set_gradient_direction(true);
  if (flags.random_seed) request.set_random_direction_seed(*flags.random_seed);
  if (!flags.input_direction.empty()) {
    v1::Matrix* const inputs = request.mutable_input_direction();
    inputs->set_row_count(1);
    inputs->set_column_count(static_cast<int32_t>(flags.input_direction.size()));
    inputs->mutable_double_values()->Add(flags.input_direction.begin(), flags.input_direction.end());
  }
  if (!flags.direction_path.empty()) {
    const absl::StatusOr<v1::Session> session = GetSession(context, flags.name);
    if (!session.ok()) return session.status();
    absl::StatusOr<v1::Parameters> direction = ReadParametersFile(flags.direction_path, *session);
    if (!direction.ok()) return direction.status();
    *request.mutable_direction() = *std::move(direction);
  }
  const auto response = context.client().ComputeDirectionalDerivatives(request, context.LongCall());
  if (!response.ok()) return response.status();
  // First, so that a file that cannot be written does not cost the result.
  context.Print(*response, DerivativesText(*response));
  if (flags.npy_path.empty()) return absl::OkStatus();
  const std::vector<double> derivatives(response->derivatives().begin(), response->derivatives().end());
  return WriteNpyVector(flags.npy_path, derivatives, /*single_precision=*/false);
}

}  // namespace

void AddDerivatives(CLI::App& app, CommandContext& context) {
  CLI::App* command = app.add_subcommand("derivatives", "Compute derivatives of any order along a line");
  const auto flags = std::make_shared<LineFlags>();
  AddDerivativeFlags(*command, *flags);
  command->add_option("--order", flags->order, "The highest derivative, 0 to 16")
      ->check(WholeNumber<int32_t>(0))
      ->capture_default_str();
  CLI::Option* const direction = command->add_option(
      "--direction", flags->direction_path, "File of the direction, .npy, numbers or JSON, as of the parameters");
  CLI::Option* const gradient =
      command->add_flag("--gradient", flags->gradient, "The gradient as direction")->excludes(direction);
  command->add_option("--random-seed", flags->random_seed, "A direction of +1 and -1, drawn with this seed")
      ->check(WholeNumber())
      ->excludes(direction)
      ->excludes(gradient);
  command
      ->add_option("--input-direction", flags->input_direction,
                   "A number for each input: the direction of the inputs of every pattern")
      ->delimiter(',')
      ->allow_extra_args(false);
  command->add_option("--npy", flags->npy_path, "Also write them as a vector");
  SetCommand(command, context, flags, RunDerivatives);
}

}  // namespace backprop::client
