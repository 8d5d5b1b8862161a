#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/derivative_flags.h"
#include "client/cli/parameters_file.h"
#include "client/cli/session_text.h"
#include "client/cli/whole_number.h"
#include "client/data/npy_vector.h"
#include "client/flat_parameters.h"
#include "client/hessian_vector_products.h"

namespace backprop::client {
namespace {

struct HvpFlags : DerivativeFlags {
  std::string directions_npy_path;
  std::vector<std::string> direction_paths;
  bool gradient = false;
  int32_t random_count = 0;
  int64_t seed = 0;
};

using Response = v1::ComputeHessianVectorProductResponse;

using Directions = std::vector<std::pair<std::string, const v1::Parameters*>>;

// Of every product, in order, with their names.
Directions DirectionsOf(const v1::ComputeHessianVectorProductRequest& request, const Response& response) {
  Directions directions;
  for (const v1::Parameters& direction : request.directions()) {
    directions.emplace_back(absl::StrCat(directions.size() + 1), &direction);
  }
  if (request.gradient_direction()) directions.emplace_back("gradient", &response.gradient());
  for (int i = 0; i < response.random_directions_size(); ++i) {
    directions.emplace_back(absl::StrCat("random ", i + 1), &response.random_directions(i));
  }
  return directions;
}

// A row for each product Hv: how long it is, and the curvature along its direction.
std::string ProductsText(const Directions& directions, const Response& response) {
  std::vector<std::vector<std::string>> rows = {{"direction v", "|v|", "|H v|", "v' H v"}};
  for (size_t i = 0; i < directions.size(); ++i) {
    const std::vector<double> v = FlatOf(*directions[i].second), hv = FlatOf(response.products(static_cast<int>(i)));
    rows.push_back({directions[i].first, absl::StrFormat("%.9g", EuclideanNorm(v)),
                    absl::StrFormat("%.9g", EuclideanNorm(hv)),
                    absl::StrFormat("%.9g", std::inner_product(v.begin(), v.end(), hv.begin(), 0.0))});
  }
  return TableText(rows);
}

// One as a vector, several as a matrix [one x parameter].
absl::Status WriteNpy(const std::string& path, const std::vector<const v1::Parameters*>& all, bool single_precision) {
  if (path.empty()) return absl::OkStatus();
  std::vector<double> elements;
  for (const v1::Parameters* const parameters : all) {
    const std::vector<double> flat = FlatOf(*parameters);
    elements.insert(elements.end(), flat.begin(), flat.end());
  }
  if (all.size() == 1) return WriteNpyVector(path, elements, single_precision);
  return WriteNpyMatrix(path, elements, all.size(), single_precision);
}

absl::Status RunHvp(CommandContext& context, const HvpFlags& flags) {
  if (flags.direction_paths.empty() && !flags.gradient && flags.random_count == 0) {
    return absl::InvalidArgumentError("a direction is needed: --direction FILE, --gradient or --random N");
  }
  v1::ComputeHessianVectorProductRequest request;
  SetDerivativeFields(flags, &request);
  request.set_curvature(CurvatureOf(flags));
  request.set_gradient_direction(flags.gradient);
  request.mutable_random_directions()->set_count(flags.random_count);
  request.mutable_random_directions()->set_seed(flags.seed);
  if (!flags.direction_paths.empty()) {
    const absl::StatusOr<v1::Session> session = GetSession(context, flags.name);
    if (!session.ok()) return session.status();
    for (const std::string& path : flags.direction_paths) {
      absl::StatusOr<std::vector<v1::Parameters>> directions = ReadDirectionsFile(path, *session);
      if (!directions.ok()) return directions.status();
      for (v1::Parameters& direction : *directions) *request.add_directions() = std::move(direction);
    }
  }
  // As a stream: the answer may be larger than a message.
  const absl::StatusOr<Response> response = HessianVectorProducts(context.client(), request, context.LongCall());
  if (!response.ok()) return response.status();
  // First, so that a file that cannot be written does not cost the result.
  const Directions named = DirectionsOf(request, *response);
  context.Print(*response, absl::StrCat(AnswerText(*response), "\n", ProductsText(named, *response)));
  std::vector<const v1::Parameters*> products, directions;
  for (const v1::Parameters& product : response->products()) products.push_back(&product);
  for (const auto& [name, direction] : named) directions.push_back(direction);
  const bool single_precision = IsSinglePrecision(response->gradient());
  if (absl::Status status = WriteNpy(flags.npy_path, products, single_precision); !status.ok()) return status;
  // In double: those that were given may be of any precision.
  return WriteNpy(flags.directions_npy_path, directions, /*single_precision=*/false);
}

}  // namespace

void AddHvp(CLI::App& app, CommandContext& context) {
  CLI::App* command = app.add_subcommand("hvp", "Multiply the Hessian of the log likelihood with directions");
  const auto flags = std::make_shared<HvpFlags>();
  AddDerivativeFlags(*command, *flags);
  AddCurvatureFlag(*command, *flags);
  command
      ->add_option(
          "--direction", flags->direction_paths,
          "File of a direction, .npy, numbers or JSON, in the order of the parameters; several if repeated, or as the "
          "rows of a matrix in .npy")
      ->allow_extra_args(false);
  command->add_flag("--gradient", flags->gradient, "The gradient as a direction");
  command
      ->add_option("--random", flags->random_count,
                   "So many directions of +1 and -1, drawn at random; 256 directions at most in all")
      ->check(WholeNumber<int32_t>(0));
  command->add_option("--seed", flags->seed, "Of --random")->check(WholeNumber())->capture_default_str();
  command->add_option("--npy", flags->npy_path,
                      "Also write the product as one vector, several as a matrix [product x parameter]: for each layer "
                      "the weights row by row, then the biases");
  command->add_option("--directions-npy", flags->directions_npy_path,
                      "Also write the directions, with those drawn and the gradient, as --npy writes their products");
  SetCommand(command, context, flags, RunHvp);
}

}  // namespace backprop::client
