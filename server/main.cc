// backpropd: wires store, workers, sessions and services, and runs until it is told to end.
#include <pthread.h>
#include <signal.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <system_error>
#include <thread>

#include "absl/strings/numbers.h"
#include "server/log/library_log.h"
#include "server/process/machine_memory.h"
#include "server/scheduling/training_workers.h"
#include "server/services/rpc_server.h"
#include "server/services/service_context.h"
#include "server/sessions/session_registry.h"
#include "server/storage/ephemeral_store.h"
#include "server/storage/sqlite_store.h"

namespace backprop::server {
namespace {

struct Flags {
  RpcServerOptions rpc{.listen = "127.0.0.1:50051"};
  std::string data_dir;
  bool ephemeral = false;
  size_t kept_versions = kDefaultKeptVersions;
  double checkpoint_interval_s = 1;
  int training_workers = 0;
  int queue_limit = 256;
  SessionLimits sessions;
  int64_t memory_limit_mib = 0;
  int max_streams = 192;
  int64_t work_limit_billions = kDefaultWorkLimit / 1'000'000'000;
  double drain_timeout_s = 5;
};

// Empty, or what is wrong. gRPC itself would take port 99999 for 34463, and 443 where there is none.
std::string ListenError(const std::string& listen) {
  const char* const end = listen.data() + listen.size();
  int port = -1;
  const size_t colon = listen.rfind(':');
  const bool number = colon != std::string::npos &&
                      std::from_chars(listen.data() + colon + 1, end, port) == std::from_chars_result{end, std::errc()};
  return number && port >= 0 && port <= 65'535 ? "" : "must be HOST:PORT with a port from 0 to 65535, but is " + listen;
}

// The same. CLI::Range takes "nan" for a number in any range.
std::string SecondsError(const std::string& text) {
  double seconds = 0;
  const bool good = absl::SimpleAtod(text, &seconds) && seconds >= 0 && seconds <= 3600;
  return good ? "" : "must be from 0 to 3600 seconds, but is " + text;
}

// Where the XDG Base Directory Specification puts what a program keeps.
std::string DefaultDataDir() {
  const char* const state = std::getenv("XDG_STATE_HOME");
  if (state != nullptr && *state == '/') return std::string(state) + "/backpropd";
  const char* const home = std::getenv("HOME");
  return (home != nullptr ? std::string(home) : "") + "/.local/state/backpropd";
}

void AddFlags(CLI::App* app, Flags* flags) {
  app->add_option("--listen", flags->rpc.listen, "host:port to serve on; port 0 takes a free one")
      ->check(ListenError)
      ->capture_default_str();
  flags->data_dir = DefaultDataDir();
  CLI::Option* const data_dir =
      app->add_option("--data-dir", flags->data_dir, "directory of the sessions, a file each; made if need be")
          ->capture_default_str();
  app->add_flag("--ephemeral", flags->ephemeral, "keep sessions in memory only: they end with the process")
      ->excludes(data_dir);
  app->add_option("--keep-versions", flags->kept_versions, "model versions of a session that are kept")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app->add_option("--checkpoint-interval", flags->checkpoint_interval_s,
                  "seconds between two checkpoints of a training run, at least")
      ->check(SecondsError)
      ->capture_default_str();
  app->add_option("--training-workers", flags->training_workers, "threads that train; 0: one a core")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  app->add_option("--queue-limit", flags->queue_limit, "training runs queued and running at most")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  app->add_option("--max-sessions", flags->sessions.max_sessions, "sessions at most")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  app->add_option("--max-open-sessions", flags->sessions.max_open_sessions,
                  "sessions in memory above which those that nobody uses are closed")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  app->add_option("--memory-limit", flags->memory_limit_mib,
                  "MiB that sessions may use for parameters, patterns and work; 0: three quarters of what the machine, "
                  "or the container, has")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 30))
      ->capture_default_str();
  app->add_option("--rpc-threads", flags->rpc.thread_limit, "threads for calls at most")
      ->check(CLI::Range(8, 100'000))
      ->capture_default_str();
  app->add_option("--max-streams", flags->max_streams, "streaming calls open at most; keep it below --rpc-threads")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  app->add_option("--work-limit", flags->work_limit_billions,
                  "10^9 multiply-adds that a call for derivatives beyond the gradient may take at most")
      ->check(CLI::Range(int64_t{1}, int64_t{1'000'000'000}))
      ->capture_default_str();
  app->add_option("--drain-timeout", flags->drain_timeout_s, "seconds that calls have to end at shutdown")
      ->check(SecondsError)
      ->capture_default_str();
}

int64_t MemoryLimitBytes(const Flags& flags) {
  if (flags.memory_limit_mib > 0) return flags.memory_limit_mib << 20;
  return MachineMemoryBytes() / 4 * 3;
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
std::unique_ptr<SessionStore> OpenStore(const Flags& flags) {
  if (flags.ephemeral) {
    spdlog::warn("--ephemeral: sessions are kept in memory only and end with this process");
    return std::make_unique<EphemeralStore>();
  }
  absl::StatusOr<std::unique_ptr<SqliteStore>> store = SqliteStore::OpenDirectory(flags.data_dir);
  if (store.ok()) return *std::move(store);
  spdlog::error("{}", std::string(store.status().message()));
  return nullptr;
}

int Run(const Flags& flags) {
  signal(SIGXFSZ, SIG_IGN);  // A file too large for a limit is that write's error, not the server's end.
  const sigset_t ending = EndingSignals();
  pthread_sigmask(SIG_BLOCK, &ending, nullptr);

  const std::unique_ptr<SessionStore> store = OpenStore(flags);
  if (store == nullptr) return 1;
  MemoryBudget budget(MemoryLimitBytes(flags));
  const int cores = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  TrainingWorkers workers(
      {.worker_count = flags.training_workers > 0 ? flags.training_workers : cores, .queue_limit = flags.queue_limit});
  std::atomic<RpcServer*> serving = nullptr;
  std::mutex failing_mutex;
  std::set<std::string> failing;  // Ids of sessions that cannot be kept.
  const auto report_storage = [&](const std::string& id, const absl::Status& status) {
    const std::lock_guard lock(failing_mutex);
    const bool changed = status.ok() ? failing.erase(id) > 0 : failing.insert(id).second;
    if (!changed) return;
    if (status.ok()) {
      spdlog::info("session {} is kept again", id);
    } else {
      spdlog::error("session {} cannot be kept: {}", id, std::string(status.message()));
    }
    if (RpcServer* const server = serving) server->SetSessionHealth(id, status.ok());
  };
  const auto checkpoint_interval = std::chrono::milliseconds(static_cast<int64_t>(flags.checkpoint_interval_s * 1000));
  SessionRegistry registry({.store = store.get(),
                            .workers = &workers,
                            .budget = &budget,
                            .kept_versions = flags.kept_versions,
                            .checkpoint_interval = checkpoint_interval,
                            .report_storage = report_storage},
                           flags.sessions);
  budget.SetReclaim([&registry] { return registry.CloseIdle(); });
  if (absl::Status status = registry.Load(); !status.ok()) {
    spdlog::error("{}", std::string(status.message()));
    return 1;
  }
  std::atomic<bool> draining = false;
  RequestLog request_log;
  StreamSlots streams(flags.max_streams);
  const ServiceContext context{.registry = &registry,
                               .request_log = &request_log,
                               .streams = &streams,
                               .draining = &draining,
                               .work_limit = flags.work_limit_billions * 1'000'000'000};
  absl::StatusOr<std::unique_ptr<RpcServer>> server = RpcServer::Start(flags.rpc, context);
  if (!server.ok()) {
    spdlog::error("{}", std::string(server.status().message()));
    return 1;
  }
  serving = server->get();
  if (!flags.ephemeral) spdlog::info("{} sessions in {}", registry.count(), flags.data_dir);
  spdlog::info("{} training workers, {} MiB for sessions", workers.worker_count(), budget.limit_bytes() >> 20);
  std::printf("backpropd listening on %s\n", (*server)->address().c_str());
  std::fflush(stdout);
  // Beside all else: opening large sessions takes long, and must hold up neither calls nor the end.
  std::jthread resuming([&registry, &draining] {
    for (const auto& [id, status] : registry.ResumeTraining([&draining] { return draining.load(); })) {
      spdlog::error("session {} cannot go on training: {}", id, std::string(status.message()));
    }
  });

  int signal = 0;
  sigwait(&ending, &signal);
  spdlog::info("signal {}: shutting down", signal);
  draining = true;
  // Training first: then watchers hear how their runs ended, before the deadline cancels their calls.
  const auto deadline =
      std::chrono::system_clock::now() + std::chrono::milliseconds(static_cast<int64_t>(flags.drain_timeout_s * 1000));
  (*server)->StopServing();
  workers.Shutdown();
  (*server)->Shutdown(deadline);
  resuming.join();
  serving = nullptr;
  spdlog::info("ended");
  return 0;
}

}  // namespace
}  // namespace backprop::server

int main(int argc, char** argv) {
  backprop::server::KeepFreedMemory();
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
  if (flags.max_streams >= flags.rpc.thread_limit) {
    spdlog::error("--max-streams must be below --rpc-threads, so that other calls find a thread; they are {} and {}",
                  flags.max_streams, flags.rpc.thread_limit);
    return 1;
  }
  return backprop::server::Run(flags);
}
