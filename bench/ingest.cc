// bench_ingest: how near ingest comes to its roofs, and what checkpoints cost a training run. bench/README.md explains
// the rows. Repetitions of all that is compared are interleaved; ratios are made within a repetition.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "bench/child_server.h"
#include "bench/pattern_load.h"
#include "bench/report.h"
#include "bench/training_speed.h"
#include "bench/write_roof.h"
#include "client/client.h"

namespace backprop::bench {
namespace {

constexpr int64_t kMiB = 1 << 20;

struct Flags {
  std::string backpropd, sink, tcmalloc_sink, directory, json;
  std::string only;
  bool quick = false;
  int64_t window_mib = 32;
  bool no_checksums = false;
};

struct Case {
  std::string name;
  int32_t patterns_per_message;
  int stream_count;
  int64_t group_bytes;  // That the write roof syncs at once.
};

const Case kCases[] = {{"3 KB, 1 stream", 1, 1, 4 * kMiB},
                       {"3 KB, 8 streams", 1, 8, 4 * kMiB},
                       {"100 KB, 1 stream", 32, 1, 4 * kMiB},
                       {"1 MB, 1 stream", 328, 1, 328 * 3176}};

// Of one case, a number a repetition.
struct Rates {
  std::vector<double> write, sink, tcmalloc_sink, durable, ephemeral;
};

struct Clients {
  client::Client sink, tcmalloc_sink, durable, ephemeral;
};

class IngestBenchmark {
 public:
  explicit IngestBenchmark(const Flags& flags) : flags_(flags) {}

  absl::StatusOr<std::vector<Row>> Run() {
    if (absl::Status status = StartServers(); !status.ok()) return status;
    const Clients clients{client::Client(sink_->address()), client::Client(tcmalloc_sink_->address()),
                          client::Client(durable_->address()), client::Client(ephemeral_->address())};
    for (const Case& one : kCases) {
      if (!Wanted(one.name)) continue;
      if (absl::Status status = MeasureCase(one, clients); !status.ok()) return status;
    }
    if (Wanted("checkpointing")) {
      if (absl::Status status = MeasureCheckpoints(clients.durable, clients.ephemeral); !status.ok()) return status;
    }
    return rows_;
  }

 private:
  bool Wanted(const std::string& name) const { return flags_.only.empty() || absl::StrContains(name, flags_.only); }

  absl::Status StartServers() {
    std::filesystem::remove_all(flags_.directory);
    std::filesystem::create_directories(flags_.directory);
    auto start = [&](std::vector<std::string> command, std::unique_ptr<ChildServer>* server) {
      auto started = ChildServer::Start(command, flags_.directory + "/servers.log");
      if (started.ok()) *server = *std::move(started);
      return started.status();
    };
    const std::vector<std::string> command = {flags_.backpropd, "--listen", "127.0.0.1:0"};
    std::vector<std::string> durable = command, ephemeral = command;
    durable.insert(durable.end(), {"--data-dir", flags_.directory + "/data"});
    ephemeral.push_back("--ephemeral");
    absl::Status status = start({flags_.sink}, &sink_);
    if (status.ok()) status = start({flags_.tcmalloc_sink}, &tcmalloc_sink_);
    if (status.ok()) status = start(durable, &durable_);
    if (status.ok()) status = start(ephemeral, &ephemeral_);
    return status;
  }

  // Makes a session, measures, and deletes it.
  absl::Status MeasureServer(const client::Client& client, const PatternLoad& load, std::vector<double>* rates) {
    if (absl::Status status = CreateSession(client, "ingest"); !status.ok()) return status;
    Settle(flags_.directory);
    const absl::StatusOr<double> rate = MeasureAppends(client, "ingest", load);
    if (!rate.ok()) return rate.status();
    rates->push_back(*rate);
    v1::DeleteSessionRequest request;
    request.set_name("sessions/ingest");
    absl::Status status = client.DeleteSession(request);
    Settle(flags_.directory);
    return status;
  }

  absl::Status MeasureCase(const Case& one, const Clients& clients) {
    const PatternLoad load{.patterns_per_message = one.patterns_per_message,
                           .stream_count = one.stream_count,
                           .window_bytes = flags_.window_mib * kMiB,
                           .checksums = !flags_.no_checksums,
                           .seconds = seconds(),
                           .byte_limit = 384 * kMiB};
    Rates rates;
    for (int i = 0; i < repetition_count(); ++i) {
      Settle(flags_.directory);
      const auto written = MeasureWrites(flags_.directory, one.group_bytes, load.seconds, load.byte_limit);
      if (!written.ok()) return written.status();
      rates.write.push_back(*written);
      for (const auto& [sink, sunk] :
           {std::pair(&clients.sink, &rates.sink), {&clients.tcmalloc_sink, &rates.tcmalloc_sink}}) {
        const auto rate = MeasureAppends(*sink, "sink", load);
        if (!rate.ok()) return rate.status();
        sunk->push_back(*rate);
      }
      if (absl::Status status = MeasureServer(clients.durable, load, &rates.durable); !status.ok()) return status;
      if (absl::Status status = MeasureServer(clients.ephemeral, load, &rates.ephemeral); !status.ok()) return status;
    }
    AddRows(one.name, rates);
    return absl::OkStatus();
  }

  void AddRows(const std::string& name, const Rates& rates) {
    const bool disk_is_roof = Median(rates.write) < Median(rates.sink);
    const double sink = AddRate("gRPC sink, " + name, rates.sink);
    const double tcmalloc_sink = AddRate("gRPC sink on TCMalloc, " + name, rates.tcmalloc_sink);
    const double write = AddRate("write and fsync, " + name, rates.write);
    const double durable = AddRate("durable, " + name, rates.durable);
    const double ephemeral = AddRate("in memory, " + name, rates.ephemeral);
    AddRatio("durable ingest / roof, " + name, rates.durable, disk_is_roof ? rates.write : rates.sink, 0.8,
             absl::StrFormat("%.1f MB/s; sink %.1f, write+fsync %.1f", durable, sink, write));
    AddRatio("in-memory ingest / sink, " + name, rates.ephemeral, rates.sink, 0.9,
             absl::StrFormat("%.1f MB/s; sink %.1f", ephemeral, sink));
    AddRatio("in-memory ingest / sink on TCMalloc, " + name, rates.ephemeral, rates.tcmalloc_sink, 0.9,
             absl::StrFormat("%.1f MB/s; sink %.1f", ephemeral, tcmalloc_sink));
  }

  // Megabytes a second.
  double AddRate(const std::string& name, const std::vector<double>& rates) {
    const double median = Median(rates) / 1e6;
    rows_.push_back({.name = name, .value = median, .unit = "MB/s"});
    return median;
  }

  void AddRatio(const std::string& name, const std::vector<double>& over, const std::vector<double>& under, double goal,
                const std::string& note) {
    std::vector<double> ratios;
    for (size_t i = 0; i < over.size(); ++i) ratios.push_back(over[i] / under[i]);
    rows_.push_back({.name = name, .value = Median(ratios), .unit = "ratio", .goal = goal, .note = note});
  }

  absl::Status MeasureCheckpoints(const client::Client& durable, const client::Client& ephemeral) {
    std::vector<double> with, without;
    for (const client::Client* client : {&durable, &ephemeral}) {
      if (absl::Status status = PrepareTraining(*client, "training"); !status.ok()) return status;
    }
    const int64_t epoch_count = flags_.quick ? 64 : 160;
    for (int i = 0; i < repetition_count(); ++i) {
      for (const auto& [client, rates] : {std::pair(&durable, &with), std::pair(&ephemeral, &without)}) {
        const absl::StatusOr<double> rate = MeasureTraining(*client, "training", epoch_count);
        if (!rate.ok()) return rate.status();
        rates->push_back(*rate);
      }
    }
    rows_.push_back({.name = "training, checkpointing", .value = Median(with), .unit = "patterns/s"});
    rows_.push_back({.name = "training, ephemeral", .value = Median(without), .unit = "patterns/s"});
    AddRatio("checkpointing run / one without", with, without, 0.97,
             absl::StrFormat("%.0f patterns/s; without %.0f", Median(with), Median(without)));
    return absl::OkStatus();
  }

  double seconds() const { return flags_.quick ? 0.35 : 1; }
  int repetition_count() const { return flags_.quick ? 3 : 7; }

  const Flags& flags_;
  std::unique_ptr<ChildServer> sink_, tcmalloc_sink_, durable_, ephemeral_;
  std::vector<Row> rows_;
};

int Main(const Flags& flags) {
  const int code = Report(IngestBenchmark(flags).Run(), flags.json);
  std::filesystem::remove_all(flags.directory + "/data");
  return code;
}

}  // namespace
}  // namespace backprop::bench

int main(int argc, char** argv) {
  CLI::App app("Measures ingest against its roofs.");
  backprop::bench::Flags flags;
  app.add_option("--backpropd", flags.backpropd, "path of the server")->required();
  app.add_option("--sink", flags.sink, "path of bench_sink")->required();
  app.add_option("--tcmalloc-sink", flags.tcmalloc_sink, "path of bench_sink_tcmalloc")->required();
  app.add_option("--directory", flags.directory, "where data goes, on the disk that is measured; emptied")->required();
  app.add_option("--json", flags.json, "file for the rows")->required();
  app.add_option("--only", flags.only, "rows whose name has this");
  app.add_flag("--quick", flags.quick, "few and short repetitions");
  app.add_option("--window-mib", flags.window_mib, "bytes on their way to the server")->capture_default_str();
  app.add_flag("--no-checksums", flags.no_checksums, "messages without their CRC-32");
  CLI11_PARSE(app, argc, argv);
  return backprop::bench::Main(flags);
}
