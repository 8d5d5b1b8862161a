// How cereal writes and reads the values of the core and of the domain that records are made of. The order of the
// fields is the file format: a change needs a migration. Reading checks that what it makes is a value of its type;
// whether it is a valid one is for the caller to check.
#pragma once

#include <cereal/types/chrono.hpp>
#include <cereal/types/map.hpp>
#include <cereal/types/optional.hpp>
#include <cereal/types/string.hpp>
#include <cereal/types/variant.hpp>
#include <cereal/types/vector.hpp>
#include <cstdint>
#include <map>
#include <string>

#include "absl/strings/cord.h"
#include "core/early_stopping.h"
#include "core/measures.h"
#include "core/network_spec.h"
#include "core/scaling.h"
#include "core/step_size_schedule.h"
#include "core/training_options.h"
#include "server/sessions/session_store.h"
#include "server/storage/byte_archive.h"

namespace backprop::server {

// An enum of values 0 to `last` as an int32. Writes as well: cereal's functions of two ways take both.
template <typename Archive, typename Enum>
void ArchiveEnum(Archive& archive, Enum& value, Enum last) {
  int32_t number = static_cast<int32_t>(value);
  archive(number);
  if (number < 0 || number > static_cast<int32_t>(last)) throw cereal::Exception("an enum has no such value");
  value = static_cast<Enum>(number);
}

}  // namespace backprop::server

// cereal finds these where it finds the values: in their namespaces.
namespace backprop {

template <typename Archive>
void serialize(Archive& archive, GradientAscent& ascent) {
  archive(ascent.momentum, ascent.nesterov);
}
template <typename Archive>
void serialize(Archive& archive, Adam& adam) {
  archive(adam.beta1, adam.beta2, adam.epsilon);
}
template <typename Archive>
void serialize(Archive& archive, Rprop& rprop) {
  archive(rprop.increase_factor, rprop.decrease_factor, rprop.min_step_size, rprop.max_step_size);
}
template <typename Archive>
void serialize(Archive& archive, Lbfgs& lbfgs) {
  archive(lbfgs.history_size);
}
template <typename Archive>
void serialize(Archive& archive, NewtonCg& newton_cg) {
  archive(newton_cg.max_product_count, newton_cg.tolerance, newton_cg.gauss_newton);
}
template <typename Archive>
void serialize(Archive&, ConstantSchedule&) {}
template <typename Archive>
void serialize(Archive& archive, ExponentialSchedule& schedule) {
  archive(schedule.factor);
}
template <typename Archive>
void serialize(Archive& archive, CosineSchedule& schedule) {
  archive(schedule.final_step_size, schedule.epoch_count);
}
template <typename Archive>
void serialize(Archive& archive, OnPlateauSchedule& schedule) {
  archive(schedule.factor, schedule.patience, schedule.min_improvement, schedule.min_step_size);
}
template <typename Archive>
void serialize(Archive& archive, EarlyStopping& stopping) {
  archive(stopping.patience, stopping.min_improvement, stopping.restore_best);
}
template <typename Archive>
void serialize(Archive& archive, TrainingOptions& options) {
  archive(options.batch_size);
  server::ArchiveEnum(archive, options.reduction, Reduction::kSum);
  archive(options.step_size, options.optimizer, options.schedule, options.weight_decay, options.gradient_norm_limit,
          options.shuffle, options.seed, options.early_stopping);
}

template <typename Archive>
void serialize(Archive& archive, HiddenLayer& layer) {
  archive(layer.unit_count);
  server::ArchiveEnum(archive, layer.activation, Activation::kIdentity);
}
template <typename Archive>
void serialize(Archive& archive, InitialWeights& weights) {
  server::ArchiveEnum(archive, weights.distribution, InitialDistribution::kZero);
  archive(weights.range, weights.seed);
}
template <typename Archive>
void serialize(Archive& archive, NetworkSpec::Fields& fields) {
  archive(fields.input_unit_count, fields.hidden_layers, fields.output_unit_count);
  server::ArchiveEnum(archive, fields.task, Task::kMultiwayClassification);
  server::ArchiveEnum(archive, fields.precision, Precision::kFloat64);
  archive(fields.initial_weights, fields.output_names);
}

template <typename Archive>
void save(Archive& archive, const Scaling& scaling) {
  for (const Vector<double>* vector : {&scaling.offset, &scaling.scale}) {
    archive(cereal::make_size_tag(static_cast<cereal::size_type>(vector->size())));
    for (const double number : *vector) archive(number);
  }
}
template <typename Archive>
void load(Archive& archive, Scaling& scaling) {
  for (Vector<double>* vector : {&scaling.offset, &scaling.scale}) {
    cereal::size_type size = 0;
    archive(cereal::make_size_tag(size));
    vector->resize(static_cast<Eigen::Index>(size));
    for (double& number : *vector) archive(number);
  }
}
template <typename Archive>
void serialize(Archive& archive, Scalings& scalings) {
  archive(scalings.input, scalings.target);
}

template <typename Archive>
void serialize(Archive& archive, PlateauState& plateau) {
  archive(plateau.best, plateau.epochs_without_improvement, plateau.factor);
}
template <typename Archive>
void serialize(Archive& archive, EarlyStoppingState& stopping) {
  archive(stopping.best, stopping.improved_over, stopping.best_epoch, stopping.epochs_without_improvement);
}
// The confusion matrix is not made in training.
template <typename Archive>
void serialize(Archive& archive, Measures& measures) {
  archive(measures.pattern_count, measures.weight_sum, measures.log_likelihood, measures.correct,
          measures.squared_error);
}

}  // namespace backprop

namespace absl {

// With its payloads: reason, violations.
template <typename Archive>
void CEREAL_SAVE_FUNCTION_NAME(Archive& archive, const Status& status) {
  std::map<std::string, std::string> payloads;
  status.ForEachPayload(
      [&](string_view type, const Cord& payload) { payloads[std::string(type)] = std::string(payload); });
  archive(static_cast<int32_t>(status.code()), std::string(status.message()), payloads);
}
template <typename Archive>
void CEREAL_LOAD_FUNCTION_NAME(Archive& archive, Status& status) {
  int32_t code = 0;
  std::string message;
  std::map<std::string, std::string> payloads;
  archive(code, message, payloads);
  if (code < 0 || code > static_cast<int32_t>(StatusCode::kUnauthenticated)) {
    throw cereal::Exception("an error has no such code");
  }
  status = Status(static_cast<StatusCode>(code), message);
  for (const auto& [type, payload] : payloads) status.SetPayload(type, Cord(payload));
}

}  // namespace absl

namespace backprop::server {

template <typename Archive>
void serialize(Archive& archive, OnlineStep& step) {
  archive(step.pattern_set_key, step.offset, step.pattern_count, step.options);
}
template <typename Archive>
void serialize(Archive& archive, RequestAnswer& answer) {
  archive(answer.request_id, answer.request_hash, answer.answer);
}
template <typename Archive>
void serialize(Archive& archive, KeptPatternSet& set) {
  archive(set.id, set.pattern_count, set.update_time);
}
template <typename Archive>
void serialize(Archive& archive, TrainingRunRequest& request) {
  archive(request.pattern_set, request.validation_pattern_set, request.options, request.epoch_count);
}
template <typename Archive>
void serialize(Archive& archive, KeptTrainingRun& run) {
  archive(run.request, run.pattern_set_key, run.pattern_count, run.validation_set_key, run.validation_count);
  ArchiveEnum(archive, run.state, RunState::kFailed);
  archive(run.error, run.create_time, run.start_time, run.end_time);
}
template <typename Archive>
void serialize(Archive& archive, EpochMeasures& measures) {
  archive(measures.pattern_count, measures.log_likelihood, measures.mean_log_likelihood, measures.accuracy,
          measures.mean_squared_error);
}
template <typename Archive>
void serialize(Archive& archive, EpochReport& report) {
  archive(report.training, report.validation, report.gradient_norm, report.step_size, report.best, report.model_version,
          report.patterns_per_second, report.elapsed, report.estimated_remaining);
}

}  // namespace backprop::server
