#include "tests/support/training_sets.h"

namespace backprop {

Patterns<double> XorPatterns() {
  Patterns<double> patterns{.inputs = Matrix<double>(2, 4), .targets = Matrix<double>(1, 4), .weights = {}};
  patterns.inputs << 0, 0, 1, 1,  //
      0, 1, 0, 1;
  patterns.targets << 0, 1, 1, 0;
  patterns.weights = RowVector<double>::Ones(4);
  return patterns;
}

Patterns<double> EncoderPatterns(int unit_count) {
  return {.inputs = Matrix<double>::Identity(unit_count, unit_count),
          .targets = Matrix<double>::Identity(unit_count, unit_count),
          .weights = RowVector<double>::Ones(unit_count)};
}

}  // namespace backprop
