#include "client/cli/trace_text.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/session_text.h"
#include "client/flat_parameters.h"

namespace backprop::client {
namespace {

using Row = std::vector<std::string>;

// Units of a layer, and inputs of a unit, that fit a screen; --output json has all.
constexpr size_t kMaxShown = 10;

std::string NumberText(double number) { return absl::StrFormat("%.6g", number); }

std::string ActivationName(const v1::NetworkSpec& network, int layer) {
  if (layer == network.hidden_layers_size()) {
    switch (network.task()) {
      case v1::TASK_BINARY_CLASSIFICATION:
        return "logistic outputs";
      case v1::TASK_MULTIWAY_CLASSIFICATION:
        return "softmax outputs";
      default:
        return "linear outputs";
    }
  }
  switch (network.hidden_layers(layer).activation()) {
    case v1::ACTIVATION_TANH:
      return "tanh units";
    case v1::ACTIVATION_RELU:
      return "relu units";
    case v1::ACTIVATION_IDENTITY:
      return "linear units";
    default:
      return "logistic units";
  }
}

std::string LeftOut(size_t count, const char* what) {
  return count <= kMaxShown ? "" : absl::StrCat("\n... and ", count - kMaxShown, " more ", what);
}

// One layer of the tables.
class LayerTables {
 public:
  LayerTables(const v1::TraceBackpropagationResponse& trace, const v1::NetworkSpec& network, int layer)
      : layer_(trace.layers(layer)),
        gradient_(trace.gradient().layers(layer)),
        targets_(layer + 1 == trace.layers_size() ? ElementsOf(trace.targets()) : std::vector<double>()),
        title_(absl::StrCat("layer ", layer + 1, ", ", ActivationName(network, layer))),
        softmax_(!targets_.empty() && network.task() == v1::TASK_MULTIWAY_CLASSIFICATION),
        input_name_(layer == 0 ? "x" : "h"),
        unit_count_(static_cast<size_t>(layer_.activations().column_count())),
        shown_(std::min(unit_count_, kMaxShown)) {}

  std::string Text() const {
    const std::string h = targets_.empty() ? "h" : "y";
    const std::string rule = softmax_ ? "the sum over all outputs k of d log L/d y_k * d y_k/d s_i"
                                      : absl::StrCat("d log L/d ", h, " * d ", h, "/d s");
    return absl::StrCat(title_, ": the error signal d log L/d s", softmax_ ? "_i" : "", " is ", rule, "\n",
                        StagesText(h), SoftmaxText(), "\n", GradientText());
  }

 private:
  std::string StagesText(const std::string& h) const {
    Row titles = {"unit", "s", h};
    std::vector<std::vector<double>> columns = {ElementsOf(layer_.weighted_sums()), ElementsOf(layer_.activations())};
    if (!targets_.empty()) {
      titles.push_back("y*");
      columns.push_back(targets_);
    }
    titles.push_back(absl::StrCat("d log L/d ", h));
    columns.push_back(ElementsOf(layer_.activation_gradients()));
    if (!softmax_) {
      titles.push_back(absl::StrCat("d ", h, "/d s"));
      columns.push_back(ElementsOf(layer_.activation_derivatives()));
    }
    titles.push_back("d log L/d s");
    columns.push_back(ElementsOf(layer_.error_signals()));
    std::vector<Row> rows = {titles};
    for (size_t i = 0; i < shown_; ++i) {
      rows.push_back({absl::StrCat(i + 1)});
      for (const auto& column : columns) rows.back().push_back(NumberText(column[i]));
    }
    return TableText(rows) + LeftOut(unit_count_, "units");
  }

  // d y_k / d s_i, a row for each output k.
  std::string SoftmaxText() const {
    if (layer_.softmax_derivatives().row_count() == 0) return "";
    const std::vector<double> derivatives = ElementsOf(layer_.softmax_derivatives());
    std::vector<Row> rows = {{"d y_k/d s_i"}};
    for (size_t i = 0; i < shown_; ++i) rows[0].push_back(absl::StrCat("i = ", i + 1));
    for (size_t k = 0; k < shown_; ++k) {
      rows.push_back({absl::StrCat("k = ", k + 1)});
      for (size_t i = 0; i < shown_; ++i) rows.back().push_back(NumberText(derivatives[k * unit_count_ + i]));
    }
    return absl::StrCat("\n", TableText(rows), LeftOut(unit_count_, "units"));
  }

  std::string GradientText() const {
    const std::vector<double> inputs = ElementsOf(layer_.inputs()), weights = ElementsOf(gradient_.weights()),
                              biases = ElementsOf(gradient_.biases());
    const size_t inputs_shown = std::min(inputs.size(), kMaxShown);
    std::vector<Row> rows = {{"unit", "bias"}};
    for (size_t j = 0; j < inputs_shown; ++j) {
      rows[0].push_back(absl::StrCat("from ", j + 1, ", ", input_name_, " = ", NumberText(inputs[j])));
    }
    for (size_t i = 0; i < shown_; ++i) {
      rows.push_back({absl::StrCat(i + 1), NumberText(biases[i])});
      for (size_t j = 0; j < inputs_shown; ++j) rows.back().push_back(NumberText(weights[i * inputs.size() + j]));
    }
    return absl::StrCat("gradient: the error signal of the unit * ", input_name_, " below (of a bias 1)\n",
                        TableText(rows), LeftOut(unit_count_, "units"), LeftOut(inputs.size(), "inputs"));
  }

  const v1::LayerTrace& layer_;
  const v1::LayerParameters& gradient_;
  const std::vector<double> targets_;  // Of the output layer.
  const std::string title_;
  const bool softmax_;
  const std::string input_name_;
  const size_t unit_count_, shown_;
};

}  // namespace

std::string TraceText(const v1::TraceBackpropagationResponse& trace, const v1::Session& session) {
  const v1::NetworkSpec& network = session.network();
  std::string text =
      absl::StrFormat("model version %d\nlog likelihood %.9g", trace.model_version(), trace.log_likelihood());
  const bool scaled_inputs = session.input_scaling().scale_size() > 0;
  const bool scaled_targets = session.target_scaling().scale_size() > 0;
  if (scaled_inputs || scaled_targets) {
    absl::StrAppend(&text, "\nscaled, as the network takes them: ", scaled_inputs ? "x" : "",
                    scaled_inputs && scaled_targets ? ", " : "", scaled_targets ? "y and y*" : "");
  }
  for (int layer = 0; layer < trace.layers_size(); ++layer) {
    absl::StrAppend(&text, "\n\n", LayerTables(trace, network, layer).Text());
  }
  return text;
}

}  // namespace backprop::client
