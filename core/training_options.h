// How to train: the options of a training run, checked once.
#pragma once

#include <cstdint>
#include <optional>
#include <variant>

#include "absl/status/status.h"

namespace backprop {

inline constexpr int64_t kMaxEpochCount = 1'000'000;

// How the gradients of a batch's patterns become one: the mean by pattern weight, or the sum of eq. (4) itself.
enum class Reduction { kMean, kSum };

// What a sum over patterns of weights `weight_sum` is multiplied with. Patterns without weight have mean gradient 0
// anyhow.
inline double ReductionScale(Reduction reduction, double weight_sum) {
  return reduction == Reduction::kMean && weight_sum > 0 ? 1 / weight_sum : 1;
}

// w += step_size * v, v = momentum * v + gradient; Nesterov: w += step_size * (gradient + momentum * v).
struct GradientAscent {
  double momentum = 0;
  bool nesterov = false;
  bool operator==(const GradientAscent&) const = default;
};

// Kingma and Ba (2015), algorithm 1, ascending.
struct Adam {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  bool operator==(const Adam&) const = default;
};

// iRPROP-; Igel and Huesken (2003), ascending.
struct Rprop {
  double increase_factor = 1.2;
  double decrease_factor = 0.5;
  double min_step_size = 1e-6;
  double max_step_size = 50;
  bool operator==(const Rprop&) const = default;
};

// Pairs of steps and gradient changes that L-BFGS remembers at most.
inline constexpr int kMaxLbfgsHistorySize = 100;

// Limited-memory BFGS; Nocedal and Wright (2006), algorithm 7.5, ascending, with a line search.
struct Lbfgs {
  int history_size = 10;
  bool operator==(const Lbfgs&) const = default;
};

// Products of the curvature matrix with a vector that Newton-CG takes in an iteration at most.
inline constexpr int kMaxNewtonCgProductCount = 1000;

// Newton's method by conjugate gradients, truncated and damped; Nocedal and Wright (2006), section 7.1.
struct NewtonCg {
  int max_product_count = 100;
  double tolerance = 0.1;     // Of the residual, as a share of the gradient.
  bool gauss_newton = false;  // In place of the Hessian.
  bool operator==(const NewtonCg&) const = default;
};

// The order is that of stored files: new ones come last.
using OptimizerOptions = std::variant<GradientAscent, Adam, Rprop, Lbfgs, NewtonCg>;

// Whether it evaluates the objective where it chooses, and so trains on whole sets only.
bool TrainsOnWholeSets(const OptimizerOptions& optimizer);

struct ConstantSchedule {
  bool operator==(const ConstantSchedule&) const = default;
};
struct ExponentialSchedule {
  double factor = 0;
  bool operator==(const ExponentialSchedule&) const = default;
};
struct CosineSchedule {
  double final_step_size = 0;
  int64_t epoch_count = 0;  // 0: the run's.
  bool operator==(const CosineSchedule&) const = default;
};
struct OnPlateauSchedule {
  double factor = 0.1;
  int patience = 10;
  double min_improvement = 1e-4;
  double min_step_size = 0;
  bool operator==(const OnPlateauSchedule&) const = default;
};

using StepSizeSchedule = std::variant<ConstantSchedule, ExponentialSchedule, CosineSchedule, OnPlateauSchedule>;

struct EarlyStopping {
  int patience = 10;
  double min_improvement = 0;
  bool restore_best = false;
  bool operator==(const EarlyStopping&) const = default;
};

// A value. Field meanings are those of training_options.proto.
struct TrainingOptions {
  int batch_size = 0;  // 0: batch training.
  Reduction reduction = Reduction::kMean;
  double step_size = 0.1;
  OptimizerOptions optimizer = {};
  StepSizeSchedule schedule = {};
  double weight_decay = 0;
  double gradient_norm_limit = 0;  // 0: none.
  bool shuffle = false;
  int64_t seed = 0;
  std::optional<EarlyStopping> early_stopping = {};
  bool operator==(const TrainingOptions&) const = default;
};

// Gradient ascent by (15) alone: nothing is remembered from step to step, and nothing decays.
bool IsPlainAscent(const TrainingOptions& options);

// The step size used where a caller gives none.
double DefaultStepSize(const OptimizerOptions& optimizer);

// INVALID_ARGUMENT with every violation, fields named as in TrainingOptions of training_options.proto.
absl::Status Validate(const TrainingOptions& options);

// The same for learning from patterns as they arrive, or from a caller's gradients: with an optimizer that can.
absl::Status ValidateOnline(const TrainingOptions& options);

}  // namespace backprop
