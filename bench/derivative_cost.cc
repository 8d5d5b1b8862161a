#include "bench/derivative_cost.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <functional>

#include "absl/strings/str_format.h"
#include "core/batch_computation.h"
#include "core/directional_derivatives.h"
#include "core/hessian.h"
#include "core/hessian_vector_product.h"
#include "core/initial_parameters.h"
#include "core/random.h"

namespace backprop::bench {
namespace {

// A network, a batch and directions, all random.
class Example {
 public:
  Example(NetworkSpec::Fields fields, int64_t pattern_count, int direction_count)
      : spec(NetworkSpec::Create(std::move(fields)).value()),
        parameters(InitialParameters<float>(spec)),
        directions(direction_count, Parameters<float>(spec.layout())),
        patterns_{Matrix<float>(spec.input_unit_count(), pattern_count),
                  Matrix<float>::Zero(spec.output_unit_count(), pattern_count), RowVector<float>::Ones(pattern_count)} {
    Random random(/*seed=*/1);
    const auto uniform = [&] { return static_cast<float>(2 * random.Uniform() - 1); };
    patterns_.inputs = patterns_.inputs.unaryExpr([&](float) { return uniform(); }).eval();
    for (int64_t t = 0; t < pattern_count; ++t) patterns_.targets(random.Below(spec.output_unit_count()), t) = 1;
    for (auto& direction : directions) {
      for (float& number : direction.flat()) number = uniform();
    }
  }
  Example(const Example&) = delete;

  DerivativeTask<float> task() const { return {spec, scalings_, parameters, patterns_.count(), source_}; }
  BatchRequest<float> request(bool gradient) const {
    return {.pattern_count = patterns_.count(), .source = source_, .gradient = gradient};
  }

  const NetworkSpec spec;
  const Parameters<float> parameters;
  std::vector<Parameters<float>> directions;

 private:
  Scalings scalings_;
  Patterns<float> patterns_;
  PatternSource<float> source_ = SourceOf(patterns_);
};

// Median milliseconds of each of some computations, and in their place the ratios to the first.
struct Compared {
  std::vector<double> milliseconds, ratios;
};

// Calls each of `computations` by turns, in every repetition for about the same time.
Compared Compare(bool quick, const std::vector<std::function<void()>>& computations) {
  const int repetitions = quick ? 3 : 9;
  const std::chrono::duration<double> least(quick ? 0.05 : 0.2);
  std::vector<std::vector<double>> times(computations.size()), ratios(computations.size());
  for (int repetition = -1; repetition < repetitions; ++repetition) {
    std::vector<double> seconds;
    for (const auto& compute : computations) {
      const auto start = std::chrono::steady_clock::now();
      std::chrono::duration<double> elapsed(0);
      int calls = 0;
      for (; elapsed < least; elapsed = std::chrono::steady_clock::now() - start, ++calls) compute();
      seconds.push_back(elapsed.count() / calls);
    }
    if (repetition < 0) continue;  // Memory is being touched for the first time.
    for (size_t i = 0; i < computations.size(); ++i) {
      times[i].push_back(1e3 * seconds[i]);
      ratios[i].push_back(seconds[i] / seconds[0]);
    }
  }
  Compared compared;
  for (size_t i = 0; i < computations.size(); ++i) {
    compared.milliseconds.push_back(Median(times[i]));
    compared.ratios.push_back(Median(ratios[i]));
  }
  return compared;
}

// A computation that is not asked to stop gives a result.
void Check(bool computed) {
  if (!computed) std::abort();
}

std::function<void()> Batch(const Example& example, BatchComputation<float>* computation, bool gradient) {
  return [=, &example] {
    Check(computation->Run(example.parameters, example.request(gradient), SequentialFor, NeverStop));
  };
}

std::function<void()> Products(const Example& example, HessianVectorComputation<float>* computation, int count) {
  return [=, &example] {
    Check(computation->Run(example.task(), {example.directions.data(), static_cast<size_t>(count)}, Curvature::kHessian,
                           SequentialFor, NeverStop));
  };
}

void AddRowsOfProducts(bool quick, std::vector<Row>* rows) {
  const Example example({.input_unit_count = 784,
                         .hidden_layers = {{.unit_count = 300}},
                         .output_unit_count = 10,
                         .task = Task::kMultiwayClassification},
                        /*pattern_count=*/256, /*direction_count=*/16);
  BatchComputation<float> batch(example.spec, {});
  HessianVectorComputation<float> one(example.spec), sixteen(example.spec);
  const Compared gradient =
      Compare(quick, {Batch(example, &batch, true), Products(example, &one, 1), Products(example, &sixteen, 16)});
  rows->push_back(
      {.name = "(gradient + Hessian-vector product) / gradient, 784-300-10, batch 256",
       .value = gradient.ratios[1],
       .unit = "gradients",
       .goal = 3.1,
       .at_most = true,
       .note = absl::StrFormat("%.2f ms; gradient %.2f", gradient.milliseconds[1], gradient.milliseconds[0])});
  rows->push_back(
      {.name = "(gradient + 16 Hessian-vector products) / gradient, 784-300-10, batch 256",
       .value = gradient.ratios[2],
       .unit = "gradients",
       .goal = 2.1 * 16 + 1,
       .at_most = true,
       .note = absl::StrFormat("%.2f ms; gradient %.2f", gradient.milliseconds[2], gradient.milliseconds[0])});
  const Line<float> line{.parameters = &example.directions[0]};
  const Compared forward = Compare(
      quick, {Batch(example, &batch, false), [&] {
                Check(DirectionalDerivatives<float>(example.task(), line, 4, SequentialFor, NeverStop).has_value());
              }});
  rows->push_back(
      {.name = "directional derivatives to order 4 / forward pass, 784-300-10, batch 256",
       .value = forward.ratios[1],
       .unit = "forward passes",
       .goal = 10,
       .at_most = true,
       .note = absl::StrFormat("%.2f ms; forward pass %.2f", forward.milliseconds[1], forward.milliseconds[0])});
}

void AddRowsOfHessian(bool quick, std::vector<Row>* rows) {
  Example example({.input_unit_count = 10,
                   .hidden_layers = {{.unit_count = 20}},
                   .output_unit_count = 5,
                   .task = Task::kMultiwayClassification},
                  /*pattern_count=*/1000, /*direction_count=*/0);
  const int64_t count = example.spec.parameter_count();
  std::vector<Parameters<float>> units(count, Parameters<float>(example.spec.layout()));
  for (int64_t p = 0; p < count; ++p) units[p].flat()(p) = 1;
  HessianVectorComputation<float> product(example.spec);
  const Compared hessian = Compare(
      quick,
      {[&] { Check(Hessian<float>(example.task(), Curvature::kHessian, {}, SequentialFor, NeverStop).has_value()); },
       [&] {
         for (const auto& unit : units) {
           Check(product.Run(example.task(), {&unit, 1}, Curvature::kHessian, SequentialFor, NeverStop));
         }
       }});
  rows->push_back(
      {.name = "one Hessian-vector product a column / full Hessian, 10-20-5, 1000 patterns",
       .value = hessian.ratios[1],
       .unit = "times",
       .goal = 3,
       .note = absl::StrFormat("%.2f ms; full Hessian %.2f", hessian.milliseconds[1], hessian.milliseconds[0])});
}

// Multiply-adds of the price that a second pays for, of networks whose time is not in their products, against one whose
// time is.
void AddRowOfPrices(bool quick, std::vector<Row>* rows) {
  const Example wide({.input_unit_count = 784, .hidden_layers = {{.unit_count = 300}}, .output_unit_count = 10},
                     /*pattern_count=*/256, /*direction_count=*/1);
  const Example deep({.input_unit_count = 2, .hidden_layers{60, HiddenLayer{.unit_count = 2}}, .output_unit_count = 1},
                     /*pattern_count=*/50, /*direction_count=*/0);
  const Example broad({.input_unit_count = 500, .hidden_layers = {{.unit_count = 1}}, .output_unit_count = 500},
                      /*pattern_count=*/50, /*direction_count=*/0);
  HessianVectorComputation<float> product(wide.spec);
  const Compared times = Compare(
      quick,
      {Products(wide, &product, 1),
       [&] { Check(Hessian<float>(deep.task(), Curvature::kHessian, {}, SequentialFor, NeverStop).has_value()); },
       [&] {
         Check(HessianDiagonal<float>(broad.task(), Curvature::kHessian, SequentialFor, NeverStop).has_value());
       }});
  const auto price = [](DerivativePrice p) { return static_cast<double>(p.multiply_adds); };
  const double prices[] = {price(HessianVectorComputation<float>::Price(wide.spec, 256, 1, Curvature::kHessian)),
                           price(HessianPrice(deep.spec, 50, {})), price(HessianDiagonalPrice(broad.spec, 50))};
  const auto rate = [&](int i) { return prices[i] / times.milliseconds[i] * 1e-6; };
  rows->push_back({.name = "price a second: least / greatest of three computations and shapes",
                   .value = std::min({rate(0), rate(1), rate(2)}) / std::max({rate(0), rate(1), rate(2)}),
                   .unit = "",
                   .goal = 0.05,
                   .note = absl::StrFormat("10^9 multiply-adds: product 784-300-10 %.1f, Hessian 2-[2]x60-1 %.1f, "
                                           "diagonal 500-1-500 %.1f",
                                           rate(0), rate(1), rate(2))});
}

}  // namespace

std::vector<Row> DerivativeRows(bool quick) {
  std::vector<Row> rows;
  AddRowsOfProducts(quick, &rows);
  AddRowsOfHessian(quick, &rows);
  AddRowOfPrices(quick, &rows);
  return rows;
}

}  // namespace backprop::bench
