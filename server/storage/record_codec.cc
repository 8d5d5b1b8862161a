#include "server/storage/record_codec.h"

#include <cmath>
#include <cstring>
#include <utility>

#include "absl/status/statusor.h"

namespace backprop::server {
namespace {

template <typename M>
void Copy(std::string_view* data, M* matrix) {
  const size_t size = static_cast<size_t>(matrix->size()) * sizeof(typename M::Scalar);
  if (size > 0) std::memcpy(matrix->data(), data->data(), size);
  data->remove_prefix(size);
}

}  // namespace

void CheckValid(const absl::Status& status) {
  if (!status.ok()) throw cereal::Exception(std::string(status.message()));
}

std::string EncodeDescription(const SessionDescription& description) {
  ByteWriter writer;
  writer(description.spec.fields(), description.labels, description.create_time, description.pinned_versions);
  return writer.bytes();
}

SessionDescription DecodeDescription(std::string_view data, std::string id) {
  ByteReader reader(data);
  NetworkSpec::Fields fields;
  Labels labels;
  std::chrono::system_clock::time_point create_time;
  std::vector<int64_t> pinned_versions;
  reader(fields, labels, create_time, pinned_versions);
  reader.CheckAtEnd();
  absl::StatusOr<NetworkSpec> spec = NetworkSpec::Create(std::move(fields));
  CheckValid(spec.status());
  CheckValid(Validate(labels));
  return {.id = std::move(id),
          .spec = *std::move(spec),
          .labels = std::move(labels),
          .create_time = create_time,
          .pinned_versions = std::move(pinned_versions)};
}

template <typename Scalar>
Vector<Scalar> DecodeVector(std::string_view data, const NetworkSpec& spec) {
  if (data.size() != static_cast<size_t>(spec.parameter_count()) * sizeof(Scalar)) {
    throw cereal::Exception("a vector does not have the size of the network's parameters");
  }
  Vector<Scalar> vector(spec.parameter_count());
  Copy(&data, &vector);
  return vector;
}

template <typename Scalar>
void CheckOptimizer(const TrainingOptions& options, const OptimizerState<Scalar>& optimizer) {
  if (OptimizerVectorCount(options.optimizer) == 2 && (optimizer.first.size() == 0) != (optimizer.second.size() == 0)) {
    throw cereal::Exception("an optimizer lacks a vector");
  }
  const auto* lbfgs = std::get_if<Lbfgs>(&options.optimizer);
  if (optimizer.history.size() > static_cast<size_t>(lbfgs != nullptr ? lbfgs->history_size : 0)) {
    throw cereal::Exception("an optimizer's history is too long");
  }
  if (!(optimizer.damping >= 0 && std::isfinite(optimizer.damping))) {
    throw cereal::Exception("an optimizer's damping is out of range");
  }
}

template <typename Scalar>
std::string EncodeLearner(const OnlineLearner<Scalar>& learner) {
  ByteWriter writer;
  writer(learner.options(), learner.optimizer().step_count);
  return writer.bytes();
}

template <typename Scalar>
OnlineLearner<Scalar> DecodeLearner(std::string_view data, Vector<Scalar> first, Vector<Scalar> second) {
  ByteReader reader(data);
  TrainingOptions options;
  OptimizerState<Scalar> optimizer{.first = std::move(first), .second = std::move(second)};
  reader(options, optimizer.step_count);
  reader.CheckAtEnd();
  CheckValid(ValidateOnline(options));
  CheckOptimizer(options, optimizer);
  return OnlineLearner<Scalar>(options, std::move(optimizer));
}

template <typename Scalar>
std::string EncodeTrainerState(const TrainerState<Scalar>& state) {
  ByteWriter writer;
  writer(state.optimizer.step_count, state.plateau, state.stopping, state.epoch, state.position, state.measures,
         state.gradient_norm_sum, state.batch_count, state.optimizer.damping, state.optimizer.step_size);
  return writer.bytes();
}

template <typename Scalar>
TrainerState<Scalar> DecodeTrainerState(std::string_view data, const NetworkSpec& spec) {
  ByteReader reader(data);
  TrainerState<Scalar> state{.parameters = Parameters<Scalar>(spec.layout())};
  reader(state.optimizer.step_count, state.plateau, state.stopping, state.epoch, state.position, state.measures,
         state.gradient_norm_sum, state.batch_count, state.optimizer.damping, state.optimizer.step_size);
  reader.CheckAtEnd();
  return state;
}

template <typename Scalar>
Patterns<Scalar> DecodePatterns(std::string_view data, const NetworkSpec& spec) {
  const size_t bytes_per_pattern = static_cast<size_t>(BytesPerPattern<Scalar>(spec));
  if (data.empty() || data.size() % bytes_per_pattern != 0) {
    throw cereal::Exception("a batch of patterns has not the size of any number of them");
  }
  const Eigen::Index count = static_cast<Eigen::Index>(data.size() / bytes_per_pattern);
  Patterns<Scalar> patterns{.inputs = Matrix<Scalar>(spec.input_unit_count(), count),
                            .targets = Matrix<Scalar>(spec.output_unit_count(), count),
                            .weights = RowVector<Scalar>(count)};
  Copy(&data, &patterns.inputs);
  Copy(&data, &patterns.targets);
  Copy(&data, &patterns.weights);
  return patterns;
}

template Vector<float> DecodeVector(std::string_view, const NetworkSpec&);
template Vector<double> DecodeVector(std::string_view, const NetworkSpec&);
template std::string EncodeLearner(const OnlineLearner<float>&);
template std::string EncodeLearner(const OnlineLearner<double>&);
template OnlineLearner<float> DecodeLearner(std::string_view, Vector<float>, Vector<float>);
template OnlineLearner<double> DecodeLearner(std::string_view, Vector<double>, Vector<double>);
template std::string EncodeTrainerState(const TrainerState<float>&);
template std::string EncodeTrainerState(const TrainerState<double>&);
template TrainerState<float> DecodeTrainerState(std::string_view, const NetworkSpec&);
template TrainerState<double> DecodeTrainerState(std::string_view, const NetworkSpec&);
template void CheckOptimizer(const TrainingOptions&, const OptimizerState<float>&);
template void CheckOptimizer(const TrainingOptions&, const OptimizerState<double>&);
template Patterns<float> DecodePatterns(std::string_view, const NetworkSpec&);
template Patterns<double> DecodePatterns(std::string_view, const NetworkSpec&);

}  // namespace backprop::server
