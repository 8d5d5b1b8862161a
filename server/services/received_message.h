// Messages of streams as they were received. Where a message cannot be decoded, gRPC's typed streams end as if the
// caller had sent no more; streams of bytes can tell.
#pragma once

#include <grpcpp/support/byte_buffer.h>

#include "absl/status/status.h"
#include "google/protobuf/message.h"

namespace backprop::server {

// INVALID_ARGUMENT, of the whole message, where `bytes` are none of its type.
absl::Status DecodeMessage(grpc::ByteBuffer* bytes, google::protobuf::Message* message);

// Reads the next message of `stream`, which reads grpc::ByteBuffer. False at its end; `status` says whether it could be
// decoded.
template <typename Stream>
bool ReadMessage(Stream* stream, google::protobuf::Message* message, absl::Status* status) {
  grpc::ByteBuffer bytes;
  if (!stream->Read(&bytes)) return false;
  *status = DecodeMessage(&bytes, message);
  return true;
}

// By which gRPC's code of a service knows its method `name`, full as in "backprop.v1.SessionService.GetSession".
int MethodIndex(const char* name);

}  // namespace backprop::server
