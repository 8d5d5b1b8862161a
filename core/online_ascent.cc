#include "core/online_ascent.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/activation.h"
#include "core/output_layer.h"
#include "core/product_tile.h"
#include "core/products.h"

// Legend. w: weights [unit x input], h: activations of the layer below [input], s: weighted sums, d: error signals
// d log L / d s [unit]. A matrix of one column is the one pattern.

namespace backprop {
namespace {

// Patterns that are learned one by one in one go: as many as have so many multiply-adds.
constexpr int64_t kWorkAtOnce = 100'000;
constexpr int kRows = 4;  // That are taken at once: they share what is loaded of h.

// The sum of all lanes, by halves.
template <typename Scalar>
Scalar SumOf(typename Simd<Scalar>::Vector v) {
  Scalar sums[Simd<Scalar>::kLanes];
  Simd<Scalar>::Store(sums, v);
  for (int half = Simd<Scalar>::kLanes / 2; half > 0; half /= 2) {
    for (int lane = 0; lane < half; ++lane) sums[lane] += sums[lane + half];
  }
  return sums[0];
}

// A layer of a network on its way from one pattern to the next.
template <typename Scalar>
struct Layer {
  int64_t unit_count, input_count;
  Scalar *weights, *biases;
  const Scalar *steps, *h_before;  // That are pending: w_ij += steps_i h_before_j.
  const Scalar* h;
  Scalar* s;
};

// Of units [first, first + rows): w += step h_before' and b += step where `pending`, then s = w h + b.
template <typename Scalar, int rows, bool pending>
void StepRows(const Layer<Scalar>& layer, int64_t first) {
  using S = Simd<Scalar>;
  const int64_t inputs = layer.input_count;
  Scalar* const w = layer.weights + first * inputs;
  typename S::Vector sums[rows] = {};
  int64_t j = 0;
  for (; j + S::kLanes <= inputs; j += S::kLanes) {
    const auto now = S::Load(layer.h + j);
    for (int row = 0; row < rows; ++row) {
      Scalar* at = w + row * inputs + j;
      auto weights = S::Load(at);
      if constexpr (pending) {
        weights += layer.steps[first + row] * S::Load(layer.h_before + j);
        S::Store(at, weights);
      }
      sums[row] += weights * now;
    }
  }
  for (int row = 0; row < rows; ++row) {
    const int64_t i = first + row;
    Scalar sum = j > 0 ? SumOf<Scalar>(sums[row]) : 0;
    for (int64_t k = j; k < inputs; ++k) {
      Scalar& weight = w[row * inputs + k];
      if constexpr (pending) weight += layer.steps[i] * layer.h_before[k];
      sum += weight * layer.h[k];
    }
    if constexpr (pending) layer.biases[i] += layer.steps[i];
    layer.s[i] = sum + layer.biases[i];
  }
}

template <typename Scalar, bool pending>
void StepLayer(const Layer<Scalar>& layer) {
  int64_t i = 0;
  for (; i + kRows <= layer.unit_count; i += kRows) StepRows<Scalar, kRows, pending>(layer, i);
  for (; i < layer.unit_count; ++i) StepRows<Scalar, 1, pending>(layer, i);
}

}  // namespace

template <typename Scalar>
bool OnlineAscent<Scalar>::Serves(const TrainingOptions& options) {
  return options.batch_size == 1 && IsPlainAscent(options);
}

template <typename Scalar>
int64_t OnlineAscent<Scalar>::WorkspaceBytes(const NetworkSpec& spec) {
  const int64_t block = PatternBlock<Scalar>::Serves(spec) ? PatternBlock<Scalar>::WorkspaceBytes(spec) : 0;
  return block + (4 * spec.total_unit_count() + spec.output_unit_count()) * int64_t{sizeof(Scalar)};
}

template <typename Scalar>
OnlineAscent<Scalar>::OnlineAscent(NetworkSpec spec, Scalings scalings)
    : spec_(std::move(spec)), scalings_(std::move(scalings)), target_(spec_.output_unit_count()) {
  for (Pattern& pattern : patterns_) {
    for (int layer = 0; layer <= spec_.layer_count(); ++layer) {
      pattern.h.emplace_back(spec_.unit_count(layer));
      pattern.steps.emplace_back(spec_.unit_count(layer));
    }
  }
  if (PatternBlock<Scalar>::Serves(spec_)) block_.emplace(spec_);
}

template <typename Scalar>
int64_t OnlineAscent<Scalar>::block_size() const {
  constexpr int64_t kMost = PatternBlock<Scalar>::kPatterns;
  return block_ ? kMost : std::clamp<int64_t>(kWorkAtOnce / spec_.parameter_count(), 1, kMost);
}

template <typename Scalar>
bool OnlineAscent<Scalar>::BeginBlock(std::span<const PatternView<Scalar>> patterns,
                                      const Parameters<Scalar>& parameters) {
  const auto n = std::ssize(patterns);
  if (!block_ || n < kFewPatterns) return false;
  Matrix<Scalar>& x = block_->inputs();
  for (int64_t t = 0; t < n; ++t) std::copy_n(patterns[t].inputs, x.rows(), x.col(t).data());
  scalings_.input.Apply<Scalar>(x.leftCols(n));
  return block_->Begin(n, parameters);
}

template <typename Scalar>
int64_t OnlineAscent<Scalar>::Learn(const TrainingOptions& options, double step_size,
                                    std::span<const PatternView<Scalar>> patterns, Parameters<Scalar>* parameters,
                                    Measures* measures, double* norm_sum) {
  if (block_) Finish(parameters);
  const bool in_block = BeginBlock(patterns, *parameters);
  int64_t t = 0;
  for (; t < std::ssize(patterns); ++t) {
    double squared_input;
    if (in_block) {
      block_->WeightedSums(t, &now_->h[1]);
      squared_input = block_->SquaredInput(t);
    } else {
      Vector<Scalar>& x = now_->h[0];
      x = Eigen::Map<const Vector<Scalar>>(patterns[t].inputs, x.size());
      if (!scalings_.input.is_identity()) scalings_.input.Apply<Scalar>(x);
      squared_input = x.template cast<double>().squaredNorm() + 1;
      Step(1, x, &now_->h[1], parameters);
    }
    const double norm = LearnOne(options, step_size, patterns[t], squared_input, parameters, measures);
    if (!std::isfinite(norm)) break;
    if (in_block) block_->Take(t, before_->steps[1]);
    *norm_sum += norm;
  }
  if (in_block) {
    block_->Finish(t, parameters);
    Finish(/*first=*/2, parameters);
  }
  return t;
}

template <typename Scalar>
double OnlineAscent<Scalar>::LearnOne(const TrainingOptions& options, double step_size,
                                      const PatternView<Scalar>& pattern, double squared_input,
                                      Parameters<Scalar>* parameters, Measures* measures) {
  target_ = Eigen::Map<const Vector<Scalar>>(pattern.targets, target_.size());
  if (!scalings_.target.is_identity()) scalings_.target.Apply<Scalar>(target_);
  NormalizeTargets<Scalar>(spec_.task(), target_);
  Forward(parameters);
  Vector<Scalar>& y = now_->h.back();
  Eigen::Matrix<Scalar, 1, 1> log_likelihood;
  ActivateOutputs<Scalar>(spec_.task(), y, target_, log_likelihood);
  OutputErrorSignals<Scalar>(y, target_, now_->steps.back());
  now_->steps.back() *= pattern.weight;
  SendBack(*parameters);
  const double scale = ReductionScale(options.reduction, double{pattern.weight});
  const double norm = scale * std::sqrt(SquaredNorm(squared_input));
  if (!std::isfinite(norm) || !std::isfinite(log_likelihood(0))) return std::nan("");
  const double limit = options.gradient_norm_limit;
  const double limited = limit > 0 && norm > limit ? limit / norm : 1;
  // In double, as of a huge gradient the factor may be smaller than Scalar has numbers for.
  const double e = step_size * scale * limited;
  for (int layer = 1; layer <= spec_.layer_count(); ++layer) {
    now_->steps[layer] = (now_->steps[layer].template cast<double>() * e).template cast<Scalar>();
  }
  const Eigen::Matrix<Scalar, 1, 1> weights(pattern.weight);
  AddMeasures<Scalar>(spec_.task(), y, target_, log_likelihood, weights, scalings_.target.scale, measures);
  std::swap(now_, before_);
  pending_ = true;
  return norm;
}

template <typename Scalar>
void OnlineAscent<Scalar>::Step(int layer, const Vector<Scalar>& h, Vector<Scalar>* s,
                                Parameters<Scalar>* parameters) const {
  const LayerShape& shape = parameters->shape(layer);
  Scalar* const flat = parameters->flat().data();
  const Layer<Scalar> step{.unit_count = shape.unit_count,
                           .input_count = shape.input_count,
                           .weights = flat + shape.weight_offset,
                           .biases = flat + shape.bias_offset,
                           .steps = before_->steps[layer].data(),
                           .h_before = before_->h[layer - 1].data(),
                           .h = h.data(),
                           .s = s->data()};
  pending_ ? StepLayer<Scalar, true>(step) : StepLayer<Scalar, false>(step);
}

template <typename Scalar>
void OnlineAscent<Scalar>::Forward(Parameters<Scalar>* parameters) {
  for (int layer = 1; layer <= spec_.layer_count(); ++layer) {
    Vector<Scalar>& s = now_->h[layer];
    // w_ij += e d_i h_j (15) of the pattern before, where that is pending, then s_i = sum_j w_ij h_j (7), (12).
    if (layer > 1) Step(layer, now_->h[layer - 1], &s, parameters);
    if (layer < spec_.layer_count()) ActivateValues(spec_.activation(layer), s);  // h_i = f(s_i) (12)
  }
  pending_ = false;
}

template <typename Scalar>
void OnlineAscent<Scalar>::SendBack(const Parameters<Scalar>& parameters) {
  for (int layer = spec_.layer_count(); layer >= 2; --layer) {
    const Vector<Scalar>& d = now_->steps[layer];
    Vector<Scalar>& d_below = now_->steps[layer - 1];
    // d log L / d h_i = sum_k d_k w_ki (10), times d h_i / d s_i (13).
    const Scalar* w = parameters.weights(layer).data();
    Scalar* const below = d_below.data();
    const Eigen::Index count = d_below.size();
    for (Eigen::Index i = 0; i < count; ++i) below[i] = d(0) * w[i];
    for (Eigen::Index k = 1; k < d.size(); ++k) {
      w += count;
      for (Eigen::Index i = 0; i < count; ++i) below[i] += d(k) * w[i];
    }
    MultiplyValuesByDerivative(spec_.activation(layer - 1), now_->h[layer - 1], d_below);
  }
}

template <typename Scalar>
double OnlineAscent<Scalar>::SquaredNorm(double squared_input) const {
  const auto sum_by = [&](const auto& squared) {
    double sum = squared(now_->steps[1]) * squared_input;
    for (int layer = 2; layer <= spec_.layer_count(); ++layer) {
      sum += squared(now_->steps[layer]) * (1 + squared(now_->h[layer - 1]));
    }
    return sum;
  };
  const double sum = sum_by(SquaredNormOf<Scalar>);
  if (std::isfinite(sum)) return sum;
  // Squares may be beyond Scalar's range where the gradient is not.
  return sum_by([](const Vector<Scalar>& v) { return v.template cast<double>().squaredNorm(); });
}

template <typename Scalar>
void OnlineAscent<Scalar>::Finish(Parameters<Scalar>* parameters) {
  Finish(/*first=*/1, parameters);
}

template <typename Scalar>
void OnlineAscent<Scalar>::Finish(int first, Parameters<Scalar>* parameters) {
  if (!pending_) return;
  for (int layer = first; layer <= spec_.layer_count(); ++layer) {
    Step(layer, before_->h[layer - 1], &now_->h[layer], parameters);  // Whose weighted sums are not needed.
  }
  pending_ = false;
}

template <typename Scalar>
Vector<Scalar> OnlineAscent<Scalar>::outputs() const {
  Vector<Scalar> y = before_->h.back();
  scalings_.target.Undo<Scalar>(y);
  return y;
}

template class OnlineAscent<float>;
template class OnlineAscent<double>;

}  // namespace backprop
