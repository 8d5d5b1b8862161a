#include "client/cli/training_flags.h"

#include <CLI/Validators.hpp>

#include "client/cli/whole_number.h"

namespace backprop::client {
namespace {

void AddOptimizerFlags(CLI::App& command, TrainingFlags& flags) {
  constexpr char kGroup[] = "Optimizer";
  command.add_option("--optimizer", flags.optimizer, "How the gradient becomes a step")
      ->check(CLI::IsMember({"ascent", "momentum", "nesterov", "adam", "rprop", "lbfgs", "newton-cg"}))
      ->capture_default_str()
      ->group(kGroup);
  command.add_option("--momentum", flags.momentum, "momentum, nesterov: share of the last step kept (default 0.9)")
      ->group(kGroup);
  command.add_option("--beta1", flags.beta1, "adam (default 0.9)")->group(kGroup);
  command.add_option("--beta2", flags.beta2, "adam (default 0.999)")->group(kGroup);
  command.add_option("--epsilon", flags.epsilon, "adam (default 1e-8)")->group(kGroup);
  command.add_option("--increase-factor", flags.increase_factor, "rprop (default 1.2)")->group(kGroup);
  command.add_option("--decrease-factor", flags.decrease_factor, "rprop (default 0.5)")->group(kGroup);
  command.add_option("--min-step-size", flags.min_step_size, "rprop (default 1e-6); plateau schedule (default 0)")
      ->group(kGroup);
  command.add_option("--max-step-size", flags.max_step_size, "rprop (default 50)")->group(kGroup);
  command.add_option("--history-size", flags.history_size, "lbfgs: epochs whose gradients are remembered (default 10)")
      ->check(WholeNumber<int32_t>())
      ->group(kGroup);
  command
      .add_option("--max-products", flags.max_product_count,
                  "newton-cg: products of the Hessian with a vector an epoch, at most (default 100)")
      ->check(WholeNumber<int32_t>())
      ->group(kGroup);
  command
      .add_option("--tolerance", flags.tolerance,
                  "newton-cg: share of the gradient that its equation may leave over (default 0.1)")
      ->group(kGroup);
  command.add_flag("--gauss-newton", flags.gauss_newton, "newton-cg: the Gauss-Newton matrix in place of the Hessian")
      ->group(kGroup);
}

void AddScheduleFlags(CLI::App& command, TrainingFlags& flags) {
  constexpr char kGroup[] = "Step size schedule";
  command.add_option("--schedule", flags.schedule, "How the step size changes from epoch to epoch")
      ->check(CLI::IsMember({"constant", "exponential", "cosine", "plateau"}))
      ->capture_default_str()
      ->group(kGroup);
  command
      .add_option("--schedule-factor", flags.schedule_factor,
                  "exponential: factor of every epoch; plateau: factor of every reduction (default 0.1)")
      ->group(kGroup);
  command.add_option("--final-step-size", flags.final_step_size, "cosine: where it ends (default 0)")->group(kGroup);
  command.add_option("--schedule-epochs", flags.schedule_epochs, "cosine: epochs of the descent (default: all)")
      ->check(WholeNumber())
      ->group(kGroup);
  command
      .add_option("--schedule-patience", flags.schedule_patience, "plateau: epochs without improvement (default 10)")
      ->check(WholeNumber<int32_t>())
      ->group(kGroup);
  command
      .add_option("--schedule-min-improvement", flags.schedule_min_improvement,
                  "plateau: gain in mean log likelihood that counts (default 1e-4)")
      ->group(kGroup);
}

void AddEarlyStoppingFlags(CLI::App& command, TrainingFlags& flags) {
  constexpr char kGroup[] = "Early stopping (needs --validation-set)";
  command.add_option("--patience", flags.patience, "Stop after so many epochs without improvement (default 10)")
      ->check(WholeNumber<int32_t>())
      ->group(kGroup);
  command.add_option("--min-improvement", flags.min_improvement, "Gain in mean log likelihood that counts (default 0)")
      ->group(kGroup);
  command.add_flag("--restore-best", flags.restore_best, "Publish the parameters of the best epoch at the end")
      ->group(kGroup);
}

}  // namespace

void AddTrainingFlags(CLI::App& command, TrainingFlags& flags) {
  command.add_option(
      "--batch-size", flags.batch_size,
      "Patterns a step: 1 is on-line training, all is batch training (default 32; rprop, lbfgs, newton-cg: all)");
  command.add_option(
      "--step-size", flags.step_size,
      "Also called learning rate (default: ascent 0.1, adam 0.001, rprop 0.1; lbfgs, newton-cg: first tried, 1)");
  command.add_option("--reduction", flags.reduction, "How the gradients of a batch become one")
      ->check(CLI::IsMember({"mean", "sum"}))
      ->capture_default_str();
  command.add_option("--weight-decay", flags.weight_decay, "Lambda of the penalty lambda/2 * |weights|^2");
  command.add_option("--gradient-norm-limit", flags.gradient_norm_limit, "Longest gradient; 0 is no limit");
  command.add_flag("--shuffle,!--no-shuffle", flags.shuffle, "A new order of the patterns each epoch (the default)");
  command.add_option("--seed", flags.seed, "Seed of the shuffling")->check(WholeNumber())->capture_default_str();
  AddOptimizerFlags(command, flags);
  AddScheduleFlags(command, flags);
  AddEarlyStoppingFlags(command, flags);
}

}  // namespace backprop::client
