#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/derivative_flags.h"
#include "client/cli/trace_text.h"
#include "client/cli/whole_number.h"
#include "client/data/class_names.h"

namespace backprop::client {
namespace {

struct TraceFlags {
  std::string name;
  std::vector<std::string> values;
  std::vector<std::string> targets;
  std::optional<int64_t> model_version;
};

void SetRow(const std::vector<double>& elements, v1::Matrix* matrix) {
  matrix->set_row_count(1);
  matrix->set_column_count(static_cast<int32_t>(elements.size()));
  matrix->mutable_double_values()->Add(elements.begin(), elements.end());
}

absl::StatusOr<std::vector<double>> Numbers(const std::vector<std::string>& values, absl::string_view what) {
  std::vector<double> numbers;
  for (const std::string& value : values) {
    if (absl::SimpleAtod(value, &numbers.emplace_back())) continue;
    return absl::InvalidArgumentError(absl::StrCat("\"", value, "\" is no ", what));
  }
  return numbers;
}

// Where one target is given that is no output for each unit, it is the class: by its name, or its index from 0.
absl::Status SetTargets(const std::vector<std::string>& targets, const v1::NetworkSpec& network,
                        v1::Patterns* pattern) {
  const std::vector<std::string> names = ClassNamesOf(network);
  const auto named = targets.size() == 1 ? std::find(names.begin(), names.end(), targets[0]) : names.end();
  const bool multiway = network.task() == v1::TASK_MULTIWAY_CLASSIFICATION;
  if (named != names.end()) {
    const auto index = static_cast<int32_t>(named - names.begin());
    multiway ? pattern->add_target_classes(index) : SetRow({static_cast<double>(index)}, pattern->mutable_targets());
    return absl::OkStatus();
  }
  int32_t index = 0;
  if (multiway && targets.size() == 1 && absl::SimpleAtoi(targets[0], &index)) {
    pattern->add_target_classes(index);
    return absl::OkStatus();
  }
  if (targets.empty()) return absl::OkStatus();  // The server asks for them.
  const absl::StatusOr<std::vector<double>> numbers = Numbers(targets, "number or class of a target");
  if (!numbers.ok()) return numbers.status();
  SetRow(*numbers, pattern->mutable_targets());
  return absl::OkStatus();
}

absl::Status RunTrace(CommandContext& context, const TraceFlags& flags) {
  const absl::StatusOr<v1::Session> session = GetSession(context, flags.name);
  if (!session.ok()) return session.status();
  v1::TraceBackpropagationRequest request;
  request.set_session(session->name());
  if (flags.model_version) request.set_model_version(*flags.model_version);
  std::vector<std::string> values = flags.values, targets = flags.targets;
  if (const auto inputs = static_cast<size_t>(session->network().input_unit_count());
      targets.empty() && values.size() > inputs) {
    targets.assign(values.begin() + session->network().input_unit_count(), values.end());
    values.resize(inputs);
  }
  const absl::StatusOr<std::vector<double>> inputs = Numbers(values, "number of an input");
  if (!inputs.ok()) return inputs.status();
  SetRow(*inputs, request.mutable_patterns()->mutable_inputs());
  if (absl::Status status = SetTargets(targets, session->network(), request.mutable_patterns()); !status.ok()) {
    return status;
  }
  const absl::StatusOr<v1::TraceBackpropagationResponse> trace = context.client().TraceBackpropagation(request);
  if (!trace.ok()) return trace.status();
  context.Print(*trace, TraceText(*trace, *session));
  return absl::OkStatus();
}

}  // namespace

void AddTrace(CLI::App& app, CommandContext& context) {
  CLI::App* command = app.add_subcommand("trace", "Show every stage of backpropagation for one pattern");
  const auto flags = std::make_shared<TraceFlags>();
  command->add_option("name", flags->name, "The session")->required();
  command
      ->add_option("--pattern", flags->values,
                   "The inputs, with commas between, and then the targets, unless --target has them")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->required();
  command
      ->add_option("--target", flags->targets,
                   "The targets, with commas between; in classification also the class, by name or index from 0")
      ->delimiter(',')
      ->allow_extra_args(false);
  command->add_option("--model-version", flags->model_version, "Version of the parameters (default: the latest)")
      ->check(WholeNumber());
  SetCommand(command, context, flags, RunTrace);
}

}  // namespace backprop::client
