// Streams that append side by side, with whatever goes wrong on them: what is stored is what was acknowledged, where
// the answers said.
#include <gtest/gtest.h>

#include <deque>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/server/services/test_server.h"

namespace backprop::server {
namespace {

constexpr int kMaxBatch = 3000;  // A chunk of a set has 4,096 of these patterns.

class AppendStreamsTest : public testing::Test {
 protected:
  using Stream = grpc::ClientReaderWriter<v1::AppendPatternsRequest, v1::AppendPatternsResponse>;
  struct Writer {
    std::unique_ptr<grpc::ClientContext> context = std::make_unique<grpc::ClientContext>();
    std::unique_ptr<Stream> stream;
    std::deque<v1::AppendPatternsRequest> under_way = {};
    int64_t next = 0;  // What the writer takes for the set's end.
  };

  int Below(int limit) { return static_cast<int>(random_() % static_cast<unsigned>(limit)); }

  void CreateAgain(int input_count, const std::string& precision) {
    if (input_count_ != 0) Must(server_.sessions, &SessionStub::DeleteSession, "name: 'sessions/a'");
    input_count_ = input_count;
    Create(server_, "a",
           absl::StrCat("task: 1 output_unit_count: 1 input_unit_count: ", input_count, " precision: ", precision));
    kept_.clear();
  }

  // Patterns of numbers that no others have.
  v1::AppendPatternsRequest Batch(int count, std::optional<int64_t> offset) {
    v1::AppendPatternsRequest request;
    request.set_session("sessions/a");
    request.set_pattern_set("s");
    if (offset) request.set_offset(*offset);
    for (const bool targets : {false, true}) {
      v1::Matrix& matrix =
          targets ? *request.mutable_patterns()->mutable_targets() : *request.mutable_patterns()->mutable_inputs();
      matrix.set_row_count(count);
      matrix.set_column_count(targets ? 1 : input_count_);
      for (int i = 0; i < count * matrix.column_count(); ++i) matrix.add_values(static_cast<float>(++number_));
    }
    return request;
  }

  // A batch as good or bad as chance has it.
  v1::AppendPatternsRequest SomeBatch(Writer* writer) {
    const int count = 1 + (Below(3) == 0 ? Below(kMaxBatch) : Below(5));
    std::optional<int64_t> offset;
    if (Below(2) == 0) offset = writer->next;
    if (Below(12) == 0) offset = Below(3 * kMaxBatch);  // Below the end, or beyond.
    v1::AppendPatternsRequest request = Batch(count, offset);
    if (Below(12) == 0 && !sent_.empty()) request = sent_[Below(static_cast<int>(sent_.size()))];  // A repeat.
    v1::Matrix& inputs = *request.mutable_patterns()->mutable_inputs();
    const int fault = Below(16);
    if (fault == 0) inputs.set_values(inputs.values_size() - 1, std::numeric_limits<float>::infinity());
    if (fault == 1) inputs.set_column_count(input_count_ + 1);
    if (fault == 2) request.set_crc32(1);
    if (fault > 2 && !request.has_crc32()) writer->next = offset.value_or(writer->next) + count;
    return request;
  }

  void Send(Writer* writer) {
    if (writer->stream == nullptr) {
      writer->context = std::make_unique<grpc::ClientContext>();
      writer->stream = server_.patterns->AppendPatterns(writer->context.get());
    }
    writer->under_way.push_back(SomeBatch(writer));
    ASSERT_TRUE(writer->stream->Write(writer->under_way.back()));
  }

  // Reads all answers, and notes what was kept.
  void Receive(Writer* writer) {
    for (; !writer->under_way.empty(); writer->under_way.pop_front()) {
      v1::AppendPatternsRequest& request = writer->under_way.front();
      v1::AppendPatternsResponse response;
      ASSERT_TRUE(writer->stream->Read(&response));
      writer->next = response.next_offset();
      if (response.status().code() != grpc::OK) {
        EXPECT_EQ(response.pattern_count(), 0);
        continue;
      }
      ++kept_count_;
      EXPECT_EQ(response.pattern_count(), request.patterns().inputs().row_count());
      EXPECT_EQ(response.next_offset(), response.offset() + response.pattern_count());
      if (request.has_offset()) {
        EXPECT_EQ(response.offset(), request.offset());
      }
      EXPECT_TRUE(kept_.emplace(response.offset(), request.patterns()).second) << "two at " << response.offset();
      if (sent_.size() < 20) sent_.push_back(std::move(request));
      if (sent_.size() == 20) sent_.erase(sent_.begin());
    }
  }

  void Close(Writer* writer) {
    if (writer->stream == nullptr) return;
    writer->stream->WritesDone();
    EXPECT_TRUE(writer->stream->Finish().ok());
    writer->stream.reset();
  }

  // Reads the set of `session`, which is what was kept, first to last.
  void ExpectKept(const std::string& session) {
    std::vector<float> expected, found;
    int64_t end = 0;
    for (const auto& [offset, patterns] : kept_) {
      ASSERT_EQ(offset, end);
      end += patterns.inputs().row_count();
      expected.insert(expected.end(), patterns.inputs().values().begin(), patterns.inputs().values().end());
      expected.insert(expected.end(), patterns.targets().values().begin(), patterns.targets().values().end());
    }
    if (end == 0) return;
    const auto read =
        Collect(server_.patterns, &PatternStub::ReadPatterns, absl::StrCat("name: '", session, "/patternSets/s'"));
    ASSERT_TRUE(read.status.ok()) << read.status.error_message();
    std::vector<float> inputs, targets;
    for (const auto& response : read.responses) {
      for (const bool of_targets : {false, true}) {
        const v1::Matrix& matrix = of_targets ? response.patterns().targets() : response.patterns().inputs();
        std::vector<float>& all = of_targets ? targets : inputs;
        all.insert(all.end(), matrix.values().begin(), matrix.values().end());
        for (const double value : matrix.double_values()) all.push_back(static_cast<float>(value));
      }
    }
    auto input = inputs.begin();
    auto target = targets.begin();
    for (const auto& [offset, patterns] : kept_) {
      const int inputs_here = patterns.inputs().values_size(), targets_here = patterns.targets().values_size();
      ASSERT_LE(inputs_here, inputs.end() - input);
      ASSERT_LE(targets_here, targets.end() - target);
      found.insert(found.end(), input, input + inputs_here);
      found.insert(found.end(), target, target + targets_here);
      input += inputs_here;
      target += targets_here;
    }
    EXPECT_EQ(input, inputs.end());
    EXPECT_TRUE(found == expected) << "other patterns than were acknowledged";
  }

  static constexpr int kSeed = 20080808;
  std::mt19937 random_{kSeed};
  TestServer server_;
  int input_count_ = 0;
  int64_t number_ = 0;
  int64_t kept_count_ = 0;
  std::vector<v1::AppendPatternsRequest> sent_;
  std::map<int64_t, v1::Patterns> kept_;  // By offset.
};

TEST_F(AppendStreamsTest, WhatIsStoredIsWhatWasAcknowledgedWhateverGoesWrong) {
  CreateAgain(2, "PRECISION_FLOAT32");
  std::vector<Writer> writers(3);
  for (int round = 0; round < 150 && !HasFailure(); ++round) {
    SCOPED_TRACE(testing::Message() << "round " << round << ", seed " << kSeed);
    const int writer_count = 1 + Below(3);
    for (int i = 0; i < writer_count; ++i) {
      for (int messages = 1 + Below(6); messages > 0; --messages) Send(&writers[i]);
    }
    for (Writer& writer : writers) Receive(&writer);
    if (Below(20) == 0) Close(&writers[Below(3)]);
    if (Below(10) == 0) ExpectKept("sessions/a");
    if (Below(25) == 0 && !kept_.empty()) {
      ExpectKept("sessions/a");
      Must(server_.patterns, &PatternStub::DeletePatternSet, "name: 'sessions/a/patternSets/s'");
      kept_.clear();
      sent_.clear();
    }
    if (Below(25) == 0) {
      const std::string copy = absl::StrCat("copy-", round);
      Must(server_.sessions, &SessionStub::CopySession, absl::StrCat("name: 'sessions/a' session_id: '", copy, "'"));
      ExpectKept("sessions/" + copy);
    }
    if (round % 40 == 39) {
      sent_.clear();
      CreateAgain(1 + Below(5), Below(2) == 0 ? "PRECISION_FLOAT64" : "PRECISION_FLOAT32");
    }
  }
  ExpectKept("sessions/a");
  for (Writer& writer : writers) Close(&writer);
  EXPECT_GT(kept_count_, 200) << "not all was nonsense";
}

// gRPC would keep a first answer that lets it wait for the next one, until something else is sent on the connection.
TEST_F(AppendStreamsTest, FirstAnswersThatComeTogetherComeAtOnce) {
  CreateAgain(1, "PRECISION_FLOAT32");
  v1::AppendPatternsRequest request;
  request.set_session("sessions/a");  // Refused: it has no patterns.
  v1::AppendPatternsResponse response;
  for (int i = 0; i < 2000 && !HasFailure(); ++i) {
    grpc::ClientContext context;
    context.set_deadline(Deadline());
    const auto stream = server_.patterns->AppendPatterns(&context);
    ASSERT_TRUE(stream->Write(request, grpc::WriteOptions().set_buffer_hint()));
    ASSERT_TRUE(stream->Write(request));
    for (int answers = 0; answers < 2; ++answers) EXPECT_TRUE(stream->Read(&response)) << "stream " << i;
    stream->WritesDone();
    EXPECT_EQ(stream->Finish().error_code(), grpc::OK);
  }
}

}  // namespace
}  // namespace backprop::server
