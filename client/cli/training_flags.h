#pragma once

#include <CLI/App.hpp>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "backprop/v1/training_options.pb.h"

namespace backprop::client {

// The flags that make up TrainingOptions, as given. What is left out is left to the server's defaults, but for
// batch_size (32; all with rprop, lbfgs and newton-cg), momentum (0.9 with the optimizers momentum and nesterov) and
// shuffle (on).
struct TrainingFlags {
  // A count, or `all`.
  std::string batch_size;
  std::optional<double> step_size;
  std::string reduction = "mean";
  std::string optimizer = "ascent";
  std::optional<double> momentum;
  std::optional<double> beta1;
  std::optional<double> beta2;
  std::optional<double> epsilon;
  std::optional<double> increase_factor;
  std::optional<double> decrease_factor;
  // Of rprop, and of the plateau schedule.
  std::optional<double> min_step_size;
  std::optional<double> max_step_size;
  std::optional<int32_t> history_size;
  std::optional<int32_t> max_product_count;
  std::optional<double> tolerance;
  bool gauss_newton = false;
  std::string schedule = "constant";
  // Of the exponential and the plateau schedule.
  std::optional<double> schedule_factor;
  std::optional<double> final_step_size;
  std::optional<int64_t> schedule_epochs;
  std::optional<int32_t> schedule_patience;
  std::optional<double> schedule_min_improvement;
  double weight_decay = 0;
  double gradient_norm_limit = 0;
  bool shuffle = true;
  int64_t seed = 0;
  // Early stopping, on when any of the three is given.
  std::optional<int32_t> patience;
  std::optional<double> min_improvement;
  bool restore_best = false;
};

void AddTrainingFlags(CLI::App& command, TrainingFlags& flags);

// INVALID_ARGUMENT for a flag that the chosen optimizer or schedule does not have; ranges are left to the server.
[[nodiscard]] absl::StatusOr<v1::TrainingOptions> TrainingOptionsFrom(const TrainingFlags& flags);

}  // namespace backprop::client
