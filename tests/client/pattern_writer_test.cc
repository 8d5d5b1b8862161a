#include "client/pattern_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <numeric>
#include <optional>
#include <thread>
#include <vector>

#include "client/pattern_checksum.h"
#include "tests/client/fake_pattern_server.h"

namespace backprop::client {
namespace {

using testing::HasSubstr;

constexpr int kBatchSize = 3;

// Patterns of one input, numbered from first.
v1::Patterns Batch(int first) {
  v1::Patterns patterns;
  patterns.mutable_inputs()->set_row_count(kBatchSize);
  patterns.mutable_inputs()->set_column_count(1);
  for (int i = 0; i < kBatchSize; ++i) {
    patterns.mutable_inputs()->add_values(static_cast<float>(first + i));
    patterns.add_target_classes(0);
  }
  return patterns;
}

// 0, 1, 2 ...: what the store holds when nothing was lost, repeated or put out of order.
std::vector<float> Numbers(int count) {
  std::vector<float> numbers(static_cast<size_t>(count));
  std::iota(numbers.begin(), numbers.end(), 0.0F);
  return numbers;
}

class PatternWriterTest : public testing::Test {
 protected:
  PatternWriterTest() : server_(std::make_unique<FakeServer>(store_)), client_(server_->address()) {}

  std::unique_ptr<PatternWriter> Open(int reconnection_limit = 5, size_t window = kDefaultWindow) {
    PatternWriterOptions options;
    options.window = window;
    options.reconnection_limit = reconnection_limit;
    options.initial_backoff = absl::Milliseconds(1);
    options.max_backoff = absl::Milliseconds(20);
    auto writer = PatternWriter::Open(client_, "sessions/x", "training", options);
    EXPECT_TRUE(writer.ok()) << writer.status();
    return *std::move(writer);
  }

  // Writes batches until the pattern with number `count` is the next.
  static absl::Status WriteUpTo(PatternWriter& writer, int& next, int count) {
    for (; next < count; next += kBatchSize) {
      if (absl::Status status = writer.Write(Batch(next)); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  FakePatternStore store_;
  std::unique_ptr<FakeServer> server_;
  Client client_;
};

TEST_F(PatternWriterTest, StoresBatchesInOrder) {
  const auto writer = Open();
  int next = 0;
  ASSERT_EQ(WriteUpTo(*writer, next, 300), absl::OkStatus());
  EXPECT_EQ(writer->Finish().value_or(-1), 300);
  EXPECT_EQ(store_.stored(), Numbers(300));
  EXPECT_EQ(writer->stored_count(), 300);
}

TEST_F(PatternWriterTest, GoesOnWhereTheSetEnds) {
  int next = 0;
  const auto first = Open();
  ASSERT_EQ(WriteUpTo(*first, next, 30), absl::OkStatus());
  ASSERT_EQ(first->Finish().value_or(-1), 30);
  const auto second = Open();
  ASSERT_EQ(WriteUpTo(*second, next, 60), absl::OkStatus());
  EXPECT_EQ(second->Finish().value_or(-1), 60);
  EXPECT_EQ(second->stored_count(), 30);
  EXPECT_EQ(store_.stored(), Numbers(60));
}

TEST_F(PatternWriterTest, SendsTheChecksumOfEachBatch) {
  const auto writer = Open();
  int next = 0;
  ASSERT_EQ(WriteUpTo(*writer, next, 6), absl::OkStatus());
  ASSERT_TRUE(writer->Finish().ok());
  EXPECT_THAT(store_.checksums(), testing::ElementsAre(ChecksumOf(Batch(0)), ChecksumOf(Batch(3))));
}

TEST_F(PatternWriterTest, FinishWithoutPatternsGivesWhereTheSetEnds) { EXPECT_EQ(Open()->Finish().value_or(-1), 0); }

struct DropCase {
  const char* name;
  Fate fate;
};

class DroppedStreamTest : public PatternWriterTest, public testing::WithParamInterface<DropCase> {};

TEST_P(DroppedStreamTest, LosesNoneAndStoresNoneTwice) {
  // The first message, several in a row (numbers count resent messages too), and one in the middle.
  for (const int message : {0, 5, 6, 7, 60}) store_.SetFate(message, GetParam().fate);
  const auto writer = Open();
  int next = 0;
  ASSERT_EQ(WriteUpTo(*writer, next, 300), absl::OkStatus());
  EXPECT_EQ(writer->Finish().value_or(-1), 300);
  EXPECT_EQ(store_.stored(), Numbers(300));
}

INSTANTIATE_TEST_SUITE_P(Fates, DroppedStreamTest,
                         testing::Values(DropCase{"BeforeStoring", Fate::kDropBeforeStoring},
                                         DropCase{"BeforeAnswering", Fate::kDropBeforeAnswering},
                                         DropCase{"RefusedAsUnavailable", Fate::kRefuseUnavailable}),
                         [](const auto& info) { return info.param.name; });

TEST_F(PatternWriterTest, SurvivesARestartOfTheServer) {
  const auto writer = Open(/*reconnection_limit=*/20);
  int next = 0;
  ASSERT_EQ(WriteUpTo(*writer, next, 90), absl::OkStatus());
  const int port = server_->port();
  server_.reset();
  server_ = std::make_unique<FakeServer>(store_, port);
  ASSERT_EQ(WriteUpTo(*writer, next, 300), absl::OkStatus());
  EXPECT_EQ(writer->Finish().value_or(-1), 300);
  EXPECT_EQ(store_.stored(), Numbers(300));
}

TEST_F(PatternWriterTest, GivesUpAfterItsReconnections) {
  for (int message = 0; message < 100; ++message) store_.SetFate(message, Fate::kDropBeforeStoring);
  const auto writer = Open(/*reconnection_limit=*/3);
  int next = 0;
  WriteUpTo(*writer, next, 3).IgnoreError();
  EXPECT_EQ(writer->Finish().status(), absl::UnavailableError("dropped as told"));
}

TEST_F(PatternWriterTest, RefusedBatchIsTheFinalError) {
  store_.SetFate(2, Fate::kRefuse);
  const auto writer = Open();
  int next = 0;
  WriteUpTo(*writer, next, 9).IgnoreError();
  const absl::Status refused =
      absl::InvalidArgumentError("refused as told (rows are counted from 0 in the batch that begins at pattern 6)");
  EXPECT_EQ(writer->Finish().status(), refused);
  EXPECT_EQ(writer->Write(Batch(9)), refused);
  EXPECT_EQ(writer->stored_count(), 6);
}

TEST_F(PatternWriterTest, RefusedBatchIsFoundInTheCallersNumbering) {
  store_.SetFate(1, Fate::kRefuse);
  const auto writer =
      PatternWriter::Open(client_, "sessions/x", "training", {.offset = std::nullopt, .first_pattern = 1000});
  ASSERT_TRUE(writer.ok());
  int next = 0;
  WriteUpTo(**writer, next, 6).IgnoreError();
  EXPECT_THAT(std::string((*writer)->Finish().status().message()), HasSubstr("the batch that begins at pattern 1003)"));
}

TEST_F(PatternWriterTest, TheSamePatternsOfAnotherWriterAreAnError) {
  const auto writer = Open();
  const auto rival = Open();
  ASSERT_EQ(rival->Write(Batch(0)), absl::OkStatus());
  ASSERT_EQ(rival->Finish().value_or(-1), kBatchSize);
  ASSERT_EQ(writer->Write(Batch(0)), absl::OkStatus());
  const absl::Status status = writer->Finish().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("Another writer appends to sessions/x/patternSets/training"));
  EXPECT_EQ(writer->stored_count(), 0);
}

TEST_F(PatternWriterTest, TheSamePatternsOfAnotherWriterAreAnErrorBehindBatchesThatWereResent) {
  const auto writer = Open();
  const auto rival = Open();
  store_.SetFate(0, Fate::kDropBeforeAnswering);
  ASSERT_EQ(writer->Write(Batch(0)), absl::OkStatus());
  ASSERT_EQ(writer->Finish().value_or(-1), kBatchSize);
  ASSERT_EQ(rival->Write(Batch(0)), absl::OkStatus());
  EXPECT_EQ(rival->Finish().status().code(), absl::StatusCode::kFailedPrecondition);
  const auto successor = Open();
  ASSERT_EQ(successor->Write(Batch(3)), absl::OkStatus());
  ASSERT_TRUE(successor->Finish().ok());
  ASSERT_EQ(writer->Write(Batch(3)), absl::OkStatus());
  EXPECT_EQ(writer->Finish().status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(writer->stored_count(), kBatchSize);
}

TEST_F(PatternWriterTest, RepeatingAtAnOffsetStoresNothingTwice) {
  for (int repetition = 0; repetition < 2; ++repetition) {
    const auto writer = PatternWriter::Open(client_, "sessions/x", "training", {.offset = 0});
    ASSERT_TRUE(writer.ok());
    int next = 0;
    ASSERT_EQ(WriteUpTo(**writer, next, 30), absl::OkStatus());
    EXPECT_EQ((*writer)->Finish().value_or(-1), 30);
    EXPECT_EQ((*writer)->stored_count(), 30);
  }
  EXPECT_EQ(store_.stored(), Numbers(30));
}

TEST_F(PatternWriterTest, RepeatingPatternsThatOthersFollowGivesWhereTheSetEnds) {
  for (const int count : {30, 21}) {
    const auto writer = PatternWriter::Open(client_, "sessions/x", "training", {.offset = 0});
    ASSERT_TRUE(writer.ok());
    int next = 0;
    ASSERT_EQ(WriteUpTo(**writer, next, count), absl::OkStatus());
    EXPECT_EQ((*writer)->Finish().value_or(-1), 30);
    EXPECT_EQ((*writer)->stored_count(), count);
  }
}

TEST_F(PatternWriterTest, OtherPatternsInItsPlaceAreAnError) {
  const auto writer = Open();
  const auto rival = Open();
  ASSERT_EQ(rival->Write(Batch(1000)), absl::OkStatus());
  ASSERT_TRUE(rival->Finish().ok());
  ASSERT_EQ(writer->Write(Batch(0)), absl::OkStatus());
  EXPECT_EQ(writer->Finish().status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(PatternWriterTest, OtherPatternsInTheirPlaceAfterReconnectingAreAnError) {
  const auto writer = Open();
  const auto rival = Open();
  store_.SetFate(1, Fate::kDropBeforeStoring);
  ASSERT_EQ(rival->Write(Batch(1000)), absl::OkStatus());
  ASSERT_TRUE(rival->Finish().ok());
  writer->Write(Batch(0)).IgnoreError();
  EXPECT_EQ(writer->Finish().status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(PatternWriterTest, LostAcknowledgedPatternsAreAnError) {
  const auto writer = Open();
  int next = 0;
  ASSERT_EQ(WriteUpTo(*writer, next, 6), absl::OkStatus());
  ASSERT_EQ(writer->Finish().value_or(-1), 6);
  store_.Truncate(3);
  store_.SetFate(2, Fate::kDropBeforeStoring);
  WriteUpTo(*writer, next, 9).IgnoreError();
  const absl::Status status = writer->Finish().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("ends at offset 3 after the server acknowledged 6"));
}

TEST_F(PatternWriterTest, WindowBoundsWhatIsUnacknowledged) {
  constexpr int kWindow = 4;
  store_.HoldAnswers(true);
  const auto writer = Open(/*reconnection_limit=*/5, kWindow);
  int next = 0;
  // A full window goes out without one answer.
  ASSERT_EQ(WriteUpTo(*writer, next, kWindow * kBatchSize), absl::OkStatus());
  store_.WaitForMessages(kWindow);
  std::atomic<bool> released = false;
  std::thread blocked([&] {
    EXPECT_EQ(writer->Write(Batch(next)), absl::OkStatus());
    EXPECT_TRUE(released) << "wrote beyond the window before an answer came";
    next += kBatchSize;
  });
  EXPECT_EQ(store_.message_count(), kWindow);
  released = true;
  store_.HoldAnswers(false);
  blocked.join();
  ASSERT_EQ(WriteUpTo(*writer, next, 300), absl::OkStatus());
  EXPECT_EQ(writer->Finish().value_or(-1), 300);
  EXPECT_LE(store_.max_unanswered(), kWindow);
}

TEST_F(PatternWriterTest, CancelEndsAWaitingWrite) {
  store_.HoldAnswers(true);
  const auto writer = Open(/*reconnection_limit=*/5, /*window=*/1);
  ASSERT_EQ(writer->Write(Batch(0)), absl::OkStatus());
  store_.WaitForMessages(1);
  std::thread canceller([&] { writer->Cancel(); });
  EXPECT_EQ(writer->Write(Batch(3)).code(), absl::StatusCode::kCancelled);
  canceller.join();
  store_.HoldAnswers(false);
}

TEST(PatternWriterOpenTest, FailsWithoutServer) {
  const Client client("127.0.0.1:1");
  EXPECT_EQ(PatternWriter::Open(client, "sessions/x", "training").status().code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace backprop::client
