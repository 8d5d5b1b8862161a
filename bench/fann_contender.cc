#include <floatfann.h>

#include <memory>
#include <utility>

#include "bench/contender.h"

namespace backprop::bench {
namespace {

// A network of FANN, its patterns and where among them it is.
struct FannTraining {
  FannTraining(const TrainingShape& shape, fann_activationfunc_enum logistic)
      : patterns(shape),
        input_count(static_cast<size_t>(shape.layers.front())),
        pattern_count(patterns.classes.size()) {
    const std::vector<unsigned> layers(shape.layers.begin(), shape.layers.end());
    network.reset(fann_create_standard_array(static_cast<unsigned>(layers.size()), layers.data()));
    fann_set_training_algorithm(network.get(), FANN_TRAIN_INCREMENTAL);
    fann_set_activation_function_hidden(network.get(), logistic);
    fann_set_activation_function_output(network.get(), logistic);
    // So that the logistic function is that of the weighted sum itself.
    fann_set_activation_steepness_hidden(network.get(), 1);
    fann_set_activation_steepness_output(network.get(), 1);
    fann_set_train_error_function(network.get(), FANN_ERRORFUNC_LINEAR);
    fann_set_learning_rate(network.get(), 0.01F);
    const auto output_count = static_cast<size_t>(shape.layers.back());
    targets.resize(output_count, std::vector<float>(output_count, 0));
    for (size_t i = 0; i < output_count; ++i) targets[i][i] = 1;
  }

  void TrainOne() {
    fann_train(network.get(), &patterns.inputs[position * input_count], targets[patterns.classes[position]].data());
    position = position + 1 == pattern_count ? 0 : position + 1;
  }

  PeerPatterns patterns;
  size_t input_count, pattern_count, position = 0;
  std::vector<std::vector<float>> targets;  // [class][output unit]
  std::unique_ptr<fann, decltype(&fann_destroy)> network{nullptr, &fann_destroy};
};

}  // namespace

std::vector<Contender> FannContenders(const TrainingShape& shape) {
  std::vector<Contender> contenders;
  for (const auto& [name, logistic] : {std::pair("FANN, FANN_SIGMOID", FANN_SIGMOID),
                                       std::pair("FANN, FANN_SIGMOID_STEPWISE", FANN_SIGMOID_STEPWISE)}) {
    const auto training = std::make_shared<FannTraining>(shape, logistic);
    contenders.push_back({name, [training](double seconds) -> absl::StatusOr<double> {
                            return StepsPerSecond(seconds, 1, [&] { training->TrainOne(); });
                          }});
  }
  return contenders;
}

}  // namespace backprop::bench
