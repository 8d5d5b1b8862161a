#include "bench/prediction_step.h"

#include "bench/stopwatch.h"
#include "core/batch_computation.h"
#include "core/initial_parameters.h"
#include "core/random.h"

namespace backprop::bench {

struct PredictionStep::State {
  explicit State(const TrainingShape& shape)
      : spec(SpecOf(shape, Precision::kFloat32)),
        parameters(InitialParameters<float>(spec)),
        inputs(spec.input_unit_count(), shape.pattern_count),
        batch_size(shape.batch_size) {
    Random random(/*seed=*/1);
    for (float& x : inputs.reshaped()) x = static_cast<float>(random.Uniform());
  }
  const NetworkSpec spec;
  const Scalings scalings;
  const Parameters<float> parameters;
  Matrix<float> inputs;  // [input unit x pattern]
  const Eigen::Index batch_size;
  Eigen::Index position = 0;
};

PredictionStep::PredictionStep(const TrainingShape& shape) : state_(new State(shape)) {}

PredictionStep::~PredictionStep() { delete state_; }

double PredictionStep::PatternsPerSecond(double seconds) {
  State& state = *state_;
  const StopCheck never = NeverStop;
  int64_t count = 0;
  const Stopwatch watch;
  for (; watch.seconds() < seconds; count += state.batch_size) {
    if (state.position + state.batch_size > state.inputs.cols()) state.position = 0;
    const Matrix<float> outputs = Predict<float>(state.spec, state.scalings, state.parameters,
                                                 state.inputs.middleCols(state.position, state.batch_size), never);
    asm volatile("" : : "r"(outputs.data()) : "memory");
    state.position += state.batch_size;
  }
  return static_cast<double>(count) / watch.seconds();
}

}  // namespace backprop::bench
