// Random numbers that are the same bits with every standard library: the engine is specified, the distributions of
// <random> are not.
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>
#include <random>

namespace backprop {

// Not thread-safe; a value, its state can be copied.
class Random {
 public:
  // `stream` tells apart sequences of one seed, such as epochs.
  explicit Random(int64_t seed, int64_t stream = 0)
      : engine_(Mix(static_cast<uint64_t>(seed) + Mix(static_cast<uint64_t>(stream)))) {}

  // Uniform in [0, 1).
  double Uniform() { return static_cast<double>(engine_() >> 11) * 0x1p-53; }
  // Standard normal; Box and Muller (1958), of whose pair the sine is left unused.
  double Normal() {
    const double radius = std::sqrt(-2 * std::log1p(-Uniform()));
    return radius * std::cos(2 * std::numbers::pi * Uniform());
  }
  // Uniform in 0 to bound - 1, without bias; bound at least 1.
  uint64_t Below(uint64_t bound) {
    const uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
    uint64_t bits = engine_();
    while (bits >= limit) bits = engine_();
    return bits % bound;
  }

 private:
  // The finaliser of SplitMix64; Steele, Lea and Flood (2014).
  static uint64_t Mix(uint64_t z) {
    z += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

  std::mt19937_64 engine_;
};

}  // namespace backprop
