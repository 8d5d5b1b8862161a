#include "server/services/received_message.h"

#include <google/protobuf/descriptor.h>
#include <grpcpp/support/proto_buffer_reader.h>

#include "core/error.h"

namespace backprop::server {

absl::Status DecodeMessage(grpc::ByteBuffer* bytes, google::protobuf::Message* message) {
  grpc::ProtoBufferReader reader(bytes);
  if (reader.status().ok() && message->ParseFromZeroCopyStream(&reader)) return absl::OkStatus();
  return InvalidField(message->GetDescriptor()->full_name(),
                      "cannot be decoded; build the client from this server's .proto files, and send text as UTF-8");
}

int MethodIndex(const char* name) {
  return google::protobuf::DescriptorPool::generated_pool()->FindMethodByName(name)->index();
}

}  // namespace backprop::server
