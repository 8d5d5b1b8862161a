#include "server/flags.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdlib>
#include <system_error>

#include "absl/strings/numbers.h"

namespace backprop::server {
namespace {

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

// Where the XDG Base Directory Specification puts what a program keeps. Empty where there is no home directory.
std::string DefaultDataDir() {
  const char* const state = std::getenv("XDG_STATE_HOME");
  if (state != nullptr && *state == '/') return std::string(state) + "/backpropd";
  const char* const home = std::getenv("HOME");
  return home != nullptr && *home == '/' ? std::string(home) + "/.local/state/backpropd" : "";
}

}  // namespace

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
  app->add_option("--idle-timeout", flags->idle_timeout_s,
                  "seconds after which a session that nobody uses is closed; 0: when others need the room")
      ->check(SecondsError)
      ->capture_default_str();
  app->add_option("--memory-limit", flags->memory_limit_mib,
                  "MiB that sessions may use for parameters, patterns and work; 0: three quarters of what the machine, "
                  "or the container, has")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 30))
      ->capture_default_str();
  app->add_option(
         "--message-memory", flags->message_memory_mib,
         "MiB that messages on their way may take, beside the sessions; 0: an eighth of what the machine, or the "
         "container, has, 2048 at most")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 30))
      ->capture_default_str();
  app->add_option("--rpc-threads", flags->rpc.thread_limit, "threads for calls at most")
      ->check(CLI::Range(8, 100'000))
      ->capture_default_str();
  app->add_option("--max-streams", flags->max_streams,
                  "streaming calls open at most; 4 below --rpc-threads, which are for other calls")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  app->add_option("--work-limit", flags->work_limit_billions,
                  "10^9 multiply-adds that a call for derivatives beyond the gradient may take at most")
      ->check(CLI::Range(int64_t{1}, int64_t{1'000'000'000}))
      ->capture_default_str();
  app->add_option("--drain-timeout", flags->drain_timeout_s,
                  "seconds in which all ends at shutdown, 1 at least; calls have three quarters of them")
      ->check(SecondsError)
      ->capture_default_str();
}

}  // namespace backprop::server
