#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/derivative_flags.h"
#include "client/cli/session_text.h"
#include "client/cli/whole_number.h"
#include "client/data/npy_vector.h"
#include "client/flat_parameters.h"

namespace backprop::client {
namespace {

// A larger matrix does not fit a screen; --npy and --output json have it whole.
constexpr int kMaxColumnsShown = 12;

struct HessianFlags : DerivativeFlags {
  bool diagonal = false;
  std::optional<int32_t> layer;
};

std::string MatrixText(const v1::Matrix& matrix) {
  const std::vector<double> elements = ElementsOf(matrix);
  const auto columns = static_cast<size_t>(matrix.column_count()), rows = elements.size() / columns;
  double trace = 0;
  for (size_t i = 0; i < elements.size(); i += columns == 1 ? 1 : columns + 1) trace += elements[i];
  std::string text = absl::StrFormat(
      "%s norm %.9g  trace %.9g",
      columns == 1 && rows > 1 ? absl::StrCat("diagonal of ", rows) : absl::StrCat("hessian ", rows, " x ", columns),
      EuclideanNorm(elements), trace);
  if (rows > kMaxColumnsShown) return text;
  std::vector<std::vector<std::string>> cells(rows);
  for (size_t i = 0; i < elements.size(); ++i) cells[i / columns].push_back(absl::StrFormat("%.6g", elements[i]));
  return absl::StrCat(text, "\n", TableText(cells));
}

absl::Status RunHessian(CommandContext& context, const HessianFlags& flags) {
  v1::ComputeHessianRequest request;
  SetDerivativeFields(flags, &request);
  request.set_curvature(CurvatureOf(flags));
  if (flags.diagonal) request.set_diagonal(true);
  if (flags.layer) {
    const absl::StatusOr<v1::Session> session = GetSession(context, flags.name);
    if (!session.ok()) return session.status();
    const int layer_count = session->network().hidden_layers_size() + 1;
    if (*flags.layer > layer_count) {
      return absl::InvalidArgumentError(
          absl::StrCat("--layer: must be from 1 to ", layer_count, ", the output layer, but is ", *flags.layer));
    }
    request.set_layer(*flags.layer - 1);
  }
  const absl::StatusOr<v1::ComputeHessianResponse> response =
      context.client().ComputeHessian(request, context.LongCall());
  if (!response.ok()) return response.status();
  const v1::Matrix& hessian = response->hessian();
  // First, so that a file that cannot be written does not cost the result.
  context.Print(*response, absl::StrCat(AnswerText(*response), "\n", MatrixText(hessian)));
  if (flags.npy_path.empty()) return absl::OkStatus();
  const std::vector<double> elements = ElementsOf(hessian);
  const bool single = hessian.values_size() > 0;
  return flags.diagonal ? WriteNpyVector(flags.npy_path, elements, single)
                        : WriteNpyMatrix(flags.npy_path, elements, static_cast<size_t>(hessian.row_count()), single);
}

}  // namespace

void AddHessian(CLI::App& app, CommandContext& context) {
  CLI::App* command = app.add_subcommand("hessian", "Compute the second derivatives of the log likelihood");
  const auto flags = std::make_shared<HessianFlags>();
  AddDerivativeFlags(*command, *flags);
  AddCurvatureFlag(*command, *flags);
  CLI::Option* const diagonal = command->add_flag("--diagonal", flags->diagonal, "The diagonal alone");
  command->add_option("--layer", flags->layer, "The block of one layer: 1 is the first above the inputs")
      ->check(WholeNumber<int32_t>(1))
      ->excludes(diagonal);
  command->add_option(
      "--npy", flags->npy_path,
      "Also write it as a matrix, the diagonal as a vector: for each layer the weights row by row, then "
      "the biases");
  SetCommand(command, context, flags, RunHessian);
}

}  // namespace backprop::client
