#include "server/sessions/resource_name.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"

namespace backprop::server {
namespace {

TEST(ResourceNameTest, IdsAreLowerCaseLettersDigitsAndInnerHyphens) {
  const std::string longest(63, 'a');
  for (const std::string& id :
       {std::string("a"), std::string("z9"), std::string("a-b"), std::string("a--9"), longest}) {
    EXPECT_TRUE(IsValidId(id)) << id;
  }
  for (const std::string& id :
       {std::string(), std::string("A"), std::string("9a"), std::string("-a"), std::string("a-"), std::string("a_b"),
        std::string("a/b"), std::string("a b"), std::string("\xc3\xa9"), std::string("a\0b", 3), longest + "a"}) {
    EXPECT_FALSE(IsValidId(id)) << id;
  }
}

TEST(ResourceNameTest, NamesAreParsedBackIntoTheirIds) {
  EXPECT_EQ(ParseSessionName(SessionName("a"), "name").value(), "a");
  const ChildName set = ParsePatternSetName(PatternSetName("a", "b"), "name").value();
  EXPECT_EQ(set.session, "a");
  EXPECT_EQ(set.child, "b");
  const ChildName run = ParseTrainingRunName(TrainingRunName("a", "run-1"), "name").value();
  EXPECT_EQ(run.session, "a");
  EXPECT_EQ(run.child, "run-1");
}

TEST(ResourceNameTest, OtherNamesAreViolationsOfTheirField) {
  const auto field_of = [](const absl::Status& status) {
    const std::vector<Violation> violations = ViolationsOf(status);
    return violations.size() == 1 ? violations[0].field : "";
  };
  for (const char* name : {"", "a", "sessions", "sessions/", "/sessions/a", "sessions/a/", "sessions//a", "Sessions/a",
                           "sessions/A", "sessions/a/patternSets", "sessions/a/patternSets/b"}) {
    EXPECT_EQ(field_of(ParseSessionName(name, "x").status()), "x") << name;
  }
  for (const char* name :
       {"", "sessions/a", "sessions/a/patternSets/", "sessions/a/patternSets/B", "sessions/a/patternsets/b",
        "sessions/a/trainingRuns/b", "sessions/a/patternSets/b/c", "sessions//patternSets/b"}) {
    EXPECT_EQ(field_of(ParsePatternSetName(name, "x").status()), "x") << name;
  }
  EXPECT_EQ(field_of(ParseTrainingRunName("sessions/a/patternSets/b", "x").status()), "x");
}

TEST(ResourceNameTest, AnErrorQuotesTheNameButNotAllOfALongOne) {
  const absl::Status status = ParseSessionName("sessions/" + std::string(100'000, 'a'), "name").status();
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("sessions/aaa"));
  EXPECT_LT(status.message().size(), 500u);
}

}  // namespace
}  // namespace backprop::server
