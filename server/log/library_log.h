#pragma once

namespace backprop::server {

// What gRPC and protobuf would write to stderr by themselves goes to the log. Once, before either is used.
void SendLibraryLogsToLog();

}  // namespace backprop::server
