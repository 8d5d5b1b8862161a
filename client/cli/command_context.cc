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
  if (!client_) client_ = std::make_unique<Client>(server, ClientOptions{.timeout = absl::Seconds(timeout_seconds)});
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
  std::string text = absl::StrCat("error: ", absl::StatusCodeToString(status.code()), ": ", status.message(), "\n");
  const std::vector<FieldViolation> violations = DetailsOf(status).field_violations;
  // The message of a single violation says all of it.
  if (violations.size() == 1 && absl::StrContains(status.message(), violations[0].description)) return text;
  for (const FieldViolation& violation : violations) {
    absl::StrAppend(&text, "  ", violation.field, ": ", violation.description, "\n");
  }
  return text;
}

}  // namespace backprop::client
