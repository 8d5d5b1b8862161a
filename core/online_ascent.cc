#include "core/online_ascent.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/activation.h"
#include "core/output_layer.h"
#include "core/product_tile.h"

// Legend. w: weights [unit x input], h: activations of the layer below [input], s: weighted sums, d: error signals
// d log L / d s [unit]. A matrix of one column is the one pattern.

namespace backprop {
namespace {

constexpr int kRows = 4;  // That are taken at once: they share what is loaded of h.

// Of `rows` rows: w += step h_before' where `pending`, then s = w h.
template <typename Scalar, int rows, bool pending>
void StepRows(int64_t input_count, const Scalar* steps, const Scalar* h_before, const Scalar* h, Scalar* w, Scalar* s) {
  using S = Simd<Scalar>;
  typename S::Vector sums[rows] = {};
  int64_t j = 0;
  for (; j + S::kLanes <= input_count; j += S::kLanes) {
    const auto now = S::Load(h + j);
    for (int row = 0; row < rows; ++row) {
      Scalar* at = w + row * input_count + j;
      auto weights = S::Load(at);
      if constexpr (pending) {
        weights += steps[row] * S::Load(h_before + j);
        S::Store(at, weights);
      }
      sums[row] += weights * now;
    }
  }
  for (int row = 0; row < rows; ++row) {
    Scalar sum = 0;
    for (int lane = 0; lane < S::kLanes; ++lane) sum += sums[row][lane];
    for (int64_t k = j; k < input_count; ++k) {
      Scalar& weight = w[row * input_count + k];
      if constexpr (pending) weight += steps[row] * h_before[k];
      sum += weight * h[k];
    }
    s[row] = sum;
  }
}

template <typename Scalar, bool pending>
void StepLayer(const Vector<Scalar>& steps, const Vector<Scalar>& h_before, const Vector<Scalar>& h, Scalar* w,
               Vector<Scalar>* s) {
  const int64_t inputs = h.size(), units = s->size();
  int64_t i = 0;
  for (; i + kRows <= units; i += kRows) {
    StepRows<Scalar, kRows, pending>(inputs, steps.data() + i, h_before.data(), h.data(), w + i * inputs,
                                     s->data() + i);
  }
  for (; i < units; ++i) {
    StepRows<Scalar, 1, pending>(inputs, steps.data() + i, h_before.data(), h.data(), w + i * inputs, s->data() + i);
  }
}

}  // namespace

template <typename Scalar>
bool OnlineAscent<Scalar>::Serves(const TrainingOptions& options) {
  return options.batch_size == 1 && IsPlainAscent(options);
}

template <typename Scalar>
int64_t OnlineAscent<Scalar>::WorkspaceBytes(const NetworkSpec& spec) {
  return (4 * spec.total_unit_count() + spec.output_unit_count()) * int64_t{sizeof(Scalar)};
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
}

template <typename Scalar>
double OnlineAscent<Scalar>::Learn(const TrainingOptions& options, double step_size, const Scalar* x,
                                   const Scalar* target, Scalar weight, Parameters<Scalar>* parameters,
                                   Measures* measures) {
  std::copy_n(x, now_->h[0].size(), now_->h[0].data());
  std::copy_n(target, target_.size(), target_.data());
  scalings_.input.Apply<Scalar>(now_->h[0]);
  scalings_.target.Apply<Scalar>(target_);
  Forward(parameters);
  Vector<Scalar>& y = now_->h.back();
  Eigen::Matrix<Scalar, 1, 1> log_likelihood;
  ActivateOutputs<Scalar>(spec_.task(), y, target_, log_likelihood);
  OutputErrorSignals<Scalar>(y, target_, now_->steps.back());
  now_->steps.back() *= weight;
  SendBack(*parameters);
  const double scale = ReductionScale(options.reduction, double{weight});
  const double norm = scale * std::sqrt(SquaredNorm());
  if (!std::isfinite(norm) || !std::isfinite(log_likelihood(0))) return std::nan("");
  const double limit = options.gradient_norm_limit;
  const double limited = limit > 0 && norm > limit ? limit / norm : 1;
  // In double, as of a huge gradient the factor may be smaller than Scalar has numbers for.
  const double e = step_size * scale * limited;
  for (int layer = 1; layer <= spec_.layer_count(); ++layer) {
    now_->steps[layer] = (now_->steps[layer].template cast<double>() * e).template cast<Scalar>();
  }
  const Eigen::Matrix<Scalar, 1, 1> weights(weight);
  AddMeasures<Scalar>(spec_.task(), y, target_, log_likelihood, weights, scalings_.target.scale, measures);
  std::swap(now_, before_);
  pending_ = true;
  return norm;
}

template <typename Scalar>
void OnlineAscent<Scalar>::Forward(Parameters<Scalar>* parameters) {
  for (int layer = 1; layer <= spec_.layer_count(); ++layer) {
    auto biases = parameters->biases(layer);
    Vector<Scalar>& s = now_->h[layer];
    Scalar* weights = parameters->weights(layer).data();
    if (pending_) {
      // w_ij += e d_i h_j (15) of the pattern before, then s_i = sum_j w_ij h_j (7), (12).
      StepLayer<Scalar, true>(before_->steps[layer], before_->h[layer - 1], now_->h[layer - 1], weights, &s);
      biases += before_->steps[layer];
    } else {
      StepLayer<Scalar, false>(before_->steps[layer], before_->h[layer - 1], now_->h[layer - 1], weights, &s);
    }
    s += biases;
    if (layer < spec_.layer_count()) Activate<Scalar>(spec_.activation(layer), s);  // h_i = f(s_i) (12)
  }
  pending_ = false;
}

template <typename Scalar>
void OnlineAscent<Scalar>::SendBack(const Parameters<Scalar>& parameters) {
  for (int layer = spec_.layer_count(); layer >= 2; --layer) {
    const Vector<Scalar>& d = now_->steps[layer];
    Vector<Scalar>& d_below = now_->steps[layer - 1];
    // d log L / d h_i = sum_k d_k w_ki (10), times d h_i / d s_i (13).
    const auto w = parameters.weights(layer);
    d_below = d(0) * w.row(0).transpose();
    for (Eigen::Index k = 1; k < d.size(); ++k) d_below += d(k) * w.row(k).transpose();
    MultiplyByDerivative<Scalar>(spec_.activation(layer - 1), now_->h[layer - 1], d_below);
  }
}

template <typename Scalar>
double OnlineAscent<Scalar>::SquaredNorm() const {
  double sum = 0;
  for (int layer = 1; layer <= spec_.layer_count(); ++layer) {
    const auto d = now_->steps[layer].template cast<double>(), h = now_->h[layer - 1].template cast<double>();
    sum += d.squaredNorm() * (1 + h.squaredNorm());
  }
  return sum;
}

template <typename Scalar>
void OnlineAscent<Scalar>::Finish(Parameters<Scalar>* parameters) {
  if (!pending_) return;
  for (int layer = 1; layer <= spec_.layer_count(); ++layer) {
    const Vector<Scalar>& h = before_->h[layer - 1];
    // The weighted sums are not needed.
    StepLayer<Scalar, true>(before_->steps[layer], h, h, parameters->weights(layer).data(), &now_->h[layer]);
    parameters->biases(layer) += before_->steps[layer];
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
