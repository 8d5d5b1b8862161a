// Comparison of many numbers at once.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "gtest/gtest.h"

namespace backprop {

// Every |actual - expected| at most its tolerance; NaN is never near.
inline testing::AssertionResult AllNear(const std::vector<double>& actual, const std::vector<double>& expected,
                                        const std::vector<double>& tolerances) {
  if (actual.size() != expected.size()) {
    return testing::AssertionFailure() << actual.size() << " numbers, but expected " << expected.size();
  }
  for (size_t i = 0; i < actual.size(); ++i) {
    if (std::abs(actual[i] - expected[i]) <= tolerances[i]) continue;
    return testing::AssertionFailure() << "number " << i << " is " << actual[i] << ", but expected " << expected[i]
                                       << " +- " << tolerances[i] << "; off by " << actual[i] - expected[i];
  }
  return testing::AssertionSuccess();
}

// The same with one tolerance, relative to the largest number or, where all are small, to 1.
inline testing::AssertionResult AllNear(const std::vector<double>& actual, const std::vector<double>& expected,
                                        double tolerance) {
  double largest = 1;
  for (const double value : expected) largest = std::max(largest, std::abs(value));
  return AllNear(actual, expected, std::vector<double>(expected.size(), tolerance * largest));
}

}  // namespace backprop
