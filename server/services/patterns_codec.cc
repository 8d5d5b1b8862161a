#include "server/services/patterns_codec.h"

#include <libdeflate.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/services/limits.h"
#include "server/services/matrix_codec.h"

namespace backprop::server {
namespace {

// Targets of a pattern of multiway classification may miss 1 by so much: what float rounding of 100,000 terms costs.
constexpr double kTargetSumTolerance = 1e-3;

// Where decoded patterns go.
template <typename Scalar>
using Rooms = std::vector<PatternRoom<Scalar>>;

template <typename Scalar>
void DecodeClasses(const v1::Patterns& wire, const NetworkSpec& spec, const Rooms<Scalar>& rooms) {
  const int64_t units = spec.output_unit_count();
  const int32_t* target = wire.target_classes().data();
  for (const PatternRoom<Scalar>& room : rooms) {
    std::fill_n(room.targets, units * room.count, Scalar(0));
    for (int64_t t = 0; t < room.count; ++t) room.targets[t * units + *target++] = 1;
  }
}

bool CheckClasses(const v1::Patterns& wire, const NetworkSpec& spec, int64_t count, const std::string& field,
                  Violations* violations) {
  if (spec.task() != Task::kMultiwayClassification) {
    violations->Add(field, "is for multiway classification; give targets");
    return false;
  }
  if (wire.target_classes_size() != count) {
    violations->Add(field, absl::StrCat("must have one class for each of the ", count, " patterns, but has ",
                                        wire.target_classes_size()));
    return false;
  }
  for (int t = 0; t < wire.target_classes_size(); ++t) {
    const int target = wire.target_classes(t);
    if (target >= 0 && target < spec.output_unit_count()) continue;
    violations->Add(absl::StrCat(field, "[", t, "]"), absl::StrCat("must be from 0 to ", spec.output_unit_count() - 1,
                                                                   ", but is ", target, " in row ", t));
    return false;
  }
  return true;
}

// Whether targets lie in the task's range; the first row in which they do not is a violation. `row` is that of the
// first of them.
template <typename Scalar>
bool CheckTargetRange(const Eigen::Map<Matrix<Scalar>>& targets, int64_t row, Task task, const std::string& field,
                      Violations* violations) {
  if (task == Task::kRegression) return true;
  for (Eigen::Index t = 0; t < targets.cols(); ++t) {
    for (Eigen::Index i = 0; i < targets.rows(); ++i) {
      if (targets(i, t) >= 0 && targets(i, t) <= 1) continue;
      violations->Add(field, absl::StrCat("must be from 0 to 1 in a classification, but row ", row + t, ", column ", i,
                                          " is ", targets(i, t)));
      return false;
    }
    const double sum = targets.col(t).template cast<double>().sum();
    if (task == Task::kMultiwayClassification && std::abs(sum - 1) > kTargetSumTolerance) {
      violations->Add(field, absl::StrCat("must sum to 1 over the output units in multiway classification, but row ",
                                          row + t, " sums to ", sum));
      return false;
    }
  }
  return true;
}

// Checks the kind, the number and the values of classes, and of a matrix of targets its shape.
bool CheckTargets(const PatternsView& wire, const NetworkSpec& spec, int64_t count, const std::string& field,
                  Violations* violations) {
  const std::string matrix_field = absl::StrCat(field, ".targets");
  const bool has_classes = wire.rest->target_classes_size() > 0;
  if (wire.rest->has_targets() == has_classes) {
    violations->Add(matrix_field, has_classes ? "must not be given beside target_classes"
                                  : spec.task() == Task::kMultiwayClassification ? "must be given, or target_classes"
                                                                                 : "must be given");
    return false;
  }
  if (has_classes) {
    return CheckClasses(*wire.rest, spec, count, absl::StrCat(field, ".target_classes"), violations);
  }
  const MatrixShape shape{.row_count = count, .column_count = spec.output_unit_count()};
  return CheckMatrix(wire.targets, shape, matrix_field, violations);
}

// Of a matrix that was checked.
template <typename Scalar>
void DecodeInputs(const PatternsView& wire, const NetworkSpec& spec, const std::string& field,
                  const Rooms<Scalar>& rooms, Violations* violations) {
  ElementDecoder<Scalar> decoder(wire.inputs);
  bool finite = true;
  for (const PatternRoom<Scalar>& room : rooms) {
    finite = decoder.Decode(room.inputs, room.count * spec.input_unit_count()) && finite;
  }
  if (!finite) AddNotFinite<Scalar>(wire.inputs, absl::StrCat(field, ".inputs"), violations);
}

// Of targets that were checked.
template <typename Scalar>
void DecodeTargets(const PatternsView& wire, const NetworkSpec& spec, const std::string& field,
                   const Rooms<Scalar>& rooms, Violations* violations) {
  if (!wire.rest->has_targets()) return DecodeClasses(*wire.rest, spec, rooms);
  const std::string matrix_field = absl::StrCat(field, ".targets");
  const int64_t units = spec.output_unit_count();
  ElementDecoder<Scalar> decoder(wire.targets);
  bool finite = true;
  for (const PatternRoom<Scalar>& room : rooms) {
    finite = decoder.Decode(room.targets, room.count * units) && finite;
  }
  if (!finite) return AddNotFinite<Scalar>(wire.targets, matrix_field, violations);
  int64_t row = 0;
  for (const PatternRoom<Scalar>& room : rooms) {
    const Eigen::Map<Matrix<Scalar>> targets(room.targets, units, room.count);
    if (!CheckTargetRange<Scalar>(targets, row, spec.task(), matrix_field, violations)) return;
    row += room.count;
  }
}

bool CheckWeights(const v1::Patterns& wire, int64_t count, const std::string& field, Violations* violations) {
  if (wire.pattern_weights_size() == 0) return true;
  if (wire.pattern_weights_size() != count) {
    violations->Add(field, absl::StrCat("must be empty or one for each of the ", count, " patterns, but are ",
                                        wire.pattern_weights_size()));
    return false;
  }
  for (int t = 0; t < wire.pattern_weights_size(); ++t) {
    if (std::isfinite(wire.pattern_weights(t)) && wire.pattern_weights(t) >= 0) continue;
    violations->Add(absl::StrCat(field, "[", t, "]"),
                    absl::StrCat("must be finite and 0 or more, but is ", wire.pattern_weights(t), " in row ", t));
    return false;
  }
  return true;
}

template <typename Scalar>
void DecodeWeights(const v1::Patterns& wire, const Rooms<Scalar>& rooms) {
  const float* weight = wire.pattern_weights().data();
  for (const PatternRoom<Scalar>& room : rooms) {
    for (int64_t t = 0; t < room.count; ++t) room.weights[t] = wire.pattern_weights_size() == 0 ? 1 : *weight++;
  }
}

// Makes room for `count` patterns in `patterns`.
template <typename Scalar>
Rooms<Scalar> RoomOf(Patterns<Scalar>* patterns, int64_t count, const NetworkSpec& spec, bool with_inputs,
                     bool with_targets) {
  if (with_inputs) patterns->inputs.resize(spec.input_unit_count(), count);
  if (with_targets) patterns->targets.resize(spec.output_unit_count(), count);
  patterns->weights.resize(count);
  return {{patterns->inputs.data(), patterns->targets.data(), patterns->weights.data(), count}};
}

// Has `make_room` make room for the patterns of `wire`, once they are known to fit, and fills it.
template <typename Scalar, typename MakeRoom>
void Decode(const PatternsView& wire, const NetworkSpec& spec, Targets needed, const std::string& field,
            Violations* violations, const MakeRoom& make_room) {
  const MatrixShape shape{.max_row_count = kMaxPatternsPerBatch, .column_count = spec.input_unit_count()};
  const std::string inputs_field = absl::StrCat(field, ".inputs");
  if (!wire.rest->has_inputs()) {
    violations->Add(inputs_field, absl::StrCat("must be given: [pattern x ", spec.input_unit_count(), "]"));
    return;
  }
  const int64_t count = wire.inputs.row_count;
  const int64_t unit_count = int64_t{spec.input_unit_count()} + spec.output_unit_count();
  // More patterns than a batch may have are CheckMatrix's to refuse.
  if (count <= kMaxPatternsPerBatch && !CheckDecodedBytes<Scalar>(count, unit_count, inputs_field, violations)) return;
  const bool inputs_fit = CheckMatrix(wire.inputs, shape, inputs_field, violations);
  if (count < 1 || count > kMaxPatternsPerBatch) return;
  const bool targets_fit = needed == Targets::kIgnored || CheckTargets(wire, spec, count, field, violations);
  const bool weights_fit = CheckWeights(*wire.rest, count, absl::StrCat(field, ".pattern_weights"), violations);
  const bool all_fit = inputs_fit && targets_fit && weights_fit;
  // What is refused is decoded nevertheless, where it can be, to find all that is wrong with it.
  const bool with_targets = needed == Targets::kNeeded && targets_fit;
  Patterns<Scalar> refused;
  const Rooms<Scalar> rooms = all_fit ? make_room(count) : RoomOf(&refused, count, spec, inputs_fit, with_targets);
  if (inputs_fit) DecodeInputs(wire, spec, field, rooms, violations);
  if (with_targets) DecodeTargets(wire, spec, field, rooms, violations);
  if (weights_fit) DecodeWeights(*wire.rest, rooms);
}

template <typename Element>
uint32_t Extend(uint32_t crc, const Element* elements, size_t bytes) {
  // A null pointer, which no bytes at all may have, would begin anew.
  return bytes == 0 ? crc : libdeflate_crc32(crc, elements, bytes);
}

uint32_t Extend(uint32_t crc, const MatrixView& matrix) {
  for (const ElementBytes* elements : {&matrix.values, &matrix.double_values, &matrix.raw_values}) {
    for (const std::string_view run : elements->runs()) crc = Extend(crc, run.data(), run.size());
  }
  return crc;
}

// True when every pattern's target is 1 for one class and 0 for the others.
template <typename Scalar>
bool AreClasses(const Matrix<Scalar>& targets) {
  return ((targets.array() == Scalar(0)) || (targets.array() == Scalar(1))).all() &&
         (targets.colwise().sum().array() == Scalar(1)).all();
}

}  // namespace

template <typename Scalar>
absl::Status ChargeForPatterns(int64_t row_count, const NetworkSpec& spec, MemoryCharge* charge) {
  const int64_t unit_count = int64_t{spec.input_unit_count()} + spec.output_unit_count();
  const int64_t bytes = row_count * unit_count * int64_t{sizeof(Scalar)};
  return bytes < 0 || bytes > kMaxDecodedBytes ? absl::OkStatus() : charge->Grow(bytes, "the patterns of the request");
}

template <typename Scalar>
Patterns<Scalar> DecodePatterns(const v1::Patterns& wire, const NetworkSpec& spec, Targets targets,
                                const std::string& field, Violations* violations) {
  Patterns<Scalar> patterns;
  Decode<Scalar>(PatternsView(wire), spec, targets, field, violations, [&](int64_t count) {
    return RoomOf(&patterns, count, spec, /*with_inputs=*/true, /*with_targets=*/targets == Targets::kNeeded);
  });
  return patterns;
}

template <typename Scalar>
void DecodePatternsInto(PatternSequence<Scalar>* patterns, const PatternsView& wire, const NetworkSpec& spec,
                        const std::string& field, Violations* violations) {
  Decode<Scalar>(wire, spec, Targets::kNeeded, field, violations,
                 [patterns](int64_t count) { return patterns->Extend(count); });
}

template <typename Scalar>
void EncodePatterns(const Patterns<Scalar>& patterns, const NetworkSpec& spec, v1::Patterns* wire) {
  EncodePatternMatrix(patterns.inputs, wire->mutable_inputs());
  if (spec.task() == Task::kMultiwayClassification && AreClasses(patterns.targets)) {
    for (Eigen::Index t = 0; t < patterns.count(); ++t) {
      Eigen::Index target = 0;
      patterns.targets.col(t).maxCoeff(&target);
      wire->add_target_classes(static_cast<int32_t>(target));
    }
  } else {
    EncodePatternMatrix(patterns.targets, wire->mutable_targets());
  }
  if ((patterns.weights.array() == Scalar(1)).all()) return;
  for (const Scalar weight : patterns.weights) wire->add_pattern_weights(static_cast<float>(weight));
}

int64_t ChecksumOf(const PatternsView& wire) {
  uint32_t crc = Extend(0, wire.inputs);
  crc = Extend(crc, wire.targets);
  crc = Extend(crc, wire.rest->target_classes().data(), wire.rest->target_classes_size() * sizeof(int32_t));
  crc = Extend(crc, wire.rest->pattern_weights().data(), wire.rest->pattern_weights_size() * sizeof(float));
  return int64_t{crc};
}

template absl::Status ChargeForPatterns<float>(int64_t, const NetworkSpec&, MemoryCharge*);
template absl::Status ChargeForPatterns<double>(int64_t, const NetworkSpec&, MemoryCharge*);
template Patterns<float> DecodePatterns(const v1::Patterns&, const NetworkSpec&, Targets, const std::string&,
                                        Violations*);
template void DecodePatternsInto(PatternSequence<float>*, const PatternsView&, const NetworkSpec&, const std::string&,
                                 Violations*);
template void EncodePatterns(const Patterns<float>&, const NetworkSpec&, v1::Patterns*);
template Patterns<double> DecodePatterns(const v1::Patterns&, const NetworkSpec&, Targets, const std::string&,
                                         Violations*);
template void DecodePatternsInto(PatternSequence<double>*, const PatternsView&, const NetworkSpec&, const std::string&,
                                 Violations*);
template void EncodePatterns(const Patterns<double>&, const NetworkSpec&, v1::Patterns*);

}  // namespace backprop::server
