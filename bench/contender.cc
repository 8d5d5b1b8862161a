#include "bench/contender.h"

#include <random>

#include "bench/stopwatch.h"

namespace backprop::bench {

PeerPatterns::PeerPatterns(const TrainingShape& shape)
    : inputs(static_cast<size_t>(shape.pattern_count * shape.layers.front())),
      classes(static_cast<size_t>(shape.pattern_count)) {
  std::minstd_rand random(1);
  std::uniform_real_distribution<float> number(0, 1);
  for (float& x : inputs) x = number(random);
  for (auto& one : classes) one = random() % static_cast<unsigned>(shape.layers.back());
}

double StepsPerSecond(double seconds, int64_t patterns_per_step, const std::function<void()>& step,
                      const std::function<void()>& finish) {
  int64_t count = 0;
  const Stopwatch watch;
  // A clock that is read behind every pattern of a tiny network would be measured too.
  const int64_t steps_per_look = patterns_per_step == 1 ? 64 : 1;
  for (; watch.seconds() < seconds; count += steps_per_look) {
    for (int64_t i = 0; i < steps_per_look; ++i) step();
  }
  finish();
  return static_cast<double>(count * patterns_per_step) / watch.seconds();
}

}  // namespace backprop::bench
