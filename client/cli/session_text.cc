#include "client/cli/session_text.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <map>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace backprop::client {
namespace {

// TANH of ACTIVATION_TANH, in lower case.
std::string Word(const std::string& enum_name, absl::string_view prefix) {
  return absl::AsciiStrToLower(absl::StripPrefix(enum_name, prefix));
}

std::string TaskText(v1::Task task) {
  switch (task) {
    case v1::TASK_REGRESSION:
      return "regression";
    case v1::TASK_BINARY_CLASSIFICATION:
      return "binary classification";
    case v1::TASK_MULTIWAY_CLASSIFICATION:
      return "multiway classification";
    default:
      return "unknown task";
  }
}

std::string HiddenText(const v1::NetworkSpec& network) {
  std::vector<std::string> words;
  for (const v1::HiddenLayer& layer : network.hidden_layers()) {
    const v1::Activation activation =
        layer.activation() == v1::ACTIVATION_UNSPECIFIED ? v1::ACTIVATION_LOGISTIC : layer.activation();
    words.push_back(Word(v1::Activation_Name(activation), "ACTIVATION_"));
  }
  return words.empty() ? "none" : absl::StrJoin(words, ", ");
}

std::string ScalingText(const v1::Scaling& scaling) {
  return scaling.offset().empty() && scaling.scale().empty()
             ? "none"
             : absl::StrCat("of ", std::max(scaling.offset_size(), scaling.scale_size()), " units");
}

}  // namespace

std::string NetworkText(const v1::NetworkSpec& network) {
  std::string text = absl::StrCat(network.input_unit_count(), "-");
  for (const v1::HiddenLayer& layer : network.hidden_layers()) absl::StrAppend(&text, layer.unit_count(), "-");
  absl::StrAppend(&text, network.output_unit_count(), " ", TaskText(network.task()));
  return text;
}

std::string SessionText(const v1::Session& session, const std::vector<v1::PatternSet>& pattern_sets) {
  using google::protobuf::util::TimeUtil;
  const v1::NetworkSpec& network = session.network();
  std::string text = absl::StrCat(session.name(), "\n");
  const auto line = [&text](absl::string_view what, const std::string& value) {
    absl::StrAppend(&text, "  ", what, std::string(std::max<size_t>(20, what.size() + 1) - what.size(), ' '), value,
                    "\n");
  };
  line("network", NetworkText(network));
  line("hidden activations", HiddenText(network));
  line("precision", network.precision() == v1::PRECISION_FLOAT64 ? "float64" : "float32");
  line("parameters", absl::StrCat(session.parameter_count()));
  line("model version", absl::StrCat(session.model_version()));
  if (!network.output_names().empty()) line("output names", absl::StrJoin(network.output_names(), ", "));
  line("input scaling", ScalingText(session.input_scaling()));
  if (network.task() == v1::TASK_REGRESSION) line("target scaling", ScalingText(session.target_scaling()));
  const std::map<std::string, std::string> labels(session.labels().begin(), session.labels().end());
  for (const auto& [key, value] : labels) line("label", absl::StrCat(key, "=", value));
  line("created", TimeUtil::ToString(session.create_time()));
  line("updated", TimeUtil::ToString(session.update_time()));
  if (!session.active_training_run().empty()) line("active training run", session.active_training_run());
  for (const v1::PatternSet& set : pattern_sets) {
    line("pattern set", absl::StrCat(set.name().substr(set.name().rfind('/') + 1), ": ", set.pattern_count(),
                                     " patterns, ", set.byte_count(), " bytes"));
  }
  text.pop_back();
  return text;
}

std::string TableText(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::vector<std::string> lines;
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      absl::StrAppend(&line, row[i], std::string(widths[i] - row[i].size() + 2, ' '));
    }
    lines.push_back(std::string(absl::StripTrailingAsciiWhitespace(line)));
  }
  return absl::StrJoin(lines, "\n");
}

}  // namespace backprop::client
