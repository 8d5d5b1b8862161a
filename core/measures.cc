#include "core/measures.h"

namespace backprop {

void Measures::Add(const Measures& other) {
  pattern_count += other.pattern_count;
  weight_sum += other.weight_sum;
  log_likelihood += other.log_likelihood;
  correct += other.correct;
  squared_error += other.squared_error;
  if (confusion.size() == other.confusion.size()) {
    confusion += other.confusion;
  } else if (confusion.size() == 0) {
    confusion = other.confusion;
  }
}

int ConfusionClassCount(const NetworkSpec& spec) {
  if (spec.task() == Task::kRegression) return 0;
  if (spec.task() == Task::kBinaryClassification) return 2;
  return spec.output_unit_count() <= kMaxConfusionClasses ? spec.output_unit_count() : 0;
}

template <typename Scalar>
void AddMeasures(Task task, const ConstColumns<Scalar>& y, const ConstColumns<Scalar>& targets,
                 const Eigen::Ref<const RowVector<Scalar>>& log_likelihood,
                 const Eigen::Ref<const RowVector<Scalar>>& weights, const Vector<double>& target_scale,
                 Measures* measures) {
  const bool confusion = measures->confusion.size() > 0;
  measures->pattern_count += y.cols();
  for (Eigen::Index t = 0; t < y.cols(); ++t) {
    const double weight = double{weights(t)};
    measures->weight_sum += weight;
    measures->log_likelihood += weight * double{log_likelihood(t)};
    switch (task) {
      case Task::kRegression: {
        const auto error = (targets.col(t) - y.col(t)).template cast<double>().array();
        measures->squared_error +=
            weight * (target_scale.size() == 0 ? error.square().sum() : (error / target_scale.array()).square().sum());
        break;
      }
      case Task::kBinaryClassification:
        for (Eigen::Index i = 0; i < y.rows(); ++i) {
          const int target = BinaryClassOf(targets(i, t)), output = BinaryClassOf(y(i, t));
          if (target == output) measures->correct += weight / static_cast<double>(y.rows());
          if (confusion) measures->confusion(target, output) += weight;
        }
        break;
      case Task::kMultiwayClassification: {
        const Eigen::Index target = ClassOf<Scalar>(targets.col(t)), output = ClassOf<Scalar>(y.col(t));
        if (target == output) measures->correct += weight;
        if (confusion) measures->confusion(target, output) += weight;
        break;
      }
    }
  }
}

template void AddMeasures(Task, const ConstColumns<float>&, const ConstColumns<float>&,
                          const Eigen::Ref<const RowVector<float>>&, const Eigen::Ref<const RowVector<float>>&,
                          const Vector<double>&, Measures*);
template void AddMeasures(Task, const ConstColumns<double>&, const ConstColumns<double>&,
                          const Eigen::Ref<const RowVector<double>>&, const Eigen::Ref<const RowVector<double>>&,
                          const Vector<double>&, Measures*);

}  // namespace backprop
