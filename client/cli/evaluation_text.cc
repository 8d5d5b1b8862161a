#include "client/cli/evaluation_text.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/session_text.h"
#include "client/flat_parameters.h"

namespace backprop::client {
namespace {

// A larger confusion matrix does not fit a screen; --output json has it whole.
constexpr int kMaxClassesShown = 30;

std::string ConfusionText(const v1::Matrix& matrix, const std::vector<std::string>& class_names) {
  const int class_count = matrix.row_count();
  const std::vector<double> elements = ElementsOf(matrix);
  const auto name = [&](int index) {
    const auto i = static_cast<size_t>(index);
    return class_names.size() == static_cast<size_t>(class_count) ? class_names[i] : absl::StrCat(index);
  };
  std::vector<std::vector<std::string>> rows(1, {""});
  for (int j = 0; j < class_count; ++j) rows[0].push_back(name(j));
  for (int i = 0; i < class_count; ++i) {
    rows.push_back({name(i)});
    for (int j = 0; j < class_count; ++j) {
      rows.back().push_back(absl::StrFormat("%.6g", elements[static_cast<size_t>(i * class_count + j)]));
    }
  }
  return absl::StrCat("\nconfusion matrix (row: class, column: predicted class)\n", TableText(rows));
}

}  // namespace

std::string EvaluationText(const v1::EvaluateResponse& response, const std::vector<std::string>& class_names) {
  std::string text = absl::StrFormat("patterns %d\nmodel version %d\nlog likelihood %.9g\nmean log likelihood %.9g",
                                     response.pattern_count(), response.model_version(), response.log_likelihood(),
                                     response.mean_log_likelihood());
  if (response.has_accuracy()) absl::StrAppendFormat(&text, "\naccuracy %.6f", response.accuracy());
  if (response.has_mean_squared_error()) {
    absl::StrAppendFormat(&text, "\nmean squared error %.9g", response.mean_squared_error());
  }
  const int class_count = response.confusion_matrix().row_count();
  if (class_count > 0 && class_count <= kMaxClassesShown) {
    absl::StrAppend(&text, ConfusionText(response.confusion_matrix(), class_names));
  }
  return text;
}

std::string NormsText(const v1::Parameters& parameters, const std::string& what) {
  std::string text;
  int number = 0;
  for (const v1::LayerParameters& layer : parameters.layers()) {
    absl::StrAppendFormat(&text, "layer %d  weights %d x %d norm %.9g  biases %d norm %.9g\n", ++number,
                          layer.weights().row_count(), layer.weights().column_count(),
                          EuclideanNorm(ElementsOf(layer.weights())), layer.biases().row_count(),
                          EuclideanNorm(ElementsOf(layer.biases())));
  }
  absl::StrAppendFormat(&text, "%s norm %.9g", what, EuclideanNorm(FlatOf(parameters)));
  return text;
}

}  // namespace backprop::client
