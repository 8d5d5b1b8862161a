#include "server/services/training_codec.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/services/error_mapping.h"
#include "server/services/session_codec.h"
#include "server/sessions/resource_name.h"

namespace backprop::server {
namespace {

OptimizerOptions DecodeOptimizer(const v1::TrainingOptions& wire) {
  switch (wire.optimizer_case()) {
    case v1::TrainingOptions::kAdam: {
      Adam adam;
      if (wire.adam().has_beta1()) adam.beta1 = wire.adam().beta1();
      if (wire.adam().has_beta2()) adam.beta2 = wire.adam().beta2();
      if (wire.adam().has_epsilon()) adam.epsilon = wire.adam().epsilon();
      return adam;
    }
    case v1::TrainingOptions::kRprop: {
      Rprop rprop;
      if (wire.rprop().has_increase_factor()) rprop.increase_factor = wire.rprop().increase_factor();
      if (wire.rprop().has_decrease_factor()) rprop.decrease_factor = wire.rprop().decrease_factor();
      if (wire.rprop().has_min_step_size()) rprop.min_step_size = wire.rprop().min_step_size();
      if (wire.rprop().has_max_step_size()) rprop.max_step_size = wire.rprop().max_step_size();
      return rprop;
    }
    case v1::TrainingOptions::kLbfgs: {
      Lbfgs lbfgs;
      if (wire.lbfgs().has_history_size()) lbfgs.history_size = wire.lbfgs().history_size();
      return lbfgs;
    }
    case v1::TrainingOptions::kNewtonCg: {
      NewtonCg newton_cg{.gauss_newton = wire.newton_cg().gauss_newton()};
      if (wire.newton_cg().has_max_product_count()) newton_cg.max_product_count = wire.newton_cg().max_product_count();
      if (wire.newton_cg().has_tolerance()) newton_cg.tolerance = wire.newton_cg().tolerance();
      return newton_cg;
    }
    default:
      return GradientAscent{.momentum = wire.gradient_ascent().momentum(),
                            .nesterov = wire.gradient_ascent().nesterov()};
  }
}

StepSizeSchedule DecodeSchedule(const v1::StepSizeSchedule& wire) {
  switch (wire.schedule_case()) {
    case v1::StepSizeSchedule::kExponential:
      return ExponentialSchedule{.factor = wire.exponential().factor()};
    case v1::StepSizeSchedule::kCosine:
      return CosineSchedule{.final_step_size = wire.cosine().final_step_size(),
                            .epoch_count = wire.cosine().epoch_count()};
    case v1::StepSizeSchedule::kOnPlateau: {
      const auto& from = wire.on_plateau();
      OnPlateauSchedule schedule{.min_step_size = from.min_step_size()};
      if (from.has_factor()) schedule.factor = from.factor();
      if (from.has_patience()) schedule.patience = from.patience();
      if (from.has_min_improvement()) schedule.min_improvement = from.min_improvement();
      return schedule;
    }
    default:
      return ConstantSchedule{};
  }
}

void Encode(const GradientAscent& ascent, v1::TrainingOptions* wire) {
  wire->mutable_gradient_ascent()->set_momentum(ascent.momentum);
  wire->mutable_gradient_ascent()->set_nesterov(ascent.nesterov);
}
void Encode(const Adam& adam, v1::TrainingOptions* wire) {
  wire->mutable_adam()->set_beta1(adam.beta1);
  wire->mutable_adam()->set_beta2(adam.beta2);
  wire->mutable_adam()->set_epsilon(adam.epsilon);
}
void Encode(const Rprop& rprop, v1::TrainingOptions* wire) {
  wire->mutable_rprop()->set_increase_factor(rprop.increase_factor);
  wire->mutable_rprop()->set_decrease_factor(rprop.decrease_factor);
  wire->mutable_rprop()->set_min_step_size(rprop.min_step_size);
  wire->mutable_rprop()->set_max_step_size(rprop.max_step_size);
}

void Encode(const Lbfgs& lbfgs, v1::TrainingOptions* wire) {
  wire->mutable_lbfgs()->set_history_size(lbfgs.history_size);
}
void Encode(const NewtonCg& newton_cg, v1::TrainingOptions* wire) {
  wire->mutable_newton_cg()->set_max_product_count(newton_cg.max_product_count);
  wire->mutable_newton_cg()->set_tolerance(newton_cg.tolerance);
  wire->mutable_newton_cg()->set_gauss_newton(newton_cg.gauss_newton);
}

void Encode(const ConstantSchedule&, v1::StepSizeSchedule* wire) { wire->mutable_constant(); }
void Encode(const ExponentialSchedule& schedule, v1::StepSizeSchedule* wire) {
  wire->mutable_exponential()->set_factor(schedule.factor);
}
void Encode(const CosineSchedule& schedule, v1::StepSizeSchedule* wire) {
  wire->mutable_cosine()->set_final_step_size(schedule.final_step_size);
  wire->mutable_cosine()->set_epoch_count(schedule.epoch_count);
}
void Encode(const OnPlateauSchedule& schedule, v1::StepSizeSchedule* wire) {
  wire->mutable_on_plateau()->set_factor(schedule.factor);
  wire->mutable_on_plateau()->set_patience(schedule.patience);
  wire->mutable_on_plateau()->set_min_improvement(schedule.min_improvement);
  wire->mutable_on_plateau()->set_min_step_size(schedule.min_step_size);
}

v1::TrainingOptions EncodeTrainingOptions(const TrainingOptions& options) {
  v1::TrainingOptions wire;
  wire.set_batch_size(options.batch_size);
  wire.set_reduction(options.reduction == Reduction::kSum ? v1::REDUCTION_SUM : v1::REDUCTION_MEAN);
  wire.set_step_size(options.step_size);
  std::visit([&](const auto& optimizer) { Encode(optimizer, &wire); }, options.optimizer);
  std::visit([&](const auto& schedule) { Encode(schedule, wire.mutable_schedule()); }, options.schedule);
  wire.set_weight_decay(options.weight_decay);
  wire.set_gradient_norm_limit(options.gradient_norm_limit);
  wire.set_shuffle(options.shuffle);
  wire.set_seed(options.seed);
  if (options.early_stopping) {
    wire.mutable_early_stopping()->set_patience(options.early_stopping->patience);
    wire.mutable_early_stopping()->set_min_improvement(options.early_stopping->min_improvement);
    wire.mutable_early_stopping()->set_restore_best(options.early_stopping->restore_best);
  }
  return wire;
}

v1::TrainingRun::State EncodeState(RunState state) {
  switch (state) {
    case RunState::kQueued:
      return v1::TrainingRun::STATE_QUEUED;
    case RunState::kRunning:
      return v1::TrainingRun::STATE_RUNNING;
    case RunState::kSucceeded:
      return v1::TrainingRun::STATE_SUCCEEDED;
    case RunState::kCancelled:
      return v1::TrainingRun::STATE_CANCELLED;
    case RunState::kFailed:
      return v1::TrainingRun::STATE_FAILED;
  }
  return v1::TrainingRun::STATE_UNSPECIFIED;
}

google::protobuf::Duration EncodeDuration(std::chrono::duration<double> duration) {
  // Bounded by what a protobuf Duration holds, 10,000 years: the first epoch's estimate of a long run may be anything.
  constexpr double kMostSeconds = 3e11;
  const double seconds = std::min(duration.count(), kMostSeconds);
  google::protobuf::Duration wire;
  wire.set_seconds(static_cast<int64_t>(seconds));
  wire.set_nanos(static_cast<int32_t>((seconds - std::floor(seconds)) * 1e9));
  return wire;
}

// Not checked yet, but for what only the wire can say.
TrainingOptions Decode(const v1::TrainingOptions& wire, const std::string& field, Violations* violations) {
  TrainingOptions options{.batch_size = wire.batch_size(),
                          .optimizer = DecodeOptimizer(wire),
                          .schedule = DecodeSchedule(wire.schedule()),
                          .weight_decay = wire.weight_decay(),
                          .gradient_norm_limit = wire.gradient_norm_limit(),
                          .shuffle = wire.shuffle(),
                          .seed = wire.seed(),
                          .early_stopping = std::nullopt};
  if (!DecodeReduction(wire.reduction(), Reduction::kMean, &options.reduction)) {
    violations->Add(field + ".reduction", "must be REDUCTION_MEAN or REDUCTION_SUM, or left out for MEAN");
  }
  options.step_size = wire.has_step_size() ? wire.step_size() : DefaultStepSize(options.optimizer);
  if (wire.has_early_stopping()) {
    const v1::EarlyStopping& from = wire.early_stopping();
    EarlyStopping& to = options.early_stopping.emplace();
    if (from.has_patience()) to.patience = from.patience();
    to.min_improvement = from.min_improvement();
    to.restore_best = from.restore_best();
  }
  return options;
}

}  // namespace

bool DecodeReduction(v1::Reduction wire, Reduction fallback, Reduction* reduction) {
  if (wire != v1::REDUCTION_UNSPECIFIED && wire != v1::REDUCTION_MEAN && wire != v1::REDUCTION_SUM) return false;
  *reduction = wire == v1::REDUCTION_UNSPECIFIED ? fallback
               : wire == v1::REDUCTION_SUM       ? Reduction::kSum
                                                 : Reduction::kMean;
  return true;
}

TrainingOptions DecodeTrainingOptions(const v1::TrainingOptions& wire, const std::string& field,
                                      Violations* violations) {
  const TrainingOptions options = Decode(wire, field, violations);
  violations->AddAll(field, Validate(options));
  return options;
}

TrainingOptions DecodeOnlineOptions(const v1::TrainingOptions& wire, const std::string& field, Violations* violations) {
  const TrainingOptions options = Decode(wire, field, violations);
  violations->AddAll(field, ValidateOnline(options));
  if (options.early_stopping) violations->Add(field + ".early_stopping", "is for training runs; leave it out");
  return options;
}

v1::EpochReport EncodeEpochReport(const std::string& training_run_name, Task task, const EpochReport& report) {
  v1::EpochReport wire;
  wire.set_training_run(training_run_name);
  wire.set_epoch(report.epoch);
  wire.set_pattern_count(report.training.pattern_count);
  wire.set_log_likelihood(report.training.log_likelihood);
  wire.set_mean_log_likelihood(report.training.mean_log_likelihood);
  const bool regression = task == Task::kRegression;
  if (regression) {
    wire.set_mean_squared_error(report.training.mean_squared_error);
  } else {
    wire.set_accuracy(report.training.accuracy);
  }
  if (report.validation) {
    wire.set_validation_pattern_count(report.validation->pattern_count);
    wire.set_validation_log_likelihood(report.validation->log_likelihood);
    wire.set_validation_mean_log_likelihood(report.validation->mean_log_likelihood);
    if (regression) {
      wire.set_validation_mean_squared_error(report.validation->mean_squared_error);
    } else {
      wire.set_validation_accuracy(report.validation->accuracy);
    }
  }
  wire.set_gradient_norm(report.gradient_norm);
  wire.set_step_size(report.step_size);
  wire.set_model_version(report.model_version);
  wire.set_patterns_per_second(report.patterns_per_second);
  *wire.mutable_elapsed() = EncodeDuration(report.elapsed);
  *wire.mutable_estimated_remaining() = EncodeDuration(report.estimated_remaining);
  return wire;
}

v1::TrainingRun EncodeTrainingRun(const std::string& session_id, const NetworkSpec& spec, const TrainingRun& run) {
  const std::string name = TrainingRunName(session_id, run.id());
  // The place in the queue first: a run that starts in between has left it.
  const int queue_position = run.queue_position();
  const TrainingRun::Status status = run.status();
  v1::TrainingRun wire;
  wire.set_name(name);
  wire.set_state(EncodeState(status.state));
  *wire.mutable_options() = EncodeTrainingOptions(run.request().options);
  wire.set_pattern_set(run.request().pattern_set);
  wire.set_validation_pattern_set(run.request().validation_pattern_set);
  wire.set_epoch_count(run.request().epoch_count);
  wire.set_completed_epoch_count(status.completed_epoch_count);
  if (status.last_report) *wire.mutable_last_report() = EncodeEpochReport(name, spec.task(), *status.last_report);
  if (status.best_report) *wire.mutable_best_report() = EncodeEpochReport(name, spec.task(), *status.best_report);
  if (!status.error.ok()) *wire.mutable_error() = ToRpcStatus(status.error);
  *wire.mutable_create_time() = EncodeTime(status.create_time);
  if (status.start_time) *wire.mutable_start_time() = EncodeTime(*status.start_time);
  if (status.end_time) *wire.mutable_end_time() = EncodeTime(*status.end_time);
  wire.set_queue_position(status.state == RunState::kQueued ? queue_position : 0);
  wire.set_final_model_version(TrainingRun::FinalModelVersion(run.request(), status));
  return wire;
}

}  // namespace backprop::server
