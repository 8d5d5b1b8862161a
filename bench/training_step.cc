#include "bench/training_step.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "bench/stopwatch.h"
#include "core/initial_parameters.h"
#include "core/random.h"
#include "core/trainer.h"

namespace backprop::bench {
namespace {

constexpr int64_t kEndlessEpochs = 1'000'000'000;

// Uniform inputs, classes at random: the arithmetic is that of any data.
template <typename Scalar>
PatternSequence<Scalar> RandomPatterns(const NetworkSpec& spec, const TrainingShape& shape) {
  const int64_t count = shape.pattern_count;
  PatternSequence<Scalar> sequence(spec.input_unit_count(), spec.output_unit_count());
  Random random(/*seed=*/1);
  Patterns<Scalar> patterns{.inputs = Matrix<Scalar>(spec.input_unit_count(), count),
                            .targets = Matrix<Scalar>::Zero(spec.output_unit_count(), count),
                            .weights = RowVector<Scalar>::Ones(count)};
  for (Scalar& x : patterns.inputs.reshaped()) x = static_cast<Scalar>(shape.input_scale * random.Uniform());
  for (int64_t t = 0; t < count; ++t) {
    patterns.targets(static_cast<int64_t>(random.Below(static_cast<uint64_t>(spec.output_unit_count()))), t) = 1;
  }
  sequence.Append(patterns);
  return sequence;
}

}  // namespace

std::string TrainingShape::name() const {
  return absl::StrCat(absl::StrJoin(layers, "-"), ", ",
                      batch_size == 1 ? "on-line" : absl::StrCat("batch ", batch_size));
}

NetworkSpec SpecOf(const TrainingShape& shape, Precision precision) {
  NetworkSpec::Fields fields{.input_unit_count = shape.layers.front(),
                             .output_unit_count = shape.layers.back(),
                             .task = Task::kMultiwayClassification,
                             .precision = precision};
  for (size_t i = 1; i + 1 < shape.layers.size(); ++i) fields.hidden_layers.push_back({.unit_count = shape.layers[i]});
  return *NetworkSpec::Create(std::move(fields));
}

double FlopsPerPattern(const TrainingShape& shape) {
  double flops = 0;
  for (size_t i = 1; i < shape.layers.size(); ++i) {
    flops += (i == 1 ? 4.0 : 6.0) * shape.layers[i - 1] * shape.layers[i];
  }
  return flops;
}

template <typename Scalar>
struct TrainingStep<Scalar>::State {
  explicit State(TrainingTask<Scalar> task)
      : trainer(task, InitialParameters<Scalar>(task.spec)), pattern_count(task.patterns.count()) {}
  Trainer<Scalar> trainer;
  int64_t pattern_count;
};

template <typename Scalar>
TrainingStep<Scalar>::TrainingStep(const TrainingShape& shape)
    : state_([&] {
        const NetworkSpec spec = SpecOf(shape, sizeof(Scalar) == 4 ? Precision::kFloat32 : Precision::kFloat64);
        return new State({.spec = spec,
                          .scalings = {},
                          .options = {.batch_size = shape.batch_size, .step_size = 0.01, .shuffle = true},
                          .epoch_count = kEndlessEpochs,
                          .patterns = RandomPatterns<Scalar>(spec, shape)});
      }()) {}

template <typename Scalar>
TrainingStep<Scalar>::~TrainingStep() {
  delete state_;
}

template <typename Scalar>
double TrainingStep<Scalar>::PatternsPerSecond(double seconds, const ParallelFor& parallel_for) {
  using Outcome = typename Trainer<Scalar>::Outcome;
  const StopCheck never = NeverStop;
  const auto position = [&] {
    const auto& state = state_->trainer.state();
    return state_->pattern_count * state.epoch + state.position;
  };
  const int64_t begin = position();
  const Stopwatch watch;
  while (watch.seconds() < seconds) {
    if (state_->trainer.Step(parallel_for, never) == Outcome::kDiverged) return 0;
  }
  return static_cast<double>(position() - begin) / watch.seconds();
}

template class TrainingStep<float>;
template class TrainingStep<double>;

}  // namespace backprop::bench
