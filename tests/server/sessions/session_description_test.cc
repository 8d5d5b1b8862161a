#include "server/sessions/session_description.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "core/error.h"
#include "tests/server/sessions/session_world.h"

namespace backprop::server {
namespace {

Labels SomeLabels(int count) {
  Labels labels;
  for (int i = 0; i < count; ++i) labels[absl::StrCat("k", i)] = "v";
  return labels;
}

TEST(LabelsTest, SixtyFourAreTheLimit) {
  EXPECT_TRUE(Validate(SomeLabels(64)).ok());
  EXPECT_EQ(ViolationsOf(Validate(SomeLabels(65))).at(0).field, "labels");
}

TEST(LabelsTest, KeysHave1To63Bytes) {
  EXPECT_TRUE(Validate(Labels{{std::string(63, 'k'), ""}}).ok());
  EXPECT_FALSE(Validate(Labels{{std::string(64, 'k'), ""}}).ok());
  EXPECT_FALSE(Validate(Labels{{"", ""}}).ok());
}

TEST(LabelsTest, ValuesHaveAtMost255Bytes) {
  EXPECT_TRUE(Validate(Labels{{"k", std::string(255, 'v')}}).ok());
  EXPECT_EQ(ViolationsOf(Validate(Labels{{"k", std::string(256, 'v')}})).at(0).field, "labels[k]");
}

TEST(SessionDescriptionTest, BytesGrowWithLabelsAndNames) {
  SessionDescription description{.id = "a", .spec = SmallSpec()};
  EXPECT_EQ(BytesOf(description), 0);
  description.labels = {{"key", std::string(200, 'v')}};
  EXPECT_GE(BytesOf(description), 203);
}

}  // namespace
}  // namespace backprop::server
