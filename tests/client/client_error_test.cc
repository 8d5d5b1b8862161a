#include "client/error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "google/rpc/error_details.pb.h"

namespace backprop::client {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

google::rpc::Status BadLayer() {
  google::rpc::ErrorInfo info;
  info.set_reason("INVALID_FIELDS");
  info.set_domain("backprop");
  (*info.mutable_metadata())["limit"] = "64";
  google::rpc::BadRequest bad_request;
  auto* violation = bad_request.add_field_violations();
  violation->set_field("session.network.hidden_layers[1].unit_count");
  violation->set_description("must be at least 1");
  violation = bad_request.add_field_violations();
  violation->set_field("session_id");
  violation->set_description("is required");
  google::rpc::RetryInfo retry;
  retry.mutable_retry_delay()->set_seconds(2);
  retry.mutable_retry_delay()->set_nanos(500'000'000);
  google::rpc::Status status;
  status.set_code(3);
  status.set_message("2 fields are invalid");
  status.add_details()->PackFrom(info);
  status.add_details()->PackFrom(bad_request);
  status.add_details()->PackFrom(retry);
  return status;
}

TEST(ErrorTest, CallStatusKeepsCodeAndMessage) {
  const absl::Status status = StatusFrom(grpc::Status(grpc::StatusCode::NOT_FOUND, "no session x"));
  EXPECT_EQ(status, absl::NotFoundError("no session x"));
}

TEST(ErrorTest, OkCallIsOk) { EXPECT_TRUE(StatusFrom(grpc::Status::OK).ok()); }

TEST(ErrorTest, OkStreamedStatusIsOk) { EXPECT_TRUE(StatusFrom(google::rpc::Status()).ok()); }

TEST(ErrorTest, DetailsOfCallAreParsed) {
  const grpc::Status call(grpc::StatusCode::INVALID_ARGUMENT, "2 fields are invalid", BadLayer().SerializeAsString());
  const ErrorDetails details = DetailsOf(StatusFrom(call));
  EXPECT_EQ(details.reason, "INVALID_FIELDS");
  EXPECT_EQ(details.domain, "backprop");
  EXPECT_THAT(details.metadata, ElementsAre(Pair("limit", "64")));
  EXPECT_THAT(details.field_violations,
              ElementsAre(FieldViolation{"session.network.hidden_layers[1].unit_count", "must be at least 1"},
                          FieldViolation{"session_id", "is required"}));
  EXPECT_EQ(details.retry_delay, absl::Milliseconds(2500));
}

TEST(ErrorTest, StreamedStatusHasTheSameForm) {
  const grpc::Status call(grpc::StatusCode::INVALID_ARGUMENT, "2 fields are invalid", BadLayer().SerializeAsString());
  EXPECT_EQ(StatusFrom(BadLayer()), StatusFrom(call));
}

TEST(ErrorTest, StatusWithoutDetailsHasEmptyOnes) {
  const ErrorDetails details = DetailsOf(absl::InternalError("broken"));
  EXPECT_EQ(details.reason, "");
  EXPECT_THAT(details.field_violations, IsEmpty());
  EXPECT_EQ(details.retry_delay, std::nullopt);
}

TEST(ErrorTest, DamagedDetailsCountAsLeftOut) {
  const absl::Status status = StatusFrom(grpc::Status(grpc::StatusCode::INTERNAL, "broken", "\xFF\xFF\xFF"));
  EXPECT_EQ(status, absl::InternalError("broken"));
}

}  // namespace
}  // namespace backprop::client
