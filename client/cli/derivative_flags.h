#pragma once

#include <CLI/App.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_format.h"
#include "backprop/v1/derivative_service.pb.h"
#include "client/cli/command_context.h"
#include "client/cli/names.h"

namespace backprop::client {

// What the commands for second and higher derivatives have in common.
struct DerivativeFlags {
  std::string name;
  std::string set = "training";
  std::optional<int64_t> model_version;
  std::string curvature = "hessian";
  int64_t work_limit = 0;
  std::string npy_path;
};

void AddDerivativeFlags(CLI::App& command, DerivativeFlags& flags);
void AddCurvatureFlag(CLI::App& command, DerivativeFlags& flags);
[[nodiscard]] v1::Curvature CurvatureOf(const DerivativeFlags& flags);

// What the flags say, in `request` of any of the calls.
template <typename Request>
void SetDerivativeFields(const DerivativeFlags& flags, Request* request) {
  request->set_session(SessionName(flags.name));
  request->set_pattern_set(flags.set);
  if (flags.model_version) request->set_model_version(*flags.model_version);
  request->set_work_limit(flags.work_limit);
}

absl::StatusOr<v1::Session> GetSession(CommandContext& context, const std::string& name);

// The lines that the answers of these commands begin with.
template <typename Response>
[[nodiscard]] std::string AnswerText(const Response& response) {
  return absl::StrFormat("patterns %d\nmodel version %d\nlog likelihood %.9g", response.pattern_count(),
                         response.model_version(), response.log_likelihood());
}

// Adds a command that `run` carries out.
template <typename Flags>
void SetCommand(CLI::App* command, CommandContext& context, std::shared_ptr<Flags> flags,
                absl::Status (*run)(CommandContext&, const Flags&)) {
  command->callback(
      [&context, flags, run] { context.command = [&context, flags, run] { return run(context, *flags); }; });
}

}  // namespace backprop::client
