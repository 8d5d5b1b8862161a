#pragma once

#include <CLI/App.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "backprop/v1/session_service.pb.h"

namespace backprop::client {

// The flags of `create`, as given.
struct CreateFlags {
  std::string name;
  // Units from the input layer to the output layer.
  std::vector<int32_t> layers;
  std::string task;
  // One activation for all hidden layers, or one for each.
  std::vector<std::string> hidden;
  std::string precision = "float32";
  std::string initial_weights = "glorot";
  std::optional<double> range;
  int64_t seed = 0;
  std::vector<std::string> output_names;
  // KEY=VALUE.
  std::vector<std::string> labels;
};

void AddCreateFlags(CLI::App& command, CreateFlags& flags);

// INVALID_ARGUMENT for flags that do not go together; what the server checks is left to it.
[[nodiscard]] absl::StatusOr<v1::CreateSessionRequest> CreateRequestFrom(const CreateFlags& flags);

}  // namespace backprop::client
