// From the flags of `train` to TrainingOptions; the flags themselves are in training_flags.cc.
#include <initializer_list>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "client/cli/training_flags.h"

namespace backprop::client {
namespace {

constexpr int32_t kDefaultBatchSize = 32;
constexpr double kDefaultMomentum = 0.9;

struct GivenFlag {
  absl::string_view flag;
  bool given;
};

// Of the given flags none may be there without `owner`, which is what `chosen` is not.
absl::Status NoneGiven(absl::string_view owner, std::initializer_list<GivenFlag> flags) {
  for (const GivenFlag& flag : flags) {
    if (flag.given) return absl::InvalidArgumentError(absl::StrCat(flag.flag, " needs ", owner));
  }
  return absl::OkStatus();
}

absl::Status CheckOptimizerFlags(const TrainingFlags& flags) {
  const std::string& optimizer = flags.optimizer;
  absl::Status status;
  if (optimizer != "ascent" && optimizer != "momentum" && optimizer != "nesterov") {
    status.Update(NoneGiven("--optimizer ascent, momentum or nesterov", {{"--momentum", flags.momentum.has_value()}}));
  }
  if (optimizer != "adam") {
    status.Update(NoneGiven("--optimizer adam", {{"--beta1", flags.beta1.has_value()},
                                                 {"--beta2", flags.beta2.has_value()},
                                                 {"--epsilon", flags.epsilon.has_value()}}));
  }
  if (optimizer != "rprop") {
    status.Update(NoneGiven("--optimizer rprop", {{"--increase-factor", flags.increase_factor.has_value()},
                                                  {"--decrease-factor", flags.decrease_factor.has_value()},
                                                  {"--max-step-size", flags.max_step_size.has_value()}}));
  }
  if (optimizer != "rprop" && flags.schedule != "plateau") {
    status.Update(
        NoneGiven("--optimizer rprop or --schedule plateau", {{"--min-step-size", flags.min_step_size.has_value()}}));
  }
  if (optimizer != "lbfgs") {
    status.Update(NoneGiven("--optimizer lbfgs", {{"--history-size", flags.history_size.has_value()}}));
  }
  if (optimizer != "newton-cg") {
    status.Update(NoneGiven("--optimizer newton-cg", {{"--max-products", flags.max_product_count.has_value()},
                                                      {"--tolerance", flags.tolerance.has_value()},
                                                      {"--gauss-newton", flags.gauss_newton}}));
  }
  return status;
}

absl::Status CheckScheduleFlags(const TrainingFlags& flags) {
  absl::Status status;
  if (flags.schedule != "exponential" && flags.schedule != "plateau") {
    status.Update(
        NoneGiven("--schedule exponential or plateau", {{"--schedule-factor", flags.schedule_factor.has_value()}}));
  }
  if (flags.schedule != "cosine") {
    status.Update(NoneGiven("--schedule cosine", {{"--final-step-size", flags.final_step_size.has_value()},
                                                  {"--schedule-epochs", flags.schedule_epochs.has_value()}}));
  }
  if (flags.schedule != "plateau") {
    status.Update(
        NoneGiven("--schedule plateau", {{"--schedule-patience", flags.schedule_patience.has_value()},
                                         {"--schedule-min-improvement", flags.schedule_min_improvement.has_value()}}));
  }
  if (flags.schedule == "exponential" && !flags.schedule_factor) {
    status.Update(absl::InvalidArgumentError("--schedule exponential needs --schedule-factor"));
  }
  return status;
}

// The optimizers that do best, or do at all, with batch training.
bool IsForWholeSets(absl::string_view optimizer) {
  return optimizer == "rprop" || optimizer == "lbfgs" || optimizer == "newton-cg";
}

absl::StatusOr<int32_t> BatchSizeFrom(const TrainingFlags& flags) {
  if (flags.batch_size == "all") return 0;
  if (flags.batch_size.empty()) return IsForWholeSets(flags.optimizer) ? 0 : kDefaultBatchSize;
  int32_t batch_size = 0;
  if (absl::SimpleAtoi(flags.batch_size, &batch_size) && batch_size > 0) return batch_size;
  return absl::InvalidArgumentError(
      absl::StrCat("--batch-size ", flags.batch_size, ": must be a count of at least 1, or all"));
}

void SetOptimizer(const TrainingFlags& flags, v1::TrainingOptions* options) {
  if (flags.optimizer == "adam") {
    v1::Adam& adam = *options->mutable_adam();
    if (flags.beta1) adam.set_beta1(*flags.beta1);
    if (flags.beta2) adam.set_beta2(*flags.beta2);
    if (flags.epsilon) adam.set_epsilon(*flags.epsilon);
  } else if (flags.optimizer == "rprop") {
    v1::Rprop& rprop = *options->mutable_rprop();
    if (flags.increase_factor) rprop.set_increase_factor(*flags.increase_factor);
    if (flags.decrease_factor) rprop.set_decrease_factor(*flags.decrease_factor);
    if (flags.min_step_size) rprop.set_min_step_size(*flags.min_step_size);
    if (flags.max_step_size) rprop.set_max_step_size(*flags.max_step_size);
  } else if (flags.optimizer == "lbfgs") {
    v1::Lbfgs& lbfgs = *options->mutable_lbfgs();
    if (flags.history_size) lbfgs.set_history_size(*flags.history_size);
  } else if (flags.optimizer == "newton-cg") {
    v1::NewtonCg& newton_cg = *options->mutable_newton_cg();
    if (flags.max_product_count) newton_cg.set_max_product_count(*flags.max_product_count);
    if (flags.tolerance) newton_cg.set_tolerance(*flags.tolerance);
    newton_cg.set_gauss_newton(flags.gauss_newton);
  } else {
    v1::GradientAscent& ascent = *options->mutable_gradient_ascent();
    ascent.set_momentum(flags.momentum.value_or(flags.optimizer == "ascent" ? 0 : kDefaultMomentum));
    ascent.set_nesterov(flags.optimizer == "nesterov");
  }
}

void SetSchedule(const TrainingFlags& flags, v1::StepSizeSchedule* schedule) {
  if (flags.schedule == "exponential") {
    schedule->mutable_exponential()->set_factor(flags.schedule_factor.value_or(1));
  } else if (flags.schedule == "cosine") {
    schedule->mutable_cosine()->set_final_step_size(flags.final_step_size.value_or(0));
    schedule->mutable_cosine()->set_epoch_count(flags.schedule_epochs.value_or(0));
  } else if (flags.schedule == "plateau") {
    v1::StepSizeSchedule::OnPlateau& plateau = *schedule->mutable_on_plateau();
    if (flags.schedule_factor) plateau.set_factor(*flags.schedule_factor);
    if (flags.schedule_patience) plateau.set_patience(*flags.schedule_patience);
    if (flags.schedule_min_improvement) plateau.set_min_improvement(*flags.schedule_min_improvement);
    plateau.set_min_step_size(flags.min_step_size.value_or(0));
  } else {
    schedule->mutable_constant();
  }
}

void SetEarlyStopping(const TrainingFlags& flags, v1::TrainingOptions* options) {
  if (!flags.patience && !flags.min_improvement && !flags.restore_best) return;
  v1::EarlyStopping& early_stopping = *options->mutable_early_stopping();
  if (flags.patience) early_stopping.set_patience(*flags.patience);
  early_stopping.set_min_improvement(flags.min_improvement.value_or(0));
  early_stopping.set_restore_best(flags.restore_best);
}

}  // namespace

absl::StatusOr<v1::TrainingOptions> TrainingOptionsFrom(const TrainingFlags& flags) {
  absl::Status status = CheckOptimizerFlags(flags);
  status.Update(CheckScheduleFlags(flags));
  if (!status.ok()) return status;
  const absl::StatusOr<int32_t> batch_size = BatchSizeFrom(flags);
  if (!batch_size.ok()) return batch_size.status();
  v1::TrainingOptions options;
  options.set_batch_size(*batch_size);
  options.set_reduction(flags.reduction == "sum" ? v1::REDUCTION_SUM : v1::REDUCTION_MEAN);
  if (flags.step_size) options.set_step_size(*flags.step_size);
  SetOptimizer(flags, &options);
  SetSchedule(flags, options.mutable_schedule());
  options.set_weight_decay(flags.weight_decay);
  options.set_gradient_norm_limit(flags.gradient_norm_limit);
  options.set_shuffle(flags.shuffle);
  options.set_seed(flags.seed);
  SetEarlyStopping(flags, &options);
  return options;
}

}  // namespace backprop::client
