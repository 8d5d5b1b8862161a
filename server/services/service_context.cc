#include "server/services/service_context.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <libdeflate.h>

namespace backprop::server {

absl::Status ShuttingDown() {
  return Error(absl::StatusCode::kUnavailable, "SHUTTING_DOWN",
               "the server is shutting down; try again elsewhere or later");
}

absl::Status CheckServing(const std::atomic<bool>& draining) { return draining ? ShuttingDown() : absl::OkStatus(); }

int64_t HashOf(const std::string& request_key) {
  const uint32_t crc = libdeflate_crc32(0, request_key.data(), request_key.size());
  return static_cast<int64_t>(request_key.size()) << 32 | int64_t{crc};
}

std::string RequestKey(const google::protobuf::Message& request) {
  std::string key = absl::StrCat(request.GetDescriptor()->full_name(), "\n");
  google::protobuf::io::StringOutputStream stream(&key);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);  // Else maps come in another order each time.
  request.SerializeToCodedStream(&coded);
  coded.Trim();
  return key;
}

absl::StatusOr<AnySession> FindSession(const ServiceContext& context, const std::string& name, const char* field) {
  const absl::StatusOr<std::string> id = ParseSessionName(name, field);
  if (!id.ok()) return id.status();
  return context.registry->Find(*id);
}

}  // namespace backprop::server
