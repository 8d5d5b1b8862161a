#include "server/log/library_log.h"

#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>
#include <spdlog/spdlog.h>

#include <string>

namespace backprop::server {
namespace {

// As severe as GRPC_VERBOSITY lets through, which by default is errors.
void LogOfGrpc(gpr_log_func_args* entry) {
  const bool error = entry->severity == GPR_LOG_SEVERITY_ERROR;
  spdlog::log(error ? spdlog::level::err : spdlog::level::info, "gRPC: {}", entry->message);
}

// Errors of protobuf are of messages that callers sent: they are refused, and none of the server's.
void LogOfProtobuf(google::protobuf::LogLevel level, const char*, int, const std::string& message) {
  spdlog::log(level == google::protobuf::LOGLEVEL_FATAL ? spdlog::level::critical : spdlog::level::warn, "protobuf: {}",
              message);
}

}  // namespace

void SendLibraryLogsToLog() {
  gpr_set_log_function(&LogOfGrpc);
  google::protobuf::SetLogHandler(&LogOfProtobuf);
}

}  // namespace backprop::server
