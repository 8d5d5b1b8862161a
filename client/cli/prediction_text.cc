#include "client/cli/prediction_text.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/flat_parameters.h"

namespace backprop::client {
namespace {

// The classes of pattern `row`, empty for regression.
std::string ClassText(const v1::PredictResponse& response, int row) {
  // Multiway has one class a pattern, binary one for each output unit.
  const int per_pattern = response.classes_size() / response.outputs().row_count();
  std::string text;
  for (int i = row * per_pattern; i < (row + 1) * per_pattern; ++i) {
    absl::StrAppend(&text, text.empty() ? "" : ",");
    if (response.class_names_size() == response.classes_size()) {
      absl::StrAppend(&text, response.class_names(i));
    } else {
      absl::StrAppend(&text, response.classes(i));
    }
  }
  return text;
}

}  // namespace

std::string PredictionText(const v1::PredictResponse& response) {
  const std::vector<double> outputs = ElementsOf(response.outputs());
  const std::vector<double> deviations = ElementsOf(response.standard_deviations());  // Empty, or one an output.
  const auto column_count = static_cast<size_t>(response.outputs().column_count());
  std::string text;
  for (int row = 0; row < response.outputs().row_count(); ++row) {
    std::string line = ClassText(response, row);
    for (size_t i = 0; i < column_count; ++i) {
      const size_t at = static_cast<size_t>(row) * column_count + i;
      absl::StrAppendFormat(&line, "%s%.6g", line.empty() ? "" : "\t", outputs[at]);
      if (!deviations.empty()) absl::StrAppendFormat(&line, " +- %.3g", deviations[at]);
    }
    absl::StrAppend(&text, line, "\n");
  }
  return text;
}

}  // namespace backprop::client
