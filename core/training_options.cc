#include "core/training_options.h"

#include <cmath>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "core/error.h"

namespace backprop {
namespace {

// Collects violations of ranges. NaN is in no range; `max` of infinity still asks for a finite number.
class Ranges {
 public:
  explicit Ranges(Violations* violations) : violations_(violations) {}

  void Positive(const std::string& field, double value) {
    if (!(value > 0 && std::isfinite(value))) Add(field, "finite and above 0", value);
  }
  void NotNegative(const std::string& field, double value) {
    if (!(value >= 0 && std::isfinite(value))) Add(field, "finite and 0 or more", value);
  }
  void BelowOne(const std::string& field, double value) {
    if (!(value >= 0 && value < 1)) Add(field, "0 or more and below 1", value);
  }
  void BetweenZeroAndOne(const std::string& field, double value) {
    if (!(value > 0 && value < 1)) Add(field, "above 0 and below 1", value);
  }
  void Patience(const std::string& field, int value) {
    if (value < 1) Add(field, "1 or more", value);
  }
  void Add(const std::string& field, absl::string_view range, double value) {
    violations_->Add(field, absl::StrCat("must be ", range, ", but is ", value));
  }

 private:
  Violations* violations_;
};

void Check(const GradientAscent& ascent, Violations* violations) {
  Ranges(violations).BelowOne("gradient_ascent.momentum", ascent.momentum);
  if (ascent.nesterov && ascent.momentum == 0) {
    violations->Add("gradient_ascent.nesterov", "needs gradient_ascent.momentum above 0, for instance 0.9");
  }
}

void Check(const Adam& adam, Violations* violations) {
  Ranges(violations).BelowOne("adam.beta1", adam.beta1);
  Ranges(violations).BelowOne("adam.beta2", adam.beta2);
  Ranges(violations).Positive("adam.epsilon", adam.epsilon);
}

void Check(const Rprop& rprop, Violations* violations) {
  Ranges ranges(violations);
  if (!(rprop.increase_factor > 1 && std::isfinite(rprop.increase_factor))) {
    ranges.Add("rprop.increase_factor", "finite and above 1", rprop.increase_factor);
  }
  ranges.BetweenZeroAndOne("rprop.decrease_factor", rprop.decrease_factor);
  ranges.Positive("rprop.min_step_size", rprop.min_step_size);
  ranges.Positive("rprop.max_step_size", rprop.max_step_size);
  if (rprop.max_step_size < rprop.min_step_size) {
    ranges.Add("rprop.max_step_size", absl::StrCat("at least rprop.min_step_size, ", rprop.min_step_size),
               rprop.max_step_size);
  }
}

void Check(const Lbfgs& lbfgs, Violations* violations) {
  if (lbfgs.history_size < 1 || lbfgs.history_size > kMaxLbfgsHistorySize) {
    Ranges(violations).Add("lbfgs.history_size", absl::StrCat("1 to ", kMaxLbfgsHistorySize), lbfgs.history_size);
  }
}

void Check(const NewtonCg& newton_cg, Violations* violations) {
  if (newton_cg.max_product_count < 1 || newton_cg.max_product_count > kMaxNewtonCgProductCount) {
    Ranges(violations)
        .Add("newton_cg.max_product_count", absl::StrCat("1 to ", kMaxNewtonCgProductCount),
             newton_cg.max_product_count);
  }
  Ranges(violations).BetweenZeroAndOne("newton_cg.tolerance", newton_cg.tolerance);
}

// The name of its field in TrainingOptions.
const char* NameOf(const GradientAscent&) { return "gradient_ascent"; }
const char* NameOf(const Adam&) { return "adam"; }
const char* NameOf(const Rprop&) { return "rprop"; }
const char* NameOf(const Lbfgs&) { return "lbfgs"; }
const char* NameOf(const NewtonCg&) { return "newton_cg"; }
const char* NameOf(const OptimizerOptions& optimizer) {
  return std::visit([](const auto& options) { return NameOf(options); }, optimizer);
}

constexpr char kSchedule[] = "schedule.";

void Check(const ConstantSchedule&, Violations*) {}

void Check(const ExponentialSchedule& schedule, Violations* violations) {
  if (!(schedule.factor > 0 && schedule.factor <= 1)) {
    Ranges(violations).Add(absl::StrCat(kSchedule, "exponential.factor"), "above 0 and at most 1", schedule.factor);
  }
}

void Check(const CosineSchedule& schedule, Violations* violations) {
  Ranges(violations).NotNegative(absl::StrCat(kSchedule, "cosine.final_step_size"), schedule.final_step_size);
  if (schedule.epoch_count < 0 || schedule.epoch_count > kMaxEpochCount) {
    Ranges(violations)
        .Add(absl::StrCat(kSchedule, "cosine.epoch_count"), absl::StrCat("0 to ", kMaxEpochCount),
             static_cast<double>(schedule.epoch_count));
  }
}

void Check(const OnPlateauSchedule& schedule, Violations* violations) {
  Ranges ranges(violations);
  ranges.BetweenZeroAndOne(absl::StrCat(kSchedule, "on_plateau.factor"), schedule.factor);
  ranges.Patience(absl::StrCat(kSchedule, "on_plateau.patience"), schedule.patience);
  ranges.NotNegative(absl::StrCat(kSchedule, "on_plateau.min_improvement"), schedule.min_improvement);
  ranges.NotNegative(absl::StrCat(kSchedule, "on_plateau.min_step_size"), schedule.min_step_size);
}

// What of the other options an optimizer takes.
void CheckCombination(const TrainingOptions& options, Violations* violations) {
  const char* const name = NameOf(options.optimizer);
  if (TrainsOnWholeSets(options.optimizer) && options.batch_size > 0) {
    violations->Add("batch_size", absl::StrCat("must be 0 (the whole set) with ", name, ", but is ", options.batch_size,
                                               ": it compares steps by all patterns"));
  }
  if (std::holds_alternative<ConstantSchedule>(options.schedule)) return;
  if (TrainsOnWholeSets(options.optimizer)) {
    violations->Add("schedule",
                    absl::StrCat("must be constant or left out with ", name, ", which searches its step sizes"));
  } else if (std::holds_alternative<Rprop>(options.optimizer)) {
    violations->Add("schedule", "must be constant or left out with rprop, which keeps steps of its own");
  }
}

Violations ViolationsIn(const TrainingOptions& options) {
  Violations violations;
  Ranges ranges(&violations);
  if (options.batch_size < 0) ranges.Add("batch_size", "0 (the whole set) or more", options.batch_size);
  ranges.Positive("step_size", options.step_size);
  std::visit([&](const auto& optimizer) { Check(optimizer, &violations); }, options.optimizer);
  std::visit([&](const auto& schedule) { Check(schedule, &violations); }, options.schedule);
  CheckCombination(options, &violations);
  ranges.NotNegative("weight_decay", options.weight_decay);
  ranges.NotNegative("gradient_norm_limit", options.gradient_norm_limit);
  if (options.early_stopping) {
    ranges.Patience("early_stopping.patience", options.early_stopping->patience);
    ranges.NotNegative("early_stopping.min_improvement", options.early_stopping->min_improvement);
  }
  return violations;
}

}  // namespace

bool TrainsOnWholeSets(const OptimizerOptions& optimizer) {
  return std::holds_alternative<Lbfgs>(optimizer) || std::holds_alternative<NewtonCg>(optimizer);
}

bool IsPlainAscent(const TrainingOptions& options) {
  const auto* ascent = std::get_if<GradientAscent>(&options.optimizer);
  return ascent != nullptr && ascent->momentum == 0 && options.weight_decay == 0;
}

double DefaultStepSize(const OptimizerOptions& optimizer) {
  if (TrainsOnWholeSets(optimizer)) return 1;
  return std::holds_alternative<Adam>(optimizer) ? 0.001 : 0.1;
}

absl::Status Validate(const TrainingOptions& options) { return ViolationsIn(options).ToStatus(); }

absl::Status ValidateOnline(const TrainingOptions& options) {
  Violations violations = ViolationsIn(options);
  if (TrainsOnWholeSets(options.optimizer)) {
    violations.Add(NameOf(options.optimizer),
                   "trains on whole sets, in RunEpochs only: take gradient_ascent, adam or rprop");
  }
  return violations.ToStatus();
}

}  // namespace backprop
