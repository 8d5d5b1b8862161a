// What an error of the server says, beside its code.
#pragma once

#include <grpcpp/support/status.h>

#include <map>
#include <string>
#include <vector>

#include "google/rpc/status.pb.h"

namespace backprop::server {

struct RpcError {
  grpc::StatusCode code = grpc::StatusCode::OK;
  std::string message = {};
  std::string reason = {};                           // Of google.rpc.ErrorInfo.
  std::string domain = {};                           // Likewise.
  std::map<std::string, std::string> metadata = {};  // Likewise.
  std::vector<std::string> fields = {};              // Of google.rpc.BadRequest, sorted.
  bool has_retry_delay = false;
};

// Fails the test where details cannot be read.
RpcError ErrorOf(const google::rpc::Status& status);
// Of the call's `grpc-status-details-bin`; without it, code and message alone.
RpcError ErrorOf(const grpc::Status& status);

}  // namespace backprop::server
