#include "client/data/array_pattern_reader.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/data/target_check.h"

namespace backprop::client {
namespace {

bool AreClasses(const ArrayFile& targets, const v1::NetworkSpec& network) {
  return targets.row_elements() == 1 && network.task() == v1::TASK_MULTIWAY_CLASSIFICATION;
}

absl::Status CheckTargets(const ArrayFile& inputs, const ArrayFile& targets, const v1::NetworkSpec& network) {
  if (targets.row_count() != inputs.row_count()) {
    return absl::InvalidArgumentError(absl::StrCat(inputs.name(), " holds ", inputs.row_count(), " patterns, ",
                                                   targets.name(), " holds targets of ", targets.row_count()));
  }
  if (AreClasses(targets, network)) {
    if (IsInteger(targets.type())) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat(targets.name(), ": classes must be integers"));
  }
  if (targets.row_elements() != network.output_unit_count()) {
    return absl::InvalidArgumentError(absl::StrCat(targets.name(), ": ", targets.row_elements(),
                                                   " targets a pattern, but the network has ",
                                                   network.output_unit_count(), " output units"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<ArrayPatternReader>> ArrayPatternReader::Open(ArrayFile inputs,
                                                                             std::optional<ArrayFile> targets,
                                                                             const v1::NetworkSpec& network,
                                                                             double raw_scale) {
  if (inputs.row_elements() != network.input_unit_count()) {
    return absl::InvalidArgumentError(absl::StrCat(inputs.name(), ": ", inputs.row_elements(),
                                                   " inputs a pattern, but the network has ",
                                                   network.input_unit_count(), " input units"));
  }
  if (targets) {
    if (absl::Status status = CheckTargets(inputs, *targets, network); !status.ok()) return status;
  }
  return std::unique_ptr<ArrayPatternReader>(
      new ArrayPatternReader(std::move(inputs), std::move(targets), network, raw_scale));
}

ArrayPatternReader::ArrayPatternReader(ArrayFile inputs, std::optional<ArrayFile> targets,
                                       const v1::NetworkSpec& network, double raw_scale)
    : inputs_(std::move(inputs)),
      targets_(std::move(targets)),
      targets_are_classes_(targets_ && AreClasses(*targets_, network)),
      network_(network),
      raw_scale_(raw_scale) {}

absl::StatusOr<std::optional<v1::Patterns>> ArrayPatternReader::Next(int32_t max_pattern_count) {
  if (at_end_ || next_pattern_ == inputs_.row_count()) return std::nullopt;
  absl::StatusOr<v1::Patterns> patterns = Read(max_pattern_count);
  if (!patterns.ok()) {
    at_end_ = true;
    return patterns.status();
  }
  next_pattern_ += patterns->inputs().row_count();
  return *std::move(patterns);
}

absl::StatusOr<v1::Patterns> ArrayPatternReader::Read(int32_t max_pattern_count) {
  v1::Patterns patterns;
  absl::StatusOr<v1::Matrix> inputs = inputs_.ReadMatrix(max_pattern_count, raw_scale_);
  if (!inputs.ok()) return inputs.status();
  *patterns.mutable_inputs() = *std::move(inputs);
  if (targets_are_classes_) {
    if (absl::Status status = AddClasses(patterns.inputs().row_count(), &patterns); !status.ok()) return status;
  } else if (targets_) {
    absl::StatusOr<v1::Matrix> targets = targets_->ReadMatrix(max_pattern_count, /*raw_scale=*/1);
    if (!targets.ok()) return targets.status();
    if (absl::Status status = CheckTargetRange(*targets); !status.ok()) return status;
    *patterns.mutable_targets() = *std::move(targets);
  }
  return patterns;
}

absl::Status ArrayPatternReader::CheckTargetRange(const v1::Matrix& targets) const {
  const auto column_count = static_cast<size_t>(targets.column_count());
  const auto element = [&](size_t i) {
    if (targets.values_size() > 0) return double{targets.values(static_cast<int>(i))};
    if (targets.double_values_size() > 0) return targets.double_values(static_cast<int>(i));
    return static_cast<double>(static_cast<uint8_t>(targets.raw_values()[i]));
  };
  std::vector<double> row(column_count);
  for (int32_t t = 0; t < targets.row_count(); ++t) {
    for (size_t i = 0; i < column_count; ++i) row[i] = element(static_cast<size_t>(t) * column_count + i);
    const std::optional<TargetError> error = FindTargetError(network_, row);
    if (!error) continue;
    const std::string place = error->target ? absl::StrCat(", target ", *error->target) : "";
    return absl::InvalidArgumentError(
        absl::StrCat(targets_->name(), ", pattern ", next_pattern_ + t, place, " (counted from 0): ", error->problem));
  }
  return absl::OkStatus();
}

absl::Status ArrayPatternReader::AddClasses(int32_t count, v1::Patterns* patterns) {
  const absl::StatusOr<std::vector<int64_t>> classes = targets_->ReadIntegers(count);
  if (!classes.ok()) return classes.status();
  for (const int64_t index : *classes) {
    if (index < 0 || index >= network_.output_unit_count()) {
      return absl::InvalidArgumentError(
          absl::StrCat(targets_->name(), ", pattern ", next_pattern_ + patterns->target_classes_size(),
                       " (counted from 0): class ", index, " is not one of 0 to ", network_.output_unit_count() - 1));
    }
    patterns->add_target_classes(static_cast<int32_t>(index));
  }
  return absl::OkStatus();
}

}  // namespace backprop::client
