// Calls of any method by its name, with messages as bytes: what a careless or hostile client may send.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/support/status.h>

#include <memory>
#include <string>
#include <vector>

namespace backprop::server {

struct RawAnswer {
  grpc::Status status;
  std::vector<std::string> responses;
};

// Sends `requests` to `method`, such as "/backprop.v1.SessionService/GetSession", and reads all that comes back. Unary
// methods and streams are the same on the wire.
RawAnswer RawCall(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                  const std::vector<std::string>& requests);

}  // namespace backprop::server
