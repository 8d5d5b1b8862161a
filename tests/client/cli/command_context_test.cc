#include "client/cli/command_context.h"

#include <gtest/gtest.h>

#include "backprop/v1/session.pb.h"
#include "client/error.h"
#include "google/rpc/error_details.pb.h"

namespace backprop::client {
namespace {

TEST(CommandContextTest, ErrorNamesCodeAndMessage) {
  EXPECT_EQ(ErrorText(absl::NotFoundError("no session x")), "error: NOT_FOUND: no session x\n");
}

TEST(CommandContextTest, ErrorListsFieldViolations) {
  google::rpc::BadRequest bad_request;
  bad_request.add_field_violations()->set_field("session_id");
  bad_request.mutable_field_violations(0)->set_description("is required");
  google::rpc::Status status;
  status.set_code(3);
  status.set_message("bad");
  status.add_details()->PackFrom(bad_request);
  EXPECT_EQ(ErrorText(StatusFrom(status)), "error: INVALID_ARGUMENT: bad\n  session_id: is required\n");
}

TEST(CommandContextTest, ViolationsThatTheMessageNamesAreSaidOnceALine) {
  google::rpc::BadRequest bad_request;
  for (const char* field : {"a", "b", "c"}) {
    auto* const violation = bad_request.add_field_violations();
    violation->set_field(field);
    violation->set_description("is bad");
  }
  google::rpc::Status status;
  status.set_code(3);
  status.set_message("a: is bad; b: is bad; c: is bad");
  status.add_details()->PackFrom(bad_request);
  EXPECT_EQ(ErrorText(WithNote(StatusFrom(status), "of x")),
            "error: INVALID_ARGUMENT: a: is bad\n  b: is bad\n  c: is bad (of x)\n");
}

TEST(CommandContextTest, JsonIsOneLine) {
  v1::Session session;
  session.set_name("sessions/x");
  session.mutable_network()->set_input_unit_count(4);
  EXPECT_EQ(JsonLine(session), R"({"name":"sessions/x","network":{"inputUnitCount":4}})");
}

}  // namespace
}  // namespace backprop::client
