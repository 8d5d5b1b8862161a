// bench_core: how near the training step comes to the machine's roof. bench/README.md explains the rows. Repetitions
// of all that is compared are interleaved; ratios are made within a repetition.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/derivative_cost.h"
#include "bench/report.h"
#include "bench/roof.h"
#include "bench/training_step.h"
#include "server/scheduling/training_workers.h"

namespace backprop::bench {
namespace {

struct Flags {
  std::string json, only;
  bool quick = false;
  [[nodiscard]] double seconds() const { return quick ? 0.1 : 0.3; }
  [[nodiscard]] int repetition_count() const { return quick ? 5 : 15; }
  [[nodiscard]] bool Wants(const std::string& name) const { return only.empty() || absl::StrContains(name, only); }
};

template <typename Scalar>
void AddStepRow(const Flags& flags, const TrainingShape& shape, double goal, std::vector<Row>* rows) {
  const std::string name = absl::StrCat(sizeof(Scalar) == 4 ? "f32" : "f64", ", one core, ", shape.name());
  if (!flags.Wants(name)) return;
  TrainingStep<Scalar> step(shape);
  step.PatternsPerSecond(flags.seconds());
  std::vector<double> rates, ratios;
  for (int i = 0; i < flags.repetition_count(); ++i) {
    const double roof = FlopRoof<Scalar>();
    rates.push_back(step.PatternsPerSecond(flags.seconds()) * FlopsPerPattern(shape));
    ratios.push_back(rates.back() / roof);
  }
  rows->push_back({.name = absl::StrCat(name, ": flops / roof"),
                   .value = Median(ratios),
                   .unit = "ratio",
                   .goal = goal,
                   .note = absl::StrFormat("%.1f GFLOP/s", Median(rates) / 1e9)});
}

void AddThreadRow(const Flags& flags, const TrainingShape& shape, std::vector<Row>* rows) {
  const std::string name = absl::StrCat("f32, two threads / one, ", shape.name());
  if (!flags.Wants(name)) return;
  server::TrainingWorkers workers({.worker_count = 2});
  const ParallelFor both = [&](int count, const std::function<void(int)>& task) { workers.ParallelFor(count, task); };
  TrainingStep<float> step(shape);
  std::vector<double> ones, twos, ratios;
  for (int i = 0; i < flags.repetition_count(); ++i) {
    ones.push_back(step.PatternsPerSecond(flags.seconds()));
    // On a worker, as the server does.
    if (!workers.RunAndWait([&] { twos.push_back(step.PatternsPerSecond(flags.seconds(), both)); }).ok()) return;
    ratios.push_back(twos.back() / ones.back());
  }
  rows->push_back({.name = name,
                   .value = Median(ratios),
                   .unit = "ratio",
                   .goal = shape.batch_size >= 256 ? std::optional(1.85) : std::nullopt,
                   .note = absl::StrFormat("%.0f patterns/s; one %.0f", Median(twos), Median(ones))});
}

// Inputs below the least normal number, whose products are all denormal, against ordinary ones.
void AddDenormalRow(const Flags& flags, TrainingShape shape, std::vector<Row>* rows) {
  const std::string name = absl::StrCat("f32, denormal inputs / ordinary ones, ", shape.name());
  if (!flags.Wants(name)) return;
  TrainingStep<float> ordinary(shape);
  shape.input_scale = 1e-39;
  TrainingStep<float> denormal(shape);
  std::vector<double> ratios;
  for (int i = 0; i < flags.repetition_count(); ++i) {
    const double rate = denormal.PatternsPerSecond(flags.seconds());
    ratios.push_back(rate / ordinary.PatternsPerSecond(flags.seconds()));
  }
  rows->push_back({.name = name, .value = Median(ratios), .unit = "ratio", .goal = 0.9});
}

int Main(const Flags& flags) {
  std::vector<Row> rows;
  if (flags.Wants("roof and triad")) rows = RoofRows();
  const TrainingShape deep{.layers = {784, 512, 512, 10}, .batch_size = 128};
  AddStepRow<float>(flags, deep, 0.85, &rows);
  AddStepRow<float>(flags, {.layers = {784, 128, 10}, .batch_size = 256}, 0.78, &rows);
  AddStepRow<float>(flags, {.layers = {784, 128, 10}, .batch_size = 32}, 0.75, &rows);
  AddStepRow<double>(flags, deep, 0.85, &rows);
  AddThreadRow(flags, {.layers = {784, 128, 10}, .batch_size = 32}, &rows);
  AddThreadRow(flags, {.layers = {784, 300, 10}, .batch_size = 256}, &rows);
  AddThreadRow(flags, {.layers = {784, 512, 512, 10}, .batch_size = 1024}, &rows);
  AddDenormalRow(flags, {.layers = {784, 128, 10}, .batch_size = 32}, &rows);
  AddDenormalRow(flags, {.layers = {784, 128, 10}, .batch_size = 1}, &rows);
  if (flags.Wants("derivatives")) {
    for (Row& row : DerivativeRows(flags.quick)) rows.push_back(std::move(row));
  }
  return Report(std::move(rows), flags.json);
}

}  // namespace
}  // namespace backprop::bench

int main(int argc, char** argv) {
  CLI::App app("Measures the training step against the machine's roof.");
  backprop::bench::Flags flags;
  app.add_option("--json", flags.json, "file for the rows")->required();
  app.add_option("--only", flags.only, "rows whose name has this");
  app.add_flag("--quick", flags.quick, "few and short repetitions");
  CLI11_PARSE(app, argc, argv);
  return backprop::bench::Main(flags);
}
