#include "tests/support/scalar_training.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <utility>

#include "core/random.h"

namespace backprop {
namespace {

int Sign(double value) { return value > 0 ? 1 : value < 0 ? -1 : 0; }

double Norm(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value * value;
  return std::sqrt(sum);
}

// Fisher and Yates' shuffle, from the last place down.
std::vector<size_t> Order(const TrainingOptions& options, int64_t epoch, size_t count) {
  std::vector<size_t> order(count);
  std::iota(order.begin(), order.end(), size_t{0});
  if (!options.shuffle || options.batch_size == 0) return order;
  Random random(options.seed, epoch);
  for (size_t left = count; left > 1; --left) std::swap(order[left - 1], order[random.Below(left)]);
  return order;
}

// The step size of every epoch, kept by a state of its own.
class Schedule {
 public:
  Schedule(const TrainingOptions& options, int64_t epoch_count)
      : options_(options), epoch_count_(epoch_count), plateau_step_(options.step_size) {}

  double StepSize(int64_t epoch) const {
    const auto n = static_cast<double>(epoch - 1);
    if (const auto* exponential = std::get_if<ExponentialSchedule>(&options_.schedule)) {
      return options_.step_size * std::pow(exponential->factor, n);
    }
    if (const auto* cosine = std::get_if<CosineSchedule>(&options_.schedule)) {
      const int64_t epochs = cosine->epoch_count == 0 ? epoch_count_ : cosine->epoch_count;
      if (epoch >= epochs) return epochs == 1 ? options_.step_size : cosine->final_step_size;
      const double half = (options_.step_size - cosine->final_step_size) / 2;
      return cosine->final_step_size + half + half * std::cos(std::numbers::pi * n / static_cast<double>(epochs - 1));
    }
    return plateau_step_;
  }

  void Observe(double mean_log_likelihood) {
    const auto* plateau = std::get_if<OnPlateauSchedule>(&options_.schedule);
    if (plateau == nullptr) return;
    ++waited_;
    if (!observed_ || mean_log_likelihood > best_ + plateau->min_improvement) {
      best_ = mean_log_likelihood;
      observed_ = true;
      waited_ = 0;
    }
    if (waited_ < plateau->patience) return;
    plateau_step_ = std::max(plateau_step_ * plateau->factor, plateau->min_step_size);
    waited_ = 0;
  }

 private:
  TrainingOptions options_;
  int64_t epoch_count_;
  double plateau_step_, best_ = 0;
  bool observed_ = false;
  int waited_ = 0;
};

}  // namespace

double ScalarOptimizer::Change(const GradientAscent& options, double step_size, double gradient, Memory* memory) const {
  memory->velocity = options.momentum * memory->velocity + gradient;
  if (options.nesterov) return step_size * (gradient + options.momentum * memory->velocity);
  return step_size * memory->velocity;  // (15) where momentum is 0.
}

double ScalarOptimizer::Change(const Adam& options, double step_size, double gradient, Memory* memory) const {
  memory->mean = options.beta1 * memory->mean + (1 - options.beta1) * gradient;
  memory->mean_square = options.beta2 * memory->mean_square + (1 - options.beta2) * gradient * gradient;
  const double mean = memory->mean / (1 - std::pow(options.beta1, step_count_));
  const double mean_square = memory->mean_square / (1 - std::pow(options.beta2, step_count_));
  return step_size * mean / (std::sqrt(mean_square) + options.epsilon);
}

// iRPROP-: a step grows while the sign stays, shrinks when it changes, and that once the parameter stands still.
double ScalarOptimizer::Change(const Rprop& options, double step_size, double gradient, Memory* memory) const {
  if (step_count_ == 1) memory->step = std::clamp(step_size, options.min_step_size, options.max_step_size);
  int sign = Sign(gradient);
  if (sign * memory->sign == 1) memory->step = std::min(memory->step * options.increase_factor, options.max_step_size);
  if (sign * memory->sign == -1) {
    memory->step = std::max(memory->step * options.decrease_factor, options.min_step_size);
    sign = 0;
  }
  memory->sign = sign;
  return sign * memory->step;
}

void ScalarOptimizer::Step(double step_size, const std::vector<double>& gradient, std::vector<double>* parameters) {
  ++step_count_;
  memory_.resize(parameters->size());
  for (size_t i = 0; i < parameters->size(); ++i) {
    (*parameters)[i] +=
        std::visit([&](const auto& options) { return Change(options, step_size, gradient[i], &memory_[i]); }, options_);
  }
}

double Reduce(const TrainingOptions& options, const ScalarNetwork& network, double weight_sum,
              std::vector<double>* gradient) {
  if (options.reduction == Reduction::kMean) {
    for (double& value : *gradient) value /= weight_sum;
  }
  const double norm = Norm(*gradient);
  if (options.gradient_norm_limit != 0 && norm > options.gradient_norm_limit) {
    for (double& value : *gradient) value *= options.gradient_norm_limit / norm;
  }
  auto decay = network.layers;  // lambda * weight of every weight, and 0 of every bias.
  for (ScalarLayer& layer : decay) {
    for (auto& row : layer.weights) {
      for (double& weight : row) weight *= options.weight_decay;
    }
    for (double& bias : layer.biases) bias = 0;
  }
  const std::vector<double> taken_off = Flatten(decay);
  for (size_t i = 0; i < gradient->size(); ++i) (*gradient)[i] -= taken_off[i];
  return norm;
}

ScalarTraining Train(ScalarNetwork network, const std::vector<ScalarPattern>& patterns, const TrainingOptions& options,
                     int64_t epoch_count) {
  ScalarTraining training{.parameters = Flatten(network.layers), .epochs = {}};
  ScalarOptimizer optimizer(options.optimizer);
  Schedule schedule(options, epoch_count);
  const size_t batch_size = options.batch_size == 0 ? patterns.size() : static_cast<size_t>(options.batch_size);
  for (int64_t epoch = 1; epoch <= epoch_count; ++epoch) {
    ScalarEpoch result{.step_size = schedule.StepSize(epoch)};
    const std::vector<size_t> order = Order(options, epoch, patterns.size());
    double weight_sum = 0;
    int batch_count = 0;
    for (size_t begin = 0; begin < patterns.size(); begin += batch_size, ++batch_count) {
      std::vector<ScalarPattern> batch;
      for (size_t i = begin; i < std::min(begin + batch_size, patterns.size()); ++i)
        batch.push_back(patterns[order[i]]);
      const ScalarResult pass = Backpropagate(network, batch);
      std::vector<double> gradient = Flatten(pass.gradient);
      result.gradient_norm += Reduce(options, network, pass.weight_sum, &gradient);
      result.log_likelihood += pass.log_likelihood;
      weight_sum += pass.weight_sum;
      optimizer.Step(result.step_size, gradient, &training.parameters);
      Unflatten(training.parameters, &network.layers);
    }
    result.gradient_norm /= batch_count;
    schedule.Observe(result.log_likelihood / weight_sum);
    training.epochs.push_back(result);
  }
  return training;
}

}  // namespace backprop
