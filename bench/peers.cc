// bench_peers: how fast training is beside FANN, dlib, PyTorch and scikit-learn. bench/README.md explains the rows.
// Repetitions of all that is compared are interleaved; a ratio is made within a repetition, over the peer that was the
// fastest in it.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/contender.h"
#include "bench/python_peers.h"
#include "bench/report.h"
#include "server/scheduling/training_workers.h"

namespace backprop::bench {
namespace {

struct Flags {
  std::string json, python_peers, only;
  bool quick = false;
  [[nodiscard]] double seconds() const { return quick ? 0.1 : 0.4; }
  [[nodiscard]] int repetition_count() const { return quick ? 3 : 9; }
};

struct PeerRow {
  std::string against;
  TrainingShape shape;
  std::optional<double> goal;  // None: told only.
};

const PeerRow kRows[] = {{"FANN", {.layers = {784, 128, 10}}, 7},
                         {"PyTorch, one thread", {.layers = {784, 128, 10}}, 20},
                         {"PyTorch with autograd, one thread", {.layers = {784, 128, 10}}, std::nullopt},
                         {"best peer", {.layers = {784, 128, 10}, .batch_size = 32}, 2.5},
                         {"best peer", {.layers = {784, 300, 10}, .batch_size = 32}, 2.5},
                         {"best peer", {.layers = {784, 128, 10}, .batch_size = 256}, 1.5},
                         {"best peer", {.layers = {784, 300, 10}, .batch_size = 256}, 1.5},
                         {"FANN", {.layers = {2, 2, 2}}, 1},
                         {"FANN", {.layers = {8, 16, 4}}, 1}};

// This project's core on one thread and, for batches, on the two that a server would have.
std::vector<Contender> OurContenders(const TrainingShape& shape, server::TrainingWorkers* workers) {
  const auto step = std::make_shared<TrainingStep<float>>(shape);
  std::vector<Contender> contenders = {
      {"one thread", [step](double seconds) -> absl::StatusOr<double> { return step->PatternsPerSecond(seconds); }}};
  if (shape.batch_size == 1) return contenders;
  contenders.push_back({"two threads", [step, workers](double seconds) -> absl::StatusOr<double> {
                          const ParallelFor both = [workers](int count, const std::function<void(int)>& task) {
                            workers->ParallelFor(count, task);
                          };
                          double rate = 0;
                          const absl::Status status =
                              workers->RunAndWait([&] { rate = step->PatternsPerSecond(seconds, both); });
                          if (!status.ok()) return status;
                          return rate;
                        }});
  return contenders;
}

Contender PythonContender(PythonPeers* python, const std::string& kind, const TrainingShape& shape, int threads) {
  const char* name = kind == "torch" ? "PyTorch" : kind == "sklearn" ? "scikit-learn" : "PyTorch with autograd";
  return {absl::StrCat(name, ", threads ", threads), [=](double seconds) -> absl::StatusOr<double> {
            const auto answer = python->Measure(kind, shape, threads, seconds);
            if (!answer.ok()) return answer.status();
            return answer->patterns_per_second;
          }};
}

std::vector<Contender> PeersOf(const PeerRow& row, PythonPeers* python) {
  if (row.against == "FANN") return FannContenders(row.shape);
  if (row.shape.batch_size == 1) {
    return {PythonContender(python, row.goal ? "torch" : "torch-autograd", row.shape, 1)};
  }
  std::vector<Contender> peers = DlibContenders(row.shape);
  for (const char* kind : {"torch", "sklearn"}) {
    for (const int threads : {1, 2}) peers.push_back(PythonContender(python, kind, row.shape, threads));
  }
  return peers;
}

// A contender whose warming up is so far behind the first's is not measured again.
constexpr double kHopeless = 0.25;

// Rates by contender, one a repetition.
struct Measured {
  explicit Measured(std::vector<Contender> of)
      : contenders(std::move(of)), rates(contenders.size()), left_out(contenders.size()) {}
  std::vector<Contender> contenders;
  std::vector<std::vector<double>> rates;
  std::vector<bool> left_out;

  // Not those that are left out.
  absl::Status Repeat(double seconds) {
    for (size_t i = 0; i < contenders.size(); ++i) {
      if (left_out[i]) continue;
      const absl::StatusOr<double> rate = contenders[i].measure(seconds);
      if (!rate.ok()) return rate.status();
      rates[i].push_back(*rate);
    }
    return absl::OkStatus();
  }
  // A first, short repetition that does not count, but for those that it leaves out.
  absl::Status WarmUp(double seconds) {
    if (absl::Status status = Repeat(seconds); !status.ok()) return status;
    const double best = Best(0);
    for (size_t i = 0; i < contenders.size(); ++i) {
      left_out[i] = rates[i].front() < kHopeless * best;
      if (!left_out[i]) rates[i].clear();
    }
    return absl::OkStatus();
  }
  // The highest rate of repetition `repetition`.
  [[nodiscard]] double Best(size_t repetition) const {
    double best = 0;
    for (size_t i = 0; i < contenders.size(); ++i) {
      if (!left_out[i]) best = std::max(best, rates[i][repetition]);
    }
    return best;
  }
  // The contender with the highest median, and that median.
  [[nodiscard]] std::pair<std::string, double> Fastest() const {
    std::pair<std::string, double> fastest;
    for (size_t i = 0; i < contenders.size(); ++i) {
      const double median = Median(rates[i]);
      if (median > fastest.second) fastest = {contenders[i].name, median};
    }
    return fastest;
  }
  // Without goals.
  void AddRates(const std::string& who, const TrainingShape& shape, std::vector<Row>* rows) const {
    for (size_t i = 0; i < contenders.size(); ++i) {
      rows->push_back({.name = absl::StrCat(shape.name(), ": ", who, contenders[i].name),
                       .value = Median(rates[i]),
                       .unit = "patterns/s"});
    }
  }
};

absl::Status MeasureRow(const Flags& flags, const PeerRow& row, PythonPeers* python, server::TrainingWorkers* workers,
                        std::vector<Row>* rows) {
  const std::string name = absl::StrCat(row.shape.name(), " / ", row.against);
  if (!absl::StrContains(name, flags.only)) return absl::OkStatus();
  Measured ours(OurContenders(row.shape, workers)), peers(PeersOf(row, python));
  absl::Status status = ours.WarmUp(flags.seconds() / 2);
  status.Update(peers.WarmUp(flags.seconds() / 2));
  for (int i = 0; i < flags.repetition_count() && status.ok(); ++i) {
    status = ours.Repeat(flags.seconds());
    status.Update(peers.Repeat(flags.seconds()));
  }
  if (!status.ok()) return status;
  std::vector<double> ratios;
  for (size_t i = 0; i < static_cast<size_t>(flags.repetition_count()); ++i) {
    ratios.push_back(ours.Best(i) / peers.Best(i));
  }
  const auto [our_name, our_rate] = ours.Fastest();
  const auto [peer_name, peer_rate] = peers.Fastest();
  rows->push_back({.name = name,
                   .value = Median(ratios),
                   .unit = "ratio",
                   .goal = row.goal,
                   .note = absl::StrFormat("%.0f patterns/s, %s; %.0f, %s", our_rate, our_name, peer_rate, peer_name)});
  ours.AddRates("ours, ", row.shape, rows);
  peers.AddRates("", row.shape, rows);
  return absl::OkStatus();
}

int Main(const Flags& flags) {
  std::vector<Row> rows;
  const auto python = PythonPeers::Start(flags.python_peers);
  absl::Status status = python.status();
  server::TrainingWorkers workers({.worker_count = 2});
  for (const PeerRow& row : kRows) {
    if (status.ok()) status = MeasureRow(flags, row, python->get(), &workers, &rows);
  }
  if (!status.ok()) return Report(status, flags.json);
  return Report(std::move(rows), flags.json);
}

}  // namespace
}  // namespace backprop::bench

int main(int argc, char** argv) {
  CLI::App app("Measures training against other libraries.");
  backprop::bench::Flags flags;
  app.add_option("--json", flags.json, "file for the rows")->required();
  app.add_option("--python-peers", flags.python_peers, "path of python_peers.py")->required();
  app.add_option("--only", flags.only, "rows whose name has this");
  app.add_flag("--quick", flags.quick, "few and short repetitions");
  CLI11_PARSE(app, argc, argv);
  return backprop::bench::Main(flags);
}
