// How well outputs fit targets, summed over patterns.
#pragma once

#include <cstdint>

#include "core/matrix.h"
#include "core/network_spec.h"

namespace backprop {

// Classes a confusion matrix is made for at most.
inline constexpr int kMaxConfusionClasses = 1024;

// Sums over patterns, each times its pattern weight, in double. A value.
struct Measures {
  int64_t pattern_count = 0;
  double weight_sum = 0;
  double log_likelihood = 0;  // eq. (3), (29), (36), of scaled targets
  double correct = 0;  // classification: patterns (binary: patterns and output units, by 1/units) classified right
  double squared_error = 0;  // regression: |target - output|^2, in the caller's units
  // Classification, where asked for: (i, j) is the weight of patterns of class i put into class j; binary: 2 x 2.
  Matrix<double> confusion;

  void Add(const Measures& other);

  // Means over patterns by weight; 0 where no pattern has weight.
  double mean_log_likelihood() const { return MeanOf(log_likelihood); }
  double accuracy() const { return MeanOf(correct); }
  double mean_squared_error(int output_unit_count) const { return MeanOf(squared_error) / output_unit_count; }

 private:
  double MeanOf(double sum) const { return weight_sum > 0 ? sum / weight_sum : 0; }
};

// Rows and columns of the confusion matrix of `spec`; 0 where none is made.
int ConfusionClassCount(const NetworkSpec& spec);

// The class a pattern's activations stand for: the index of the largest; of equals the first.
template <typename Scalar>
Eigen::Index ClassOf(const Eigen::Ref<const Vector<Scalar>>& activations) {
  Eigen::Index index = 0;
  activations.maxCoeff(&index);
  return index;
}

// Binary classification: the class of one output unit's activation.
template <typename Scalar>
int BinaryClassOf(Scalar activation) {
  return activation >= Scalar(0.5) ? 1 : 0;
}

// Adds what outputs `y` and `targets` [output_unit_count x pattern_count], `log_likelihood` and `weights`
// [pattern_count] say to `measures`. Squared errors are divided by the square of `target_scale` [output_unit_count],
// where not empty.
template <typename Scalar>
void AddMeasures(Task task, const ConstColumns<Scalar>& y, const ConstColumns<Scalar>& targets,
                 const Eigen::Ref<const RowVector<Scalar>>& log_likelihood,
                 const Eigen::Ref<const RowVector<Scalar>>& weights, const Vector<double>& target_scale,
                 Measures* measures);

}  // namespace backprop
