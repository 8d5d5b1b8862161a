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

template <typename Scalar>
Matrix<Scalar> DecodeClasses(const v1::Patterns& wire, const NetworkSpec& spec, int64_t count, const std::string& field,
                             Violations* violations) {
  if (spec.task() != Task::kMultiwayClassification) {
    violations->Add(field, "is for multiway classification; give targets");
    return {};
  }
  if (wire.target_classes_size() != count) {
    violations->Add(field, absl::StrCat("must have one class for each of the ", count, " patterns, but has ",
                                        wire.target_classes_size()));
    return {};
  }
  Matrix<Scalar> targets = Matrix<Scalar>::Zero(spec.output_unit_count(), count);
  for (int t = 0; t < wire.target_classes_size(); ++t) {
    const int target = wire.target_classes(t);
    if (target < 0 || target >= spec.output_unit_count()) {
      violations->Add(absl::StrCat(field, "[", t, "]"), absl::StrCat("must be from 0 to ", spec.output_unit_count() - 1,
                                                                     ", but is ", target, " in row ", t));
      return {};
    }
    targets(target, t) = 1;
  }
  return targets;
}

// Whether targets lie in the task's range; the first row in which they do not is a violation.
template <typename Scalar>
void CheckTargetRange(const Matrix<Scalar>& targets, Task task, const std::string& field, Violations* violations) {
  if (task == Task::kRegression) return;
  for (Eigen::Index t = 0; t < targets.cols(); ++t) {
    for (Eigen::Index i = 0; i < targets.rows(); ++i) {
      if (targets(i, t) >= 0 && targets(i, t) <= 1) continue;
      violations->Add(field, absl::StrCat("must be from 0 to 1 in a classification, but row ", t, ", column ", i,
                                          " is ", targets(i, t)));
      return;
    }
    const double sum = targets.col(t).template cast<double>().sum();
    if (task == Task::kMultiwayClassification && std::abs(sum - 1) > kTargetSumTolerance) {
      violations->Add(field, absl::StrCat("must sum to 1 over the output units in multiway classification, but row ", t,
                                          " sums to ", sum));
      return;
    }
  }
}

template <typename Scalar>
Matrix<Scalar> DecodeTargets(const v1::Patterns& wire, const NetworkSpec& spec, int64_t count, const std::string& field,
                             Violations* violations) {
  const std::string matrix_field = absl::StrCat(field, ".targets");
  if (wire.has_targets() == (wire.target_classes_size() > 0)) {
    violations->Add(matrix_field, wire.has_targets() ? "must not be given beside target_classes"
                                  : spec.task() == Task::kMultiwayClassification ? "must be given, or target_classes"
                                                                                 : "must be given");
    return {};
  }
  if (!wire.has_targets()) {
    return DecodeClasses<Scalar>(wire, spec, count, absl::StrCat(field, ".target_classes"), violations);
  }
  const MatrixShape shape{.row_count = count, .column_count = spec.output_unit_count()};
  Matrix<Scalar> targets = DecodeMatrix<Scalar>(wire.targets(), shape, matrix_field, violations);
  CheckTargetRange(targets, spec.task(), matrix_field, violations);
  return targets;
}

template <typename Scalar>
RowVector<Scalar> DecodeWeights(const v1::Patterns& wire, int64_t count, const std::string& field,
                                Violations* violations) {
  if (wire.pattern_weights_size() == 0) return RowVector<Scalar>::Ones(count);
  if (wire.pattern_weights_size() != count) {
    violations->Add(field, absl::StrCat("must be empty or one for each of the ", count, " patterns, but are ",
                                        wire.pattern_weights_size()));
    return {};
  }
  for (int t = 0; t < wire.pattern_weights_size(); ++t) {
    if (std::isfinite(wire.pattern_weights(t)) && wire.pattern_weights(t) >= 0) continue;
    violations->Add(absl::StrCat(field, "[", t, "]"),
                    absl::StrCat("must be finite and 0 or more, but is ", wire.pattern_weights(t), " in row ", t));
    return {};
  }
  return Eigen::Map<const RowVector<float>>(wire.pattern_weights().data(), count).template cast<Scalar>();
}

template <typename Element>
uint32_t Extend(uint32_t crc, const Element* elements, size_t bytes) {
  // A null pointer, which no bytes at all may have, would begin anew.
  return bytes == 0 ? crc : libdeflate_crc32(crc, elements, bytes);
}

uint32_t Extend(uint32_t crc, const v1::Matrix& matrix) {
  crc = Extend(crc, matrix.values().data(), matrix.values_size() * sizeof(float));
  crc = Extend(crc, matrix.double_values().data(), matrix.double_values_size() * sizeof(double));
  return Extend(crc, matrix.raw_values().data(), matrix.raw_values().size());
}

// Stands for parameters that were refused.
template <typename Scalar>
Parameters<Scalar> NoParameters() {
  return Parameters<Scalar>(std::make_shared<const ParameterLayout>());
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
  const MatrixShape shape{.max_row_count = kMaxPatternsPerBatch, .column_count = spec.input_unit_count()};
  const std::string inputs_field = absl::StrCat(field, ".inputs");
  if (!wire.has_inputs()) {
    violations->Add(inputs_field, absl::StrCat("must be given: [pattern x ", spec.input_unit_count(), "]"));
    return patterns;
  }
  const int64_t count = wire.inputs().row_count();
  const int64_t unit_count = int64_t{spec.input_unit_count()} + spec.output_unit_count();
  // More patterns than a batch may have are DecodeMatrix's to refuse.
  if (count <= kMaxPatternsPerBatch && !CheckDecodedBytes<Scalar>(count, unit_count, inputs_field, violations)) {
    return patterns;
  }
  patterns.inputs = DecodeMatrix<Scalar>(wire.inputs(), shape, inputs_field, violations);
  if (count < 1 || count > kMaxPatternsPerBatch) return patterns;
  if (targets == Targets::kNeeded) {
    patterns.targets = DecodeTargets<Scalar>(wire, spec, count, field, violations);
  }
  patterns.weights = DecodeWeights<Scalar>(wire, count, absl::StrCat(field, ".pattern_weights"), violations);
  return patterns;
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

int64_t ChecksumOf(const v1::Patterns& wire) {
  uint32_t crc = Extend(0, wire.inputs());
  crc = Extend(crc, wire.targets());
  crc = Extend(crc, wire.target_classes().data(), wire.target_classes_size() * sizeof(int32_t));
  crc = Extend(crc, wire.pattern_weights().data(), wire.pattern_weights_size() * sizeof(float));
  return int64_t{crc};
}

template <typename Scalar>
Parameters<Scalar> DecodeParameters(const v1::Parameters& wire, const NetworkSpec& spec, const std::string& field,
                                    Violations* violations) {
  if (wire.layers_size() != spec.layer_count()) {
    violations->Add(absl::StrCat(field, ".layers"),
                    absl::StrCat("must be ", spec.layer_count(),
                                 ", hidden layers first and then the output layer, but are ", wire.layers_size()));
    return NoParameters<Scalar>();
  }
  std::vector<Matrix<Scalar>> weights, biases;
  bool good = true;
  for (int i = 0; i < spec.layer_count(); ++i) {
    const std::string layer_field = absl::StrCat(field, ".layers[", i, "]");
    const LayerShape& shape = spec.layout()->layers[i];
    weights.push_back(DecodeMatrix<Scalar>(wire.layers(i).weights(),
                                           {.row_count = shape.unit_count, .column_count = shape.input_count},
                                           absl::StrCat(layer_field, ".weights"), violations));
    biases.push_back(DecodeMatrix<Scalar>(wire.layers(i).biases(), {.row_count = shape.unit_count, .column_count = 1},
                                          absl::StrCat(layer_field, ".biases"), violations));
    good = good && weights.back().size() > 0 && biases.back().size() > 0;
  }
  // Nothing is allocated for a network of millions of parameters before as many numbers have come.
  if (!good) return NoParameters<Scalar>();
  Parameters<Scalar> parameters(spec.layout());
  for (int layer = 1; layer <= spec.layer_count(); ++layer) {
    parameters.weights(layer) = weights[layer - 1].transpose();
    parameters.biases(layer) = biases[layer - 1].transpose();
  }
  return parameters;
}

template <typename Scalar>
void EncodeLayerParameters(const Parameters<Scalar>& parameters, int layer, v1::LayerParameters* wire) {
  const LayerShape& shape = parameters.shape(layer);
  EncodeMatrix(parameters.weights(layer).data(), shape.unit_count, shape.input_count, wire->mutable_weights());
  EncodeMatrix(parameters.biases(layer).data(), shape.unit_count, 1, wire->mutable_biases());
}

template <typename Scalar>
void EncodeParameters(const Parameters<Scalar>& parameters, int64_t model_version, v1::Parameters* wire) {
  for (int layer = 1; layer <= parameters.layer_count(); ++layer) {
    EncodeLayerParameters(parameters, layer, wire->add_layers());
  }
  wire->set_model_version(model_version);
}

template absl::Status ChargeForPatterns<float>(int64_t, const NetworkSpec&, MemoryCharge*);
template absl::Status ChargeForPatterns<double>(int64_t, const NetworkSpec&, MemoryCharge*);
template Patterns<float> DecodePatterns(const v1::Patterns&, const NetworkSpec&, Targets, const std::string&,
                                        Violations*);
template void EncodePatterns(const Patterns<float>&, const NetworkSpec&, v1::Patterns*);
template Parameters<float> DecodeParameters(const v1::Parameters&, const NetworkSpec&, const std::string&, Violations*);
template void EncodeLayerParameters(const Parameters<float>&, int, v1::LayerParameters*);
template void EncodeParameters(const Parameters<float>&, int64_t, v1::Parameters*);
template Patterns<double> DecodePatterns(const v1::Patterns&, const NetworkSpec&, Targets, const std::string&,
                                         Violations*);
template void EncodePatterns(const Patterns<double>&, const NetworkSpec&, v1::Patterns*);
template Parameters<double> DecodeParameters(const v1::Parameters&, const NetworkSpec&, const std::string&,
                                             Violations*);
template void EncodeLayerParameters(const Parameters<double>&, int, v1::LayerParameters*);
template void EncodeParameters(const Parameters<double>&, int64_t, v1::Parameters*);

}  // namespace backprop::server
