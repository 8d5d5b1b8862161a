// backprop: the command line of backpropd. Exit code 0, or 1 with the reason on standard error.
#include <google/protobuf/stubs/logging.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/cli/command_context.h"
#include "client/cli/commands.h"

namespace {

using backprop::client::ErrorText;

// Empty, or what is wrong. CLI::Range takes "nan" for a number in any range.
std::string Seconds(const std::string& text) {
  double seconds = 0;
  if (absl::SimpleAtod(text, &seconds) && seconds > 0 && seconds <= 1e6) return "";
  return "must be a number of seconds above 0 and at most 1000000, but is " + text;
}

// The same. gRPC itself would take port 99999 for 34463, and 443 where there is none. Its names of sockets in the file
// system, `unix:PATH`, have no port.
std::string ServerAddress(const std::string& text) {
  const size_t colon = text.rfind(':');
  const std::string port = colon == std::string::npos ? "" : text.substr(colon + 1);
  int number = 0;
  const bool is_path = absl::StartsWith(text, "unix:");
  const bool good = is_path || (absl::SimpleAtoi(port, &number) && number >= 1 && number <= 65'535);
  return good ? "" : absl::StrCat("must be HOST:PORT with a port from 1 to 65535, but is \"", text, "\"");
}

// Runs the command; the exit code.
int Run(int argc, char** argv) {
  backprop::client::CommandContext context;
  CLI::App app{"Trains and queries neural networks on a backpropd server.", "backprop"};
  // Global flags are taken after the subcommand too.
  app.fallthrough();
  app.require_subcommand(1);
  app.set_version_flag("--version", "backprop " BACKPROP_VERSION);
  app.add_option("--server", context.server, "Address of the server")
      ->default_val("127.0.0.1:50051")
      ->envname("BACKPROP_SERVER")
      ->check(ServerAddress);
  app.add_option("--output", context.output, "text, or json: one protobuf-JSON message a line")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  app.add_option(
         "--timeout", context.timeout_seconds,
         "Seconds that a call may take (default: 60; none for training, and for what is computed over patterns)")
      ->check(Seconds);
  AddCommands(app, context);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    const std::vector<std::string> unknown = app.remaining();
    const bool no_command = app.get_subcommands().empty() && !unknown.empty();
    std::cerr << ErrorText(absl::InvalidArgumentError(
                     no_command ? absl::StrCat("there is no command \"", unknown[0], "\"") : error.what()))
              << "Run with --help for usage.\n";
    return 1;
  }
  const absl::Status status = context.command();
  if (!status.ok()) std::cerr << ErrorText(status);
  return status.ok() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  // The status of a call says what went wrong. GRPC_VERBOSITY, where it is set, shows more.
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);
  google::protobuf::SetLogHandler(nullptr);
  const int exit_code = Run(argc, argv);
  if (std::cout.flush()) return exit_code;
  std::cerr << ErrorText(absl::DataLossError("cannot write to standard output: some of the answer is lost"));
  return 1;
}
