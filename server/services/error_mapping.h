// The one place where the domain's errors become those of gRPC.
#pragma once

#include <grpcpp/support/status.h>

#include "absl/status/status.h"
#include "google/rpc/status.pb.h"

namespace backprop::server {

// The same code and message, with google.rpc.ErrorInfo (domain `backprop`), BadRequest for violations, RetryInfo for a
// retry delay.
google::rpc::Status ToRpcStatus(const absl::Status& status);

// The same with these details as `grpc-status-details-bin`.
grpc::Status ToGrpcStatus(const absl::Status& status);

}  // namespace backprop::server
