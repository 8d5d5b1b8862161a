#include "core/error.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/fields.h"

namespace backprop {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;

TEST(ViolationsTest, AreOkWhenEmpty) {
  EXPECT_TRUE(Violations().empty());
  EXPECT_TRUE(Violations().ToStatus().ok());
}

TEST(ViolationsTest, TravelInTheStatus) {
  Violations violations;
  violations.Add("a.b[1]", "must be 1; but is 2");
  violations.Add("c", "");
  violations.Add("", "of the whole");
  EXPECT_FALSE(violations.empty());
  const absl::Status status = violations.ToStatus();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ReasonOf(status), "INVALID_FIELDS");
  EXPECT_THAT(ViolationsOf(status), ElementsAre(Violation{"a.b[1]", "must be 1; but is 2"}, Violation{"c", ""},
                                                Violation{"", "of the whole"}));
}

TEST(ViolationsTest, AreAllInTheMessage) {
  Violations violations;
  violations.Add("a", "is bad");
  violations.Add("b", "is worse");
  EXPECT_EQ(violations.ToStatus().message(), "a: is bad; b: is worse");
}

TEST(ViolationsTest, KeepSeparatorsInQuotedTextApart) {
  const absl::Status status = InvalidField("a", "is `x\x1fy\x1ez`");
  EXPECT_THAT(ViolationsOf(status), ElementsAre(Violation{"a", "is `x?y?z`"}));
}

TEST(ViolationsTest, KeepTheFirstUpToTheLimit) {
  Violations violations;
  for (size_t i = 0; i < Violations::kMaxCount + 1; ++i) violations.Add(absl::StrCat("f", i), "is bad");
  const std::vector<std::string> fields = FieldsOf(violations.ToStatus());
  ASSERT_EQ(fields.size(), Violations::kMaxCount);
  EXPECT_EQ(fields.back(), absl::StrCat("f", Violations::kMaxCount - 1));
}

TEST(ViolationsTest, OfAPartGetItsPrefix) {
  Violations part, whole;
  part.Add("x", "is bad");
  part.Add("y[0]", "is worse");
  whole.AddAll("part", part.ToStatus());
  whole.AddAll("", part.ToStatus());
  whole.AddAll("part", absl::OkStatus());
  EXPECT_THAT(FieldsOf(whole.ToStatus()), ElementsAre("part.x", "part.y[0]", "x", "y[0]"));
}

TEST(InvalidFieldTest, IsTheOneViolation) {
  const absl::Status status = InvalidField("a", "is bad");
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(ViolationsOf(status), ElementsAre(Violation{"a", "is bad"}));
}

TEST(ErrorTest, CarriesCodeReasonAndMessage) {
  const absl::Status status = Error(absl::StatusCode::kNotFound, "NO_SUCH_THING", "there is no thing");
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ReasonOf(status), "NO_SUCH_THING");
  EXPECT_EQ(status.message(), "there is no thing");
  EXPECT_THAT(ViolationsOf(status), IsEmpty());
}

TEST(ErrorTest, CarriesARetryDelay) {
  const absl::Status status =
      WithRetryDelay(Error(absl::StatusCode::kUnavailable, "BUSY", "is busy"), milliseconds(1500));
  EXPECT_EQ(RetryDelayOf(status), milliseconds(1500));
  EXPECT_EQ(ReasonOf(status), "BUSY");
}

TEST(ErrorTest, CarriesMetadata) {
  const absl::Status status = WithMetadata(
      WithMetadata(Error(absl::StatusCode::kResourceExhausted, "A_LIMIT", "full"), "limit", 7), "name", "a\x1f\x1e");
  EXPECT_EQ(MetadataOf(status), (std::map<std::string, std::string>{{"limit", "7"}, {"name", "a??"}}));
  EXPECT_EQ(ReasonOf(status), "A_LIMIT");
  EXPECT_TRUE(MetadataOf(absl::OkStatus()).empty());
}

TEST(ErrorTest, OfOthersHasNoReasonNorDelay) {
  for (const absl::Status& status : {absl::OkStatus(), absl::InternalError("of a library")}) {
    EXPECT_EQ(ReasonOf(status), "");
    EXPECT_EQ(RetryDelayOf(status), std::nullopt);
    EXPECT_THAT(ViolationsOf(status), IsEmpty());
  }
}

}  // namespace
}  // namespace backprop
