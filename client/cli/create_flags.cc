#include "client/cli/create_flags.h"

#include <CLI/Validators.hpp>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/cli/names.h"
#include "client/cli/whole_number.h"

namespace backprop::client {
namespace {

// Values of enum flags, as the command line takes them.
template <typename Enum>
using EnumWords = std::map<std::string, Enum>;

const EnumWords<v1::Task>& Tasks() {
  static const auto& words = *new EnumWords<v1::Task>{{"regression", v1::TASK_REGRESSION},
                                                      {"binary", v1::TASK_BINARY_CLASSIFICATION},
                                                      {"multiway", v1::TASK_MULTIWAY_CLASSIFICATION}};
  return words;
}

const EnumWords<v1::Activation>& Activations() {
  static const auto& words = *new EnumWords<v1::Activation>{{"logistic", v1::ACTIVATION_LOGISTIC},
                                                            {"tanh", v1::ACTIVATION_TANH},
                                                            {"relu", v1::ACTIVATION_RELU},
                                                            {"identity", v1::ACTIVATION_IDENTITY}};
  return words;
}

const EnumWords<v1::Precision>& Precisions() {
  static const auto& words =
      *new EnumWords<v1::Precision>{{"float32", v1::PRECISION_FLOAT32}, {"float64", v1::PRECISION_FLOAT64}};
  return words;
}

const EnumWords<v1::InitialWeights::Distribution>& Distributions() {
  static const auto& words =
      *new EnumWords<v1::InitialWeights::Distribution>{{"glorot", v1::InitialWeights::DISTRIBUTION_GLOROT_UNIFORM},
                                                       {"he", v1::InitialWeights::DISTRIBUTION_HE_NORMAL},
                                                       {"uniform", v1::InitialWeights::DISTRIBUTION_UNIFORM},
                                                       {"zero", v1::InitialWeights::DISTRIBUTION_ZERO}};
  return words;
}

template <typename Enum>
std::vector<std::string> Keys(const EnumWords<Enum>& words) {
  std::vector<std::string> keys;
  for (const auto& [word, value] : words) keys.push_back(word);
  return keys;
}

absl::Status SetHiddenLayers(const CreateFlags& flags, v1::NetworkSpec* network) {
  const size_t hidden_count = flags.layers.size() - 2;
  if (flags.hidden.size() > 1 && flags.hidden.size() != hidden_count) {
    return absl::InvalidArgumentError(
        absl::StrCat("--hidden names ", flags.hidden.size(), " activations for ", hidden_count, " hidden layers"));
  }
  for (size_t i = 0; i < hidden_count; ++i) {
    v1::HiddenLayer& layer = *network->add_hidden_layers();
    layer.set_unit_count(flags.layers[i + 1]);
    if (flags.hidden.empty()) continue;
    layer.set_activation(Activations().at(flags.hidden.size() == 1 ? flags.hidden.front() : flags.hidden[i]));
  }
  return absl::OkStatus();
}

absl::Status SetLabels(const CreateFlags& flags, v1::Session* session) {
  for (const std::string& label : flags.labels) {
    const std::pair<std::string, std::string> entry = absl::StrSplit(label, absl::MaxSplits('=', 1));
    if (entry.first.size() == label.size()) {
      return absl::InvalidArgumentError(absl::StrCat("--label ", label, ": must be KEY=VALUE"));
    }
    (*session->mutable_labels())[entry.first] = entry.second;
  }
  return absl::OkStatus();
}

std::vector<int32_t> ParseLayers(const std::string& text) {
  std::vector<int32_t> layers;
  for (const absl::string_view number : absl::StrSplit(text, ',')) {
    int32_t unit_count = 0;
    if (!absl::SimpleAtoi(number, &unit_count)) {
      throw CLI::ValidationError("--layers", absl::StrCat("must be numbers joined by commas, for instance 784,128,10, "
                                                          "but is ",
                                                          text));
    }
    layers.push_back(unit_count);
  }
  return layers;
}

}  // namespace

void AddCreateFlags(CLI::App& command, CreateFlags& flags) {
  command.add_option("name", flags.name, "Id of the session")->required();
  // Not a vector option: that would drop the empty number of a slip such as 784,,10.
  command
      .add_option_function<std::string>(
          "--layers", [&flags](const std::string& text) { flags.layers = ParseLayers(text); },
          "Units of each layer from inputs to outputs, for instance 784,128,10")
      ->required();
  command.add_option("--task", flags.task, "What the outputs mean")->required()->check(CLI::IsMember(Keys(Tasks())));
  command.add_option("--hidden", flags.hidden, "Activation of the hidden layers, one or one each (default logistic)")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::IsMember(Keys(Activations())));
  command.add_option("--precision", flags.precision, "Arithmetic")
      ->check(CLI::IsMember(Keys(Precisions())))
      ->capture_default_str();
  command.add_option("--initial-weights", flags.initial_weights, "Distribution of the first weights")
      ->check(CLI::IsMember(Keys(Distributions())))
      ->capture_default_str();
  command.add_option("--range", flags.range, "Half width of --initial-weights uniform (default 0.5)");
  command.add_option("--seed", flags.seed, "Seed of the first weights")->check(WholeNumber())->capture_default_str();
  command.add_option("--names", flags.output_names, "Names of the outputs; in classification of the classes")
      ->delimiter(',')
      ->allow_extra_args(false);
  command.add_option("--label", flags.labels, "KEY=VALUE, may be repeated")->allow_extra_args(false);
}

absl::StatusOr<v1::CreateSessionRequest> CreateRequestFrom(const CreateFlags& flags) {
  if (flags.layers.size() < 2) {
    return absl::InvalidArgumentError("--layers needs at least the input and the output layer, for instance 4,3");
  }
  v1::CreateSessionRequest request;
  request.set_session_id(SessionId(flags.name));
  v1::Session& session = *request.mutable_session();
  v1::NetworkSpec& network = *session.mutable_network();
  network.set_input_unit_count(flags.layers.front());
  network.set_output_unit_count(flags.layers.back());
  network.set_task(Tasks().at(flags.task));
  network.set_precision(Precisions().at(flags.precision));
  network.mutable_output_names()->Add(flags.output_names.begin(), flags.output_names.end());
  v1::InitialWeights& weights = *network.mutable_initial_weights();
  weights.set_distribution(Distributions().at(flags.initial_weights));
  weights.set_range(flags.range.value_or(0));
  weights.set_seed(flags.seed);
  if (absl::Status status = SetHiddenLayers(flags, &network); !status.ok()) return status;
  if (absl::Status status = SetLabels(flags, &session); !status.ok()) return status;
  return request;
}

}  // namespace backprop::client
