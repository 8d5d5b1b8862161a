// PatternService over the wire: what good requests do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/server/services/test_server.h"

namespace backprop::server {
namespace {

using testing::ElementsAre;

constexpr char kPair[] =
    "patterns { inputs { row_count: 2 column_count: 1 values: [1, 2] } targets { row_count: 2 column_count: 1 values: "
    "[3, 4] } } ";
constexpr char kSingle[] =
    "patterns { inputs { row_count: 1 column_count: 1 values: 2 } targets { row_count: 1 column_count: 1 values: 4 } "
    "} ";

v1::AppendPatternsRequest Batch(const std::string& text) { return Parse<v1::AppendPatternsRequest>(text); }

// A server with a session `a` of one input and one output unit of `precision`.
class PatternServiceTest : public testing::Test {
 protected:
  explicit PatternServiceTest(const std::string& fields = "task: 1") {
    Create(server_, "a", "input_unit_count: 1 output_unit_count: 1 " + fields);
  }

  Streamed<v1::AppendPatternsResponse> Send(const std::vector<v1::AppendPatternsRequest>& requests) {
    return Exchange(server_.patterns, &PatternStub::AppendPatterns, requests);
  }
  int64_t Count(const std::string& set) {
    return Must(server_.patterns, &PatternStub::GetPatternSet, "name: 'sessions/a/patternSets/" + set + "'")
        .pattern_count();
  }
  Streamed<v1::ReadPatternsResponse> Read(const std::string& fields = "") {
    return Collect(server_.patterns, &PatternStub::ReadPatterns, "name: 'sessions/a/patternSets/s' " + fields);
  }

  TestServer server_;
};

class DoublePatternServiceTest : public PatternServiceTest {
 protected:
  DoublePatternServiceTest() : PatternServiceTest("task: 1 precision: PRECISION_FLOAT64") {}
};

TEST_F(PatternServiceTest, EachAnswerSaysWhereItsBatchWent) {
  const auto streamed = Send({Batch(absl::StrCat("session: 'sessions/a' pattern_set: 's' ", kPair)), Batch(kSingle)});
  ASSERT_EQ(streamed.responses.size(), 2u);
  EXPECT_EQ(streamed.responses[0].offset(), 0);
  EXPECT_EQ(streamed.responses[0].pattern_count(), 2);
  EXPECT_EQ(streamed.responses[0].next_offset(), 2);
  EXPECT_EQ(streamed.responses[1].offset(), 2);
  EXPECT_EQ(streamed.responses[1].next_offset(), 3);
  EXPECT_TRUE(streamed.status.ok());
}

TEST_F(PatternServiceTest, OffsetsAreAppendedRepeatedRefusedOrBeyondTheEnd) {
  const auto at = [](int offset, const char* patterns) {
    return Batch(absl::StrCat("session: 'sessions/a' pattern_set: 's' offset: ", offset, " ", patterns));
  };
  const auto streamed =
      Send({at(0, kPair), at(0, kPair), at(1, kSingle), at(0, kSingle), at(1, kPair), at(3, kSingle), at(2, kSingle)});
  std::vector<int> codes;
  for (const auto& response : streamed.responses) codes.push_back(response.status().code());
  EXPECT_THAT(codes, ElementsAre(grpc::OK, grpc::ALREADY_EXISTS, grpc::ALREADY_EXISTS, grpc::FAILED_PRECONDITION,
                                 grpc::FAILED_PRECONDITION, grpc::OUT_OF_RANGE, grpc::OK));
  EXPECT_EQ(streamed.responses[5].next_offset(), 2);
  EXPECT_EQ(Count("s"), 3);
}

TEST_F(PatternServiceTest, ABadBatchIsAnsweredAndTheStreamGoesOn) {
  auto bad = Batch(kSingle);
  bad.mutable_patterns()->mutable_inputs()->set_values(0, std::numeric_limits<float>::quiet_NaN());
  const auto streamed =
      Send({Batch(absl::StrCat("session: 'sessions/a' pattern_set: 's' ", kPair)), bad, Batch(kSingle)});
  ASSERT_EQ(streamed.responses.size(), 3u);
  const RpcError error = ErrorOf(streamed.responses[1].status());
  EXPECT_EQ(error.code, grpc::INVALID_ARGUMENT);
  EXPECT_THAT(error.fields, ElementsAre("patterns.inputs"));
  EXPECT_EQ(streamed.responses[1].pattern_count(), 0);
  EXPECT_EQ(streamed.responses[1].next_offset(), 2);
  EXPECT_EQ(streamed.responses[2].offset(), 2);
}

TEST_F(PatternServiceTest, AnElementThatIsNotFiniteIsNamedByRowAndColumn) {
  const auto streamed =
      Send({Batch("session: 'sessions/a' pattern_set: 's' patterns { inputs { row_count: 3 column_count: "
                  "1 values: [1, 2, -inf] } targets { row_count: 3 column_count: 1 values: [1, nan, 3] "
                  "} }")});
  const std::string message = streamed.responses.at(0).status().message();
  EXPECT_THAT(message, testing::HasSubstr("row 2, column 0 is infinite"));
  EXPECT_THAT(message, testing::HasSubstr("row 1, column 0 is NaN"));
}

TEST_F(PatternServiceTest, AStreamMayGoToSeveralSets) {
  Send({Batch(absl::StrCat("session: 'sessions/a' pattern_set: 's' ", kPair)),
        Batch(absl::StrCat("pattern_set: 't' ", kSingle)), Batch(kSingle)});
  EXPECT_EQ(Count("s"), 2);
  EXPECT_EQ(Count("t"), 2);
}

TEST_F(PatternServiceTest, TheChecksumIsZlibsOfTheElementsInOrder) {
  auto batch = Batch(absl::StrCat("session: 'sessions/a' pattern_set: 's' ", kPair));
  for (const float weight : {5.0f, 6.0f}) batch.mutable_patterns()->add_pattern_weights(weight);
  const float elements[] = {1, 2, 3, 4, 5, 6};
  batch.set_crc32(static_cast<int64_t>(crc32(0, reinterpret_cast<const Bytef*>(elements), sizeof(elements))));
  EXPECT_EQ(Send({batch}).responses.at(0).status().code(), grpc::OK);
  batch.set_crc32(batch.crc32() ^ 1);
  EXPECT_THAT(ErrorOf(Send({batch}).responses.at(0).status()).fields, ElementsAre("crc32"));
  EXPECT_EQ(Count("s"), 2);
}

TEST_F(PatternServiceTest, RawBytesAreScaled) {
  Append(server_,
         "session: 'sessions/a' pattern_set: 's' patterns { inputs { row_count: 3 column_count: 1 raw_values: "
         "'\\000\\001\\377' raw_type: RAW_TYPE_UINT8 raw_scale: 0.5 } targets { row_count: 3 column_count: 1 "
         "raw_values: '\\000\\001\\377' raw_type: RAW_TYPE_UINT8 } }");
  const auto read = Read();
  ASSERT_EQ(read.responses.size(), 1u);
  EXPECT_THAT(read.responses[0].patterns().inputs().values(), ElementsAre(0, 0.5, 127.5));
  EXPECT_THAT(read.responses[0].patterns().targets().values(), ElementsAre(0, 1, 255));
}

// Elements are converted 4,096 at a time.
TEST_F(PatternServiceTest, ElementsOfEveryKindComeInTheirOrderHoweverManyThereAre) {
  constexpr int kCount = 9'000;
  std::vector<float> floats;
  for (int i = 0; i < kCount; ++i) floats.push_back(static_cast<float>(i % 251));
  const std::vector<double> doubles(floats.begin(), floats.end());
  const std::vector<uint8_t> bytes(floats.begin(), floats.end());
  std::vector<v1::Matrix> kinds(5);
  kinds[0].mutable_values()->Assign(floats.begin(), floats.end());
  kinds[1].mutable_double_values()->Assign(doubles.begin(), doubles.end());
  const auto set_raw = [](v1::Matrix* matrix, v1::Matrix::RawType type, const auto& elements) {
    matrix->set_raw_type(type);
    matrix->set_raw_values(elements.data(), elements.size() * sizeof(elements[0]));
  };
  set_raw(&kinds[2], v1::Matrix::RAW_TYPE_FLOAT32, floats);
  set_raw(&kinds[3], v1::Matrix::RAW_TYPE_FLOAT64, doubles);
  set_raw(&kinds[4], v1::Matrix::RAW_TYPE_UINT8, bytes);
  auto batch = Batch("session: 'sessions/a' pattern_set: 's'");
  for (v1::Matrix& kind : kinds) {
    kind.set_row_count(kCount);
    kind.set_column_count(1);
    *batch.mutable_patterns()->mutable_inputs() = *batch.mutable_patterns()->mutable_targets() = kind;
    ASSERT_EQ(Send({batch}).responses.at(0).status().code(), grpc::OK);
    const auto read = Read(absl::StrCat("offset: ", Count("s") - kCount));
    EXPECT_THAT(read.responses.at(0).patterns().inputs().values(), testing::ElementsAreArray(floats));
  }
  kinds[0].set_values(kCount - 1, std::numeric_limits<float>::infinity());
  kinds[0].set_values(5'000, std::numeric_limits<float>::quiet_NaN());
  *batch.mutable_patterns()->mutable_inputs() = kinds[0];
  EXPECT_THAT(Send({batch}).responses.at(0).status().message(), testing::HasSubstr("row 5000, column 0 is NaN"));
}

TEST_F(PatternServiceTest, DoublesAreRoundedOnceInASessionOfFloats) {
  Append(server_,
         "session: 'sessions/a' pattern_set: 's' patterns { inputs { row_count: 1 column_count: 1 "
         "double_values: 0.1 } targets { row_count: 1 column_count: 1 double_values: 1e-50 } }");
  const auto read = Read();
  EXPECT_THAT(read.responses.at(0).patterns().inputs().values(), ElementsAre(0.1f));
  EXPECT_THAT(read.responses.at(0).patterns().targets().values(), ElementsAre(0.0f));
}

TEST_F(DoublePatternServiceTest, DoublesComeBackBitForBit) {
  Append(server_,
         "session: 'sessions/a' pattern_set: 's' patterns { inputs { row_count: 2 column_count: 1 "
         "double_values: [0.1, -4.9406564584124654e-324] } targets { row_count: 2 column_count: 1 "
         "double_values: [1.7976931348623157e308, -0.0] } pattern_weights: [0, 0.25] }");
  const auto read = Read();
  ASSERT_EQ(read.responses.size(), 1u);
  const v1::Patterns& patterns = read.responses[0].patterns();
  EXPECT_THAT(patterns.inputs().double_values(), ElementsAre(0.1, -4.9406564584124654e-324));
  EXPECT_EQ(patterns.targets().double_values(0), 1.7976931348623157e308);
  EXPECT_TRUE(std::signbit(patterns.targets().double_values(1)));
  EXPECT_THAT(patterns.pattern_weights(), ElementsAre(0, 0.25));
}

TEST_F(PatternServiceTest, ReadingGoesFromOffsetToLimitInSeveralMessages) {
  // 3 floats a pattern, so a message of 1 MiB holds 87,381 of them.
  v1::AppendPatternsRequest batch = Batch("session: 'sessions/a' pattern_set: 's'");
  for (auto* matrix : {batch.mutable_patterns()->mutable_inputs(), batch.mutable_patterns()->mutable_targets()}) {
    matrix->set_row_count(65'536);
    matrix->set_column_count(1);
  }
  for (int i = 0; i < 4 * 65'536; ++i) {
    batch.mutable_patterns()->mutable_inputs()->add_values(static_cast<float>(i));
    batch.mutable_patterns()->mutable_targets()->add_values(static_cast<float>(-i));
    if ((i + 1) % 65'536 != 0) continue;
    ASSERT_EQ(Send({batch}).responses.at(0).status().code(), grpc::OK);
    batch.mutable_patterns()->mutable_inputs()->clear_values();
    batch.mutable_patterns()->mutable_targets()->clear_values();
  }
  const auto read = Read("offset: 5 limit: 200000");
  EXPECT_GT(read.responses.size(), 1u);
  int64_t next = 5;
  for (const auto& response : read.responses) {
    ASSERT_EQ(response.offset(), next);
    for (const float input : response.patterns().inputs().values()) ASSERT_EQ(input, static_cast<float>(next++));
  }
  EXPECT_EQ(next, 200'005);
}

TEST_F(PatternServiceTest, ReadingAtTheEndAnswersNothing) {
  Append(server_, absl::StrCat("session: 'sessions/a' pattern_set: 's' ", kPair));
  const auto read = Read("offset: 2");
  EXPECT_TRUE(read.status.ok());
  EXPECT_TRUE(read.responses.empty());
}

TEST_F(PatternServiceTest, MultiwayTargetsComeBackAsClassesWhereTheyAre) {
  Create(server_, "m", "input_unit_count: 1 output_unit_count: 3 task: 3");
  Append(server_,
         "session: 'sessions/m' pattern_set: 'hard' patterns { inputs { row_count: 2 column_count: 1 values: "
         "[1, 2] } targets { row_count: 2 column_count: 3 values: [0, 0, 1, 1, 0, 0] } }");
  Append(server_,
         "session: 'sessions/m' pattern_set: 'soft' patterns { inputs { row_count: 1 column_count: 1 values: 1 "
         "} targets { row_count: 1 column_count: 3 values: [0.5, 0.5, 0] } }");
  const auto hard = Collect(server_.patterns, &PatternStub::ReadPatterns, "name: 'sessions/m/patternSets/hard'");
  EXPECT_THAT(hard.responses.at(0).patterns().target_classes(), ElementsAre(2, 0));
  EXPECT_FALSE(hard.responses.at(0).patterns().has_targets());
  const auto soft = Collect(server_.patterns, &PatternStub::ReadPatterns, "name: 'sessions/m/patternSets/soft'");
  EXPECT_THAT(soft.responses.at(0).patterns().targets().values(), ElementsAre(0.5, 0.5, 0));
}

TEST_F(PatternServiceTest, ListGoesInOrderOfNamePageByPage) {
  for (const char* set : {"c", "a", "b"}) {
    Append(server_, absl::StrCat("session: 'sessions/a' pattern_set: '", set, "' ", kSingle));
  }
  const auto first = Must(server_.patterns, &PatternStub::ListPatternSets, "session: 'sessions/a' page_size: 2");
  ASSERT_EQ(first.pattern_sets_size(), 2);
  EXPECT_EQ(first.pattern_sets(0).name(), "sessions/a/patternSets/a");
  EXPECT_GT(first.pattern_sets(0).byte_count(), 0);
  const auto last =
      Must(server_.patterns, &PatternStub::ListPatternSets,
           absl::StrCat("session: 'sessions/a' page_size: 2 page_token: '", first.next_page_token(), "'"));
  ASSERT_EQ(last.pattern_sets_size(), 1);
  EXPECT_EQ(last.pattern_sets(0).name(), "sessions/a/patternSets/c");
  EXPECT_EQ(last.next_page_token(), "");
}

TEST_F(PatternServiceTest, ADeletedSetStartsAgainAtOffset0) {
  Append(server_, absl::StrCat("session: 'sessions/a' pattern_set: 's' ", kPair));
  Must(server_.patterns, &PatternStub::DeletePatternSet, "name: 'sessions/a/patternSets/s'");
  EXPECT_EQ(Append(server_, absl::StrCat("session: 'sessions/a' pattern_set: 's' ", kSingle)).offset(), 0);
}

}  // namespace
}  // namespace backprop::server
