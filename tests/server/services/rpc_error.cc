#include "tests/server/services/rpc_error.h"

#include <algorithm>

#include "google/rpc/error_details.pb.h"
#include "gtest/gtest.h"

namespace backprop::server {

RpcError ErrorOf(const google::rpc::Status& status) {
  RpcError error{.code = static_cast<grpc::StatusCode>(status.code()), .message = status.message()};
  for (const google::protobuf::Any& detail : status.details()) {
    google::rpc::ErrorInfo info;
    google::rpc::BadRequest bad_request;
    if (detail.Is<google::rpc::ErrorInfo>()) {
      EXPECT_TRUE(detail.UnpackTo(&info));
      error.reason = info.reason();
      error.domain = info.domain();
      error.metadata.insert(info.metadata().begin(), info.metadata().end());
    } else if (detail.Is<google::rpc::BadRequest>()) {
      EXPECT_TRUE(detail.UnpackTo(&bad_request));
      for (const auto& violation : bad_request.field_violations()) error.fields.push_back(violation.field());
    } else {
      error.has_retry_delay = detail.Is<google::rpc::RetryInfo>();
    }
  }
  std::sort(error.fields.begin(), error.fields.end());
  return error;
}

RpcError ErrorOf(const grpc::Status& status) {
  if (status.error_details().empty()) return {.code = status.error_code(), .message = status.error_message()};
  google::rpc::Status details;
  EXPECT_TRUE(details.ParseFromString(status.error_details()));
  EXPECT_EQ(details.code(), status.error_code());
  EXPECT_EQ(details.message(), status.error_message());
  return ErrorOf(details);
}

}  // namespace backprop::server
