#include "client/cli/command_context.h"

#include <google/protobuf/util/json_util.h>

#include <iostream>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "client/error.h"

namespace backprop::client {

const Client& CommandContext::client() {
  ClientOptions options;
  if (timeout_seconds) options.timeout = absl::Seconds(*timeout_seconds);
  if (!client_) client_ = std::make_unique<Client>(server, options);
  return *client_;
}

void CommandContext::Print(const google::protobuf::Message& message, const std::string& text) const {
  std::cout << (json() ? JsonLine(message) : text) << std::endl;
}

std::string JsonLine(const google::protobuf::Message& message) {
  std::string line;
  const google::protobuf::util::Status status = google::protobuf::util::MessageToJsonString(message, &line);
  return status.ok() ? line : absl::StrCat("{\"error\":\"", status.ToString(), "\"}");
}

std::string ErrorText(const absl::Status& status) {
  std::string text = absl::StrCat("error: ", absl::StatusCodeToString(status.code()), ": ", status.message());
  const std::vector<FieldViolation> violations = DetailsOf(status).field_violations;
  std::string others;
  for (const FieldViolation& violation : violations) {
    // Of several that the message says in a row each gets a line.
    const std::string words = absl::StrCat(violation.field, ": ", violation.description);
    if (const size_t at = text.find(absl::StrCat("; ", words)); at != std::string::npos) {
      text.replace(at, 2, "\n  ");
    } else if (!absl::StrContains(text, violation.description)) {
      absl::StrAppend(&others, "  ", words, "\n");
    }
  }
  if (absl::IsDeadlineExceeded(status)) absl::StrAppend(&text, " (--timeout SECONDS gives a call more time)");
  return absl::StrCat(text, "\n", others);
}

}  // namespace backprop::client
