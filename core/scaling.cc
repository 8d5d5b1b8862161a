#include "core/scaling.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "core/error.h"

namespace backprop {
namespace {

void Check(const Scaling& scaling, int unit_count, double largest, const std::string& field, Violations* violations) {
  if (scaling.offset.size() != scaling.scale.size() ||
      (!scaling.is_identity() && scaling.offset.size() != unit_count)) {
    violations->Add(
        field, absl::StrCat("must have an offset and a scale for each of the ", unit_count, " units, or none, but has ",
                            scaling.offset.size(), " offsets and ", scaling.scale.size(), " scales"));
    return;
  }
  for (Eigen::Index i = 0; i < scaling.offset.size(); ++i) {
    if (!(std::abs(scaling.offset(i)) <= largest)) {
      violations->Add(absl::StrCat(field, ".offset[", i, "]"),
                      absl::StrCat("must be finite in the network's precision, but is ", scaling.offset(i)));
    }
    const double size = std::abs(scaling.scale(i));
    if (!(size <= largest && size >= 1 / largest)) {
      violations->Add(absl::StrCat(field, ".scale[", i, "]"),
                      absl::StrCat("must be finite and not 0 in the network's precision, but is ", scaling.scale(i)));
    }
  }
}

// Two passes over the patterns, chunk by chunk, in double: sums in the order of the patterns. The mean is a sum of
// parts, which is finite where the sum of the values would overflow.
class Fit {
 public:
  Fit(int unit_count, int64_t count)
      : count_(static_cast<double>(count)),
        mean_(Vector<double>::Zero(unit_count)),
        square_sum_(Vector<double>::Zero(unit_count)),
        min_(Vector<double>::Constant(unit_count, std::numeric_limits<double>::infinity())),
        max_(-min_) {}

  void First(const Matrix<double>& values) {
    mean_ += (values / count_).rowwise().sum();
    min_ = min_.cwiseMin(values.rowwise().minCoeff());
    max_ = max_.cwiseMax(values.rowwise().maxCoeff());
  }
  void Second(const Matrix<double>& values) { square_sum_ += (values.colwise() - mean_).rowwise().squaredNorm(); }
  Scaling Result(ScalingMethod method, double largest) const {
    const bool standardize = method == ScalingMethod::kStandardize;
    Scaling scaling{
        .offset = standardize ? mean_ : min_,
        .scale = standardize ? Vector<double>((square_sum_ / count_).cwiseSqrt()) : Vector<double>(max_ - min_)};
    for (Eigen::Index i = 0; i < scaling.scale.size(); ++i) {
      scaling.offset(i) = std::clamp(scaling.offset(i), min_(i), max_(i));  // Rounding could have led it out.
      // A unit whose spread is 0, or too small or too large for the network's precision, is only centred.
      const double inverse = 1 / scaling.scale(i);
      scaling.scale(i) = min_(i) < max_(i) && inverse >= 1 / largest && inverse <= largest ? inverse : 1;
    }
    return scaling;
  }

 private:
  double count_;
  Vector<double> mean_, square_sum_, min_, max_;
};

}  // namespace

template <typename Scalar>
void Scaling::Apply(Columns<Scalar> values) const {
  if (is_identity()) return;
  const Vector<Scalar> o = offset.cast<Scalar>(), s = scale.cast<Scalar>();
  values = ((values.colwise() - o).array().colwise() * s.array()).matrix();
}

template <typename Scalar>
void Scaling::Undo(Columns<Scalar> values) const {
  if (is_identity()) return;
  const Vector<Scalar> o = offset.cast<Scalar>(), s = scale.cast<Scalar>();
  values = ((values.array().colwise() / s.array()).colwise() + o.array()).matrix();
}

absl::Status Validate(const Scalings& scalings, const NetworkSpec& spec) {
  const double largest = LargestOf(spec.fields().precision);
  Violations violations;
  Check(scalings.input, spec.input_unit_count(), largest, "input_scaling", &violations);
  if (spec.task() == Task::kRegression) {
    Check(scalings.target, spec.output_unit_count(), largest, "target_scaling", &violations);
  } else if (!scalings.target.is_identity() || scalings.target.scale.size() > 0) {
    violations.Add("target_scaling", "is for regression; leave it out, targets of a classification are classes");
  }
  return violations.ToStatus();
}

template <typename Scalar>
Scalings FitScalings(const NetworkSpec& spec, const PatternSequence<Scalar>& patterns, ScalingMethod method) {
  Fit inputs(spec.input_unit_count(), patterns.count()), targets(spec.output_unit_count(), patterns.count());
  const int64_t step = std::clamp<int64_t>((1 << 20) / patterns.bytes_per_pattern(), 1, 1024);
  for (const bool first : {true, false}) {
    for (int64_t begin = 0; begin < patterns.count(); begin += step) {
      const Patterns<Scalar> slice = patterns.Slice(begin, std::min(step, patterns.count() - begin));
      const Matrix<double> x = slice.inputs.template cast<double>(), y = slice.targets.template cast<double>();
      first ? inputs.First(x) : inputs.Second(x);
      first ? targets.First(y) : targets.Second(y);
    }
  }
  const double largest = double{std::numeric_limits<Scalar>::max()};
  Scalings scalings{.input = inputs.Result(method, largest), .target = {}};
  if (spec.task() == Task::kRegression) scalings.target = targets.Result(method, largest);
  return scalings;
}

template void Scaling::Apply<float>(Columns<float>) const;
template void Scaling::Apply<double>(Columns<double>) const;
template void Scaling::Undo<float>(Columns<float>) const;
template void Scaling::Undo<double>(Columns<double>) const;
template Scalings FitScalings(const NetworkSpec&, const PatternSequence<float>&, ScalingMethod);
template Scalings FitScalings(const NetworkSpec&, const PatternSequence<double>&, ScalingMethod);

}  // namespace backprop
