#pragma once

#include <google/protobuf/message.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/client.h"

namespace backprop::client {

// What every command is given: the global flags, and the connection they lead to.
class CommandContext {
 public:
  // Global flags, set when the command line has been parsed.
  std::string server;
  std::string output = "text";
  std::optional<double> timeout_seconds;

  // What the command line asked for; set by the subcommand that was named.
  std::function<absl::Status()> command;

  // Made at the first call: a command that handles signals blocks them before gRPC starts its threads.
  [[nodiscard]] const Client& client();

  // Of calls that compute over patterns, which may be many: without a deadline, unless --timeout gave one. Ctrl-C ends
  // the command, and the server then the call.
  [[nodiscard]] CallOptions LongCall() const {
    return {.timeout = timeout_seconds ? absl::Seconds(*timeout_seconds) : absl::InfiniteDuration()};
  }

  [[nodiscard]] bool json() const { return output == "json"; }

  // To standard output: `message` as one line of JSON with --output json, otherwise `text` and a line end.
  void Print(const google::protobuf::Message& message, const std::string& text) const;

 private:
  std::unique_ptr<Client> client_;
};

// One line of protobuf's JSON form, without a line end.
[[nodiscard]] std::string JsonLine(const google::protobuf::Message& message);

// `error: CODE: message` and one indented line for each field violation.
[[nodiscard]] std::string ErrorText(const absl::Status& status);

}  // namespace backprop::client
