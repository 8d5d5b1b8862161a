#include "client/cli/derivative_flags.h"

#include <CLI/Validators.hpp>

#include "client/cli/whole_number.h"

namespace backprop::client {

void AddDerivativeFlags(CLI::App& command, DerivativeFlags& flags) {
  command.add_option("name", flags.name, "The session")->required();
  command.add_option("--set", flags.set, "The pattern set")->capture_default_str();
  command.add_option("--model-version", flags.model_version, "Version of the parameters (default: the latest)")
      ->check(WholeNumber());
  command
      .add_option("--work-limit", flags.work_limit,
                  "Multiply-adds that it may take at most (default: as many as the server lets it)")
      ->check(WholeNumber<int64_t>(0));
}

void AddCurvatureFlag(CLI::App& command, DerivativeFlags& flags) {
  command.add_option("--curvature", flags.curvature, "The matrix of second derivatives, or its Gauss-Newton part")
      ->check(CLI::IsMember({"hessian", "gauss-newton"}))
      ->capture_default_str();
}

v1::Curvature CurvatureOf(const DerivativeFlags& flags) {
  return flags.curvature == "hessian" ? v1::CURVATURE_HESSIAN : v1::CURVATURE_GAUSS_NEWTON;
}

absl::StatusOr<v1::Session> GetSession(CommandContext& context, const std::string& name) {
  v1::GetSessionRequest request;
  request.set_name(SessionName(name));
  return context.client().GetSession(request);
}

}  // namespace backprop::client
