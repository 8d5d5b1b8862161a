// bench_predict: how fast predictions are, by themselves and over gRPC, and what an epoch costs over gRPC.
// bench/README.md explains the rows. Repetitions of all that is compared are interleaved; ratios are made within a
// repetition.
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "bench/child_server.h"
#include "bench/prediction_calls.h"
#include "bench/prediction_step.h"
#include "bench/python_peers.h"
#include "bench/report.h"
#include "bench/roof.h"
#include "bench/training_speed.h"
#include "bench/training_step.h"
#include "server/scheduling/training_workers.h"

namespace backprop::bench {
namespace {

struct Flags {
  std::string backpropd, directory, json, python_peers, only;
  bool quick = false;
  [[nodiscard]] double seconds() const { return quick ? 0.1 : 0.3; }
  [[nodiscard]] int repetition_count() const { return quick ? 5 : 11; }
};

int64_t WeightCount(const TrainingShape& shape) {
  int64_t count = 0;
  for (size_t i = 1; i < shape.layers.size(); ++i) count += int64_t{shape.layers[i - 1]} * shape.layers[i];
  return count;
}

class PredictBenchmark {
 public:
  explicit PredictBenchmark(const Flags& flags) : flags_(flags) {}

  absl::StatusOr<std::vector<Row>> Run() {
    absl::Status status = StartProcesses();
    for (const std::vector<int>& layers : {std::vector{784, 128, 10}, std::vector{784, 300, 10}}) {
      for (const int count : {1, 256}) {
        if (status.ok()) status = MeasureCore({.layers = layers, .batch_size = count});
      }
    }
    if (status.ok() && Wanted("over gRPC")) status = PrepareTraining(client::Client(server_->address()), kSession);
    for (const int callers : {1, 8}) {
      if (status.ok()) status = MeasureCalls(callers);
    }
    if (status.ok()) status = MeasureEpochs();
    if (!status.ok()) return status;
    return rows_;
  }

 private:
  static constexpr char kSession[] = "predict";

  bool Wanted(const std::string& name) const { return absl::StrContains(name, flags_.only); }

  // Before this process has threads.
  absl::Status StartProcesses() {
    std::filesystem::remove_all(flags_.directory);
    std::filesystem::create_directories(flags_.directory);
    if (!flags_.python_peers.empty()) {
      auto python = PythonPeers::Start(flags_.python_peers);
      if (!python.ok()) return python.status();
      python_ = *std::move(python);
    }
    auto server =
        ChildServer::Start({flags_.backpropd, "--listen", "127.0.0.1:0", "--data-dir", flags_.directory + "/data"},
                           flags_.directory + "/server.log");
    if (!server.ok()) return server.status();
    server_ = *std::move(server);
    return absl::OkStatus();
  }

  // Over the roof of what bounds it: of many patterns the multiply-adds, of one the reading of the weights.
  absl::Status MeasureCore(const TrainingShape& shape) {
    const bool one = shape.batch_size == 1;
    const std::string name = absl::StrCat("predict ", shape.batch_size, one ? " pattern, " : " patterns, ",
                                          absl::StrJoin(shape.layers, "-"));
    if (!Wanted(name)) return absl::OkStatus();
    const auto weights = static_cast<double>(WeightCount(shape));
    const double use = weights * (one ? sizeof(float) : 2);
    const int64_t l2 = std::max<int64_t>(sysconf(_SC_LEVEL2_CACHE_SIZE), 512 << 10);
    PredictionStep step(shape);
    std::vector<double> rates, shares, peer_rates, ratios;
    for (int i = -1; i < flags_.repetition_count(); ++i) {
      const double roof = one ? TriadRate(l2 / 2) : FlopRoof<float>();
      const double rate = step.PatternsPerSecond(flags_.seconds());
      if (i >= 0) {
        rates.push_back(rate);
        shares.push_back(rate * use / roof);
      }
      if (python_ == nullptr) continue;
      const auto peer = python_->Measure("torch-predict", shape, /*thread_count=*/1, flags_.seconds());
      if (!peer.ok()) return peer.status();
      if (i < 0) continue;  // It chose a setting, and all is warm.
      peer_rates.push_back(peer->patterns_per_second);
      ratios.push_back(rate / peer->patterns_per_second);
      peer_setting_ = peer->setting;
    }
    rows_.push_back({.name = name + (one ? ": weights read / L2 triad" : ": flops / roof"),
                     .value = Median(shares),
                     .unit = "ratio",
                     .note = absl::StrFormat("%.0f patterns/s", Median(rates))});
    if (!ratios.empty()) {
      rows_.push_back(
          {.name = name + " / PyTorch, one thread each",
           .value = Median(ratios),
           .unit = "ratio",
           .goal = 1,
           .note = absl::StrFormat("%.0f patterns/s; %.0f, %s", Median(rates), Median(peer_rates), peer_setting_)});
    }
    return absl::OkStatus();
  }

  absl::Status MeasureCalls(int caller_count) {
    const std::string name =
        absl::StrCat("Predict over gRPC of 1 pattern, ", caller_count, caller_count == 1 ? " caller" : " callers");
    if (!Wanted(name)) return absl::OkStatus();
    std::vector<double> rates, p50, p99;
    for (int i = 0; i < flags_.repetition_count(); ++i) {
      const auto times = MeasurePredictCalls(server_->address(), kSession, caller_count, 2 * flags_.seconds());
      if (!times.ok()) return times.status();
      rates.push_back(times->calls_per_second);
      p50.push_back(times->p50 * 1e6);
      p99.push_back(times->p99 * 1e6);
    }
    rows_.push_back({.name = name,
                     .value = Median(rates),
                     .unit = "calls/s",
                     .note = absl::StrFormat("calls/s; p50 %.0f us, p99 %.0f us", Median(p50), Median(p99))});
    rows_.push_back({.name = name + ", p50", .value = Median(p50), .unit = "us"});
    rows_.push_back({.name = name + ", p99", .value = Median(p99), .unit = "us"});
    return absl::OkStatus();
  }

  // In process on workers as the server's, for as long as the server's epochs took.
  absl::Status MeasureEpochs() {
    const std::string name = "epoch over gRPC (RunEpochs, durable) / in process, 784-128-10, batch 128";
    if (!Wanted(name)) return absl::OkStatus();
    const client::Client client(server_->address());
    server::TrainingWorkers workers({.worker_count = static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN))});
    const ParallelFor all = [&](int count, const std::function<void(int)>& task) { workers.ParallelFor(count, task); };
    TrainingStep<float> step({.layers = {784, 128, 10}, .batch_size = 128, .pattern_count = kTrainingPatterns});
    const int64_t epoch_count = flags_.quick ? 80 : 200;
    std::vector<double> served, local, ratios;
    for (int i = 0; i < flags_.repetition_count(); ++i) {
      const absl::StatusOr<double> rate = MeasureTraining(client, kSession, epoch_count);
      if (!rate.ok()) return rate.status();
      served.push_back(*rate);
      const double seconds = static_cast<double>(epoch_count * kTrainingPatterns) / *rate;
      const absl::Status status = workers.RunAndWait([&] { local.push_back(step.PatternsPerSecond(seconds, all)); });
      if (!status.ok()) return status;
      ratios.push_back(served.back() / local.back());
    }
    rows_.push_back({.name = name,
                     .value = Median(ratios),
                     .unit = "ratio",
                     .goal = 0.97,
                     .note = absl::StrFormat("%.0f patterns/s; in process %.0f", Median(served), Median(local))});
    return absl::OkStatus();
  }

  const Flags& flags_;
  std::unique_ptr<PythonPeers> python_;
  std::unique_ptr<ChildServer> server_;
  std::string peer_setting_;
  std::vector<Row> rows_;
};

int Main(const Flags& flags) {
  const int code = Report(PredictBenchmark(flags).Run(), flags.json);
  std::filesystem::remove_all(flags.directory + "/data");
  return code;
}

}  // namespace
}  // namespace backprop::bench

int main(int argc, char** argv) {
  CLI::App app("Measures predictions, and epochs over gRPC.");
  backprop::bench::Flags flags;
  app.add_option("--backpropd", flags.backpropd, "path of the server")->required();
  app.add_option("--directory", flags.directory, "where the server's data goes; emptied")->required();
  app.add_option("--json", flags.json, "file for the rows")->required();
  app.add_option("--python-peers", flags.python_peers, "path of python_peers.py, where PyTorch is installed");
  app.add_option("--only", flags.only, "rows whose name has this");
  app.add_flag("--quick", flags.quick, "few and short repetitions");
  CLI11_PARSE(app, argc, argv);
  return backprop::bench::Main(flags);
}
