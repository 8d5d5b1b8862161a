#include "server/sessions/request_log.h"

#include <gtest/gtest.h>

#include <atomic>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/error.h"
#include "tests/server/scheduling/gate.h"

namespace backprop::server {
namespace {

class RequestLogTest : public testing::Test {
 protected:
  // Calls and answers "answer 1", "answer 2" ...
  absl::StatusOr<std::string> Call(const std::string& id, const std::string& request) {
    return log_.Once(id, request, [&]() -> absl::StatusOr<std::string> { return absl::StrCat("answer ", ++calls_); });
  }

  RequestLog log_;
  std::atomic<int> calls_ = 0;
};

TEST_F(RequestLogTest, ARepeatedIdGetsTheFirstAnswer) {
  EXPECT_EQ(Call("a", "r").value(), "answer 1");
  EXPECT_EQ(Call("a", "r").value(), "answer 1");
  EXPECT_EQ(Call("b", "r").value(), "answer 2");
}

TEST_F(RequestLogTest, AnEmptyIdAlwaysCalls) {
  EXPECT_EQ(Call("", "r").value(), "answer 1");
  EXPECT_EQ(Call("", "r").value(), "answer 2");
}

TEST_F(RequestLogTest, AnIdOfAnotherRequestIsInvalid) {
  Call("a", "r").IgnoreError();
  const absl::Status status = Call("a", "s").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ViolationsOf(status).at(0).field, "request_id");
  EXPECT_EQ(calls_, 1);
}

TEST_F(RequestLogTest, IdsHaveAtMost128Bytes) {
  EXPECT_TRUE(Call(std::string(128, 'a'), "r").ok());
  EXPECT_EQ(ViolationsOf(Call(std::string(129, 'a'), "r").status()).at(0).field, "request_id");
}

TEST_F(RequestLogTest, AFailureIsNotRemembered) {
  EXPECT_FALSE(log_.Once("a", "r", [] { return absl::UnavailableError("not now"); }).ok());
  EXPECT_EQ(Call("a", "r").value(), "answer 1");
  // Nor is the request that failed: it may be corrected under the same id.
  EXPECT_FALSE(log_.Once("b", "r", [] { return absl::InvalidArgumentError("bad"); }).ok());
  EXPECT_EQ(Call("b", "s").value(), "answer 2");
}

TEST_F(RequestLogTest, ACallThatThrowsLeavesTheIdFree) {
  EXPECT_THROW(log_.Once("a", "r", []() -> absl::StatusOr<std::string> { throw std::bad_alloc(); }).IgnoreError(),
               std::bad_alloc);
  EXPECT_EQ(Call("a", "r").value(), "answer 1");
}

TEST_F(RequestLogTest, ConcurrentDuplicatesWaitForTheOneCall) {
  Gate gate;
  const auto slow = [&]() -> absl::StatusOr<std::string> {
    gate.Pass();
    return absl::StrCat("answer ", ++calls_);
  };
  std::vector<std::string> answers(4);
  {
    std::vector<std::jthread> threads;
    for (std::string& answer : answers) threads.emplace_back([&] { answer = log_.Once("a", "r", slow).value(); });
    gate.WaitUntilReached();
    EXPECT_EQ(Call("b", "r").value(), "answer 1");  // Others do not wait.
    gate.Open();
  }
  EXPECT_EQ(answers, std::vector<std::string>(4, "answer 2"));
}

TEST_F(RequestLogTest, ADuplicateOfACallThatFailsTriesItself) {
  Gate gate;
  std::jthread first([&] {
    const auto failing = [&]() -> absl::StatusOr<std::string> {
      gate.Pass();
      return absl::UnavailableError("not now");
    };
    EXPECT_FALSE(log_.Once("a", "r", failing).ok());
  });
  gate.WaitUntilReached();
  std::jthread second([&] { EXPECT_EQ(Call("a", "r").value(), "answer 1"); });
  gate.Open();
}

TEST_F(RequestLogTest, TheNewest4096AnswersAreRemembered) {
  for (size_t i = 0; i < RequestLog::kMaxAnswers; ++i) ASSERT_TRUE(Call(absl::StrCat("id", i), "r").ok());
  EXPECT_EQ(Call("id0", "r").value(), "answer 1");
  EXPECT_EQ(Call("one more", "r").value(), "answer 4097");
  EXPECT_EQ(Call("id1", "r").value(), "answer 2");
  EXPECT_EQ(Call("id0", "r").value(), "answer 4098");
}

TEST_F(RequestLogTest, AnswersTakeNoMoreBytesThanTheLimit) {
  const auto large = [&] { return absl::StatusOr<std::string>(std::string(RequestLog::kMaxAnswerBytes / 2, 'x')); };
  ASSERT_TRUE(log_.Once("a", "r", large).ok());
  ASSERT_TRUE(log_.Once("b", "r", large).ok());
  EXPECT_EQ(Call("c", "r").value(), "answer 1");  // "a" is forgotten for it.
  EXPECT_EQ(Call("a", "r").value(), "answer 2");
  EXPECT_EQ(Call("c", "r").value(), "answer 1");
}

}  // namespace
}  // namespace backprop::server
