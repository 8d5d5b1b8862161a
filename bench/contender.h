// What trains against us, each behind the same two words: its name and its rate.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "bench/training_step.h"

namespace backprop::bench {

struct Contender {
  std::string name;
  // Trains on for at least `seconds`; patterns a second. Goes on from measurement to measurement.
  std::function<absl::StatusOr<double>(double seconds)> measure;
};

// Patterns as TrainingStep has them: inputs uniform in [0, 1) [pattern x unit], a random class each.
struct PeerPatterns {
  explicit PeerPatterns(const TrainingShape& shape);
  std::vector<float> inputs;
  std::vector<unsigned long> classes;  // Of the type that dlib has labels of.
};

// Calls `step`, which trains on `patterns_per_step` patterns, until `seconds` are over and then `finish`; patterns a
// second.
double StepsPerSecond(
    double seconds, int64_t patterns_per_step, const std::function<void()>& step,
    const std::function<void()>& finish = [] {});

// FANN's incremental training, fann_train pattern by pattern, with logistic hidden and output units (it has no
// softmax), float32: with exact logistic units, and with its stepwise approximation of them. One thread: FANN has no
// more for it.
std::vector<Contender> FannContenders(const TrainingShape& shape);

// dlib's sgd without momentum and weight decay, by the net's own update and by dnn_trainer; with one thread of the BLAS
// and with two. Empty for a network that is not compiled in: 784-128-10 and 784-300-10 are.
std::vector<Contender> DlibContenders(const TrainingShape& shape);

}  // namespace backprop::bench
