// backpropd: wires store, workers, sessions and services, and runs until it is told to end.
#include <pthread.h>
#include <signal.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "core/error.h"
#include "server/flags.h"
#include "server/log/library_log.h"
#include "server/process/limits.h"
#include "server/process/machine_memory.h"
#include "server/process/timer.h"
#include "server/scheduling/training_workers.h"
#include "server/services/rpc_server.h"
#include "server/services/service_context.h"
#include "server/sessions/session_registry.h"
#include "server/storage/ephemeral_store.h"
#include "server/storage/sqlite_store.h"

namespace backprop::server {
namespace {

constexpr double kShortestDrainSeconds = 1;  // Training runs keep where they stand in it.
// Of --drain-timeout: then silent streams are ended, all streams, and all calls, which have the rest to end.
constexpr double kShareForSilentStreams = 0.2;
constexpr double kShareForStreams = 0.7;
constexpr double kShareForCalls = 0.75;
constexpr double kShortestLookSeconds = 0.01;  // From one look for sessions that nobody uses to the next.
constexpr double kLongestLookSeconds = 10;
constexpr std::chrono::seconds kRecoveryPeriod(5);
// In memory beside what sessions have: what messages take, and what was freed and serves again. When there was more
// than this, or this part of the machine's, at so many recoveries, what is free is given back.
constexpr int64_t kLooseBytes = int64_t{256} << 20;
constexpr int64_t kLoosePart = 16;
constexpr int kLooseLooks = 6;

std::chrono::nanoseconds FromSeconds(double seconds) {
  return std::chrono::nanoseconds(static_cast<int64_t>(seconds * 1e9));
}

// What sessions and messages may take, by default parts of the machine's memory; the rest is for the program itself.
int64_t MemoryLimitBytes(const Flags& flags, int64_t machine_bytes) {
  return flags.memory_limit_mib > 0 ? flags.memory_limit_mib << 20 : machine_bytes / 4 * 3;
}
int64_t MessageMemoryBytes(const Flags& flags, int64_t machine_bytes) {
  constexpr int64_t kMostByDefault = int64_t{2} << 30;
  return flags.message_memory_mib > 0 ? flags.message_memory_mib << 20 : std::min(machine_bytes / 8, kMostByDefault);
}

// Files and connections that may be open at a time, about.
int64_t WantedFiles(const Flags& flags) {
  constexpr int64_t kOwn = 64;
  return 2 * static_cast<int64_t>(flags.sessions.max_open_sessions) + flags.rpc.thread_limit + kOwn;
}

// Signals that end the server. Blocked in every thread, so that one can wait for them.
sigset_t EndingSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

// The sessions' store, or null where they are to be kept in no file that can be written.
std::unique_ptr<SessionStore> OpenStore(const Flags& flags, MemoryBudget* budget, const std::atomic<bool>& draining) {
  if (flags.ephemeral) {
    spdlog::warn("--ephemeral: sessions are kept in memory only and end with this process");
    return std::make_unique<EphemeralStore>();
  }
  if (flags.data_dir.empty()) {
    spdlog::error("--data-dir must be given where there is no home directory: HOME is not set");
    return nullptr;
  }
  absl::StatusOr<std::unique_ptr<SqliteStore>> store = SqliteStore::OpenDirectory(
      flags.data_dir, {.budget = budget, .interruption = [&draining] { return CheckServing(draining); }});
  if (store.ok()) return *std::move(store);
  spdlog::error("{}", std::string(store.status().message()));
  return nullptr;
}

int Run(const Flags& flags) {
  if (flags.max_streams > flags.rpc.thread_limit - kLeastUnaryThreads) {
    spdlog::error("--max-streams must leave {} of --rpc-threads to other calls; they are {} and {}", kLeastUnaryThreads,
                  flags.max_streams, flags.rpc.thread_limit);
    return 1;
  }
  const int64_t files = RaiseFileLimit(), wanted_files = WantedFiles(flags);
  if (files < wanted_files) {
    spdlog::warn("the limits allow for {} open files and connections, but the system for {} (ulimit -n)", wanted_files,
                 files);
  }
  signal(SIGXFSZ, SIG_IGN);  // A file too large for a limit is that write's error, not the server's end.
  const sigset_t ending = EndingSignals();
  pthread_sigmask(SIG_BLOCK, &ending, nullptr);

  std::optional<Timer> end_all;  // When it takes too long; ahead of all else, whose end it waits for.
  std::atomic<bool> draining = false;
  const int64_t machine_bytes = MachineMemoryBytes();
  MemoryBudget budget(MemoryLimitBytes(flags, machine_bytes));
  const int64_t message_bytes = MessageMemoryBytes(flags, machine_bytes);
  if (budget.limit_bytes() > machine_bytes - message_bytes) {
    spdlog::warn(
        "--memory-limit {} and --message-memory {} are more than the {} MiB of this machine, or container: the "
        "kernel may end the server",
        budget.limit_bytes() >> 20, message_bytes >> 20, machine_bytes >> 20);
  }
  const std::unique_ptr<SessionStore> store = OpenStore(flags, &budget, draining);
  if (store == nullptr) return 1;
  const int cores = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  TrainingWorkers workers(
      {.worker_count = flags.training_workers > 0 ? flags.training_workers : cores, .queue_limit = flags.queue_limit});
  std::atomic<RpcServer*> serving = nullptr;
  std::mutex failing_mutex;
  std::set<std::string> failing;  // Ids of sessions that cannot be kept.
  const auto report_storage = [&](const std::string& id, const absl::Status& status) {
    if (draining && ReasonOf(status) == "SHUTTING_DOWN") return;  // Of an opening that we cut off.
    const std::lock_guard lock(failing_mutex);
    const bool gone = absl::IsNotFound(status), good = status.ok() || gone;
    const bool changed = good ? failing.erase(id) > 0 : failing.insert(id).second;
    if (!changed) return;
    if (!good) {
      spdlog::error("session {} cannot be kept: {}", id, std::string(status.message()));
    } else {
      spdlog::info("session {} {}", id, gone ? "is gone" : "is kept again");
    }
    if (RpcServer* const server = serving) server->SetSessionHealth(id, good);
  };
  SessionRegistry registry(
      {.store = store.get(),
       .workers = &workers,
       .budget = &budget,
       .kept_versions = flags.kept_versions,
       .checkpoint_interval = std::chrono::floor<std::chrono::milliseconds>(FromSeconds(flags.checkpoint_interval_s)),
       .report_storage = report_storage},
      flags.sessions);
  budget.SetReclaim([&registry] {
    const bool closed = registry.CloseIdle();
    if (closed) GiveFreedMemoryBack();
    return closed;
  });
  if (absl::Status status = registry.Load(); !status.ok()) {
    spdlog::error("{}", std::string(status.message()));
    return 1;
  }
  RequestLog request_log(std::min(RequestLog::kMaxAnswerBytes, static_cast<size_t>(budget.limit_bytes() / 8)));
  StreamSlots streams(flags.max_streams);
  const ServiceContext context{.registry = &registry,
                               .request_log = &request_log,
                               .streams = &streams,
                               .draining = &draining,
                               .work_limit = flags.work_limit_billions * 1'000'000'000};
  RpcServerOptions rpc = flags.rpc;
  rpc.memory_limit = message_bytes;
  absl::StatusOr<std::unique_ptr<RpcServer>> server = RpcServer::Start(rpc, context);
  if (!server.ok()) {
    spdlog::error("{}", std::string(server.status().message()));
    return 1;
  }
  serving = server->get();
  if (!flags.ephemeral) spdlog::info("{} sessions in {}", registry.count(), flags.data_dir);
  spdlog::info("{} training workers, {} MiB for sessions", workers.worker_count(), budget.limit_bytes() >> 20);
  std::printf("backpropd listening on %s\n", (*server)->address().c_str());
  std::fflush(stdout);
  // Beside all else: opening large sessions takes long, and must hold up neither calls nor the end. And again now and
  // then: a disk may take writes again, and there may be room for what there was none before.
  std::set<std::string> told;  // Ids with reasons, once each.
  WindowMinimum loose(kLooseLooks);
  const int64_t loose_bytes = std::min(kLooseBytes, machine_bytes / kLoosePart);
  std::optional<Timer> recovering(std::in_place, std::chrono::nanoseconds(0), kRecoveryPeriod, [&] {
    for (const auto& [id, status] : registry.Recover([&draining] { return draining.load(); })) {
      if (!told.insert(id + ReasonOf(status)).second) continue;
      spdlog::error("session {} cannot go on: {}", id, std::string(status.message()));
    }
    if (loose.Add(ResidentBytes() - budget.used_bytes()) > loose_bytes) GiveFreedMemoryBack();
  });

  std::optional<Timer> closing_idle;
  if (flags.idle_timeout_s > 0) {
    const double period = std::clamp(flags.idle_timeout_s / 4, kShortestLookSeconds, kLongestLookSeconds);
    closing_idle.emplace(FromSeconds(period), FromSeconds(period),
                         [&registry, timeout = FromSeconds(flags.idle_timeout_s)] {
                           bool closed = false;
                           while (registry.CloseIdle(SessionRegistry::Clock::now() - timeout)) closed = true;
                           if (closed) GiveFreedMemoryBack();  // Once for all of them.
                         });
  }

  int signal = 0;
  sigwait(&ending, &signal);
  // What was acknowledged is kept: neither a disk that hangs nor a call that nothing can stop need be waited for, nor
  // whoever reads the log.
  const double drain_s = std::max(flags.drain_timeout_s, kShortestDrainSeconds);
  const std::chrono::nanoseconds drain = FromSeconds(drain_s);
  end_all.emplace(drain, drain, [] { EndNow("backpropd: ended before all calls have: --drain-timeout is over\n"); });
  spdlog::info("signal {}: shutting down", signal);
  const auto begin = std::chrono::steady_clock::now();
  const auto deadline = std::chrono::system_clock::now() + FromSeconds(kShareForCalls * drain_s);
  draining = true;
  // Training first: then watchers hear how their runs ended, before the deadline cancels their calls.
  (*server)->StopServing();
  workers.Shutdown();
  {
    // Before gRPC takes leave of the connections: what it sends on their last streams may be lost.
    const std::chrono::nanoseconds silence = FromSeconds(kShareForSilentStreams * drain_s);
    const Timer ending_silent(silence, silence, [&streams] { streams.EndSilent(); });
    streams.WaitForEnd(begin + FromSeconds(kShareForStreams * drain_s));
  }
  streams.EndAll();
  (*server)->Shutdown(deadline);
  recovering.reset();
  serving = nullptr;
  spdlog::info("ended");
  return 0;
}

}  // namespace
}  // namespace backprop::server

int main(int argc, char** argv) {
  spdlog::set_default_logger(spdlog::stderr_logger_mt("backpropd"));
  backprop::server::SendLibraryLogsToLog();
  CLI::App app("backpropd hosts named network sessions on an exact backpropagation core, over gRPC.");
  app.set_version_flag("--version", "backpropd " BACKPROP_VERSION);
  backprop::server::Flags flags;
  backprop::server::AddFlags(&app, &flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 1;  // --help is an error of code 0.
  }
  return backprop::server::Run(flags);
}
