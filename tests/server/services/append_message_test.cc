// Messages that are decoded where they were received are what protobuf makes of them, in whatever pieces they came.
#include "server/services/append_message.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "google/protobuf/text_format.h"

namespace backprop::server {
namespace {

using Random = std::mt19937;

int Below(Random* random, int limit) { return static_cast<int>((*random)() % static_cast<unsigned>(limit)); }

// `bytes` as the network may bring them: in slices of up to `most` bytes.
grpc::ByteBuffer InSlices(const std::string& bytes, int most, Random* random) {
  std::vector<grpc::Slice> slices;
  for (size_t at = 0; at < bytes.size();) {
    const size_t n = std::min(bytes.size() - at, static_cast<size_t>(1 + Below(random, most)));
    slices.emplace_back(bytes.data() + at, n);
    at += n;
  }
  return {slices.data(), slices.size()};
}

template <typename Element>
void SetElements(const ElementBytes& bytes, google::protobuf::RepeatedField<Element>* elements) {
  std::string joined;
  for (const std::string_view run : bytes.runs()) joined += run;
  ASSERT_EQ(joined.size() % sizeof(Element), 0u);
  elements->Resize(static_cast<int>(joined.size() / sizeof(Element)), 0);
  if (!joined.empty()) std::memcpy(elements->mutable_data(), joined.data(), joined.size());
}

void PutBack(const MatrixView& view, v1::Matrix* matrix) {
  EXPECT_EQ(view.row_count, matrix->row_count());
  EXPECT_EQ(view.column_count, matrix->column_count());
  EXPECT_EQ(view.raw_type, matrix->raw_type());
  EXPECT_EQ(view.raw_scale, matrix->raw_scale());
  SetElements(view.values, matrix->mutable_values());
  SetElements(view.double_values, matrix->mutable_double_values());
  matrix->clear_raw_values();
  for (const std::string_view run : view.raw_values.runs()) matrix->mutable_raw_values()->append(run);
}

// The message with its elements, from where they lie.
v1::AppendPatternsRequest Whole(const AppendMessage& message) {
  v1::AppendPatternsRequest request = message.request();
  const PatternsView& patterns = message.patterns();
  EXPECT_EQ(patterns.rest, &message.request().patterns());
  if (request.patterns().has_inputs()) PutBack(patterns.inputs, request.mutable_patterns()->mutable_inputs());
  if (request.patterns().has_targets()) PutBack(patterns.targets, request.mutable_patterns()->mutable_targets());
  return request;
}

void ExpectAsProtobuf(const std::string& bytes, int most, Random* random) {
  v1::AppendPatternsRequest expected;
  const bool good = expected.ParseFromString(bytes);
  grpc::ByteBuffer buffer = InSlices(bytes, most, random);
  AppendMessage message;
  ASSERT_EQ(message.Take(&buffer).ok(), good);
  if (!good) expected.Clear();
  EXPECT_EQ(Whole(message).SerializeAsString(), expected.SerializeAsString()) << expected.ShortDebugString();
}

std::string Serialized(const std::string& text) {
  v1::AppendPatternsRequest request;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &request)) << text;
  return request.SerializeAsString();
}

constexpr char kValues[] =
    "session: 'sessions/a' pattern_set: 's' offset: 0 crc32: 7 patterns { target_classes: [0, 1] pattern_weights: [1] "
    "inputs { row_count: 2 column_count: 3 values: [1, 2, 3, 4, 5, 6] } }";
constexpr char kDoubles[] =
    "patterns { inputs { row_count: 1 column_count: 2 double_values: [1, 2] } targets { row_count: 1 column_count: 3 "
    "raw_values: '\\001\\002\\003' raw_type: RAW_TYPE_UINT8 raw_scale: 0.5 } }";
constexpr char kSeveral[] =
    "offset: -1 patterns { inputs { values: 1 double_values: 2 raw_values: 'abc' } targets { row_count: -1 } }";

TEST(AppendMessageTest, HasWhatProtobufReads) {
  Random random(1);
  for (const char* text : {kValues, kDoubles, kSeveral, "", "session: 'x'", "patterns {}", "patterns { inputs {} }"}) {
    for (const int most : {1, 3, 1000}) ExpectAsProtobuf(Serialized(text), most, &random);
  }
}

// Parts of a message are merged, the last of a plain field wins, and elements may each have a tag of their own.
TEST(AppendMessageTest, TakesEveryFormThatProtobufAllows) {
  Random random(2);
  const std::string unpacked = std::string("\x22\x0c\x0a\x0a\x1d\0\0\x80\x3f\x1d\0\0\0\x40", 14);
  const std::string in_two_pieces = std::string("\x22\x0e\x0a\x0c\x1a\x04\0\0\x80\x3f\x1a\x04\0\0\0\x40", 16);
  v1::AppendPatternsRequest request;
  for (const std::string& form : {unpacked, in_two_pieces}) {
    ASSERT_TRUE(request.ParseFromString(form));
    ASSERT_EQ(request.patterns().inputs().values_size(), 2);
    ExpectAsProtobuf(form, 5, &random);
    ExpectAsProtobuf(form + Serialized(kValues), 5, &random);
    ExpectAsProtobuf(Serialized(kValues) + form, 5, &random);
  }
  ExpectAsProtobuf(Serialized(kValues) + Serialized(kDoubles), 100, &random);
  ExpectAsProtobuf(Serialized(kValues) + "\xc0\x3e\x07", 100, &random);  // A field of a newer client.
}

TEST(AppendMessageTest, RefusesWhatProtobufRefuses) {
  Random random(3);
  const std::string good = Serialized(kValues);
  for (size_t size = 0; size < good.size(); ++size) ExpectAsProtobuf(good.substr(0, size), 7, &random);
  for (const std::string& bad :
       {std::string("\xff"), std::string("\x0a\x02\xc3\x28"),         // No UTF-8.
        std::string("\x22\x05\x0a\x09\x1a\x01\0", 7),                 // Longer than what is
        std::string("\x22\x05\x0a\x03\x1a\x01\0", 7), good + "\x22",  // around it; odd.
        // Lengths and tags of more than 32 bits, and of more bytes than they may have.
        std::string("\x0a\x81\x80\x80\x80\x10\x61"), std::string("\x0a\x81\x80\x80\x80\x80\0a", 8),
        std::string("\x8a\x80\x80\x80\x80\0\x01\x61", 8), std::string("\xa2\x80\x80\x80\x80\x01\0", 7)}) {
    ASSERT_FALSE(v1::AppendPatternsRequest().ParseFromString(bad));
    ExpectAsProtobuf(bad, 3, &random);
    ExpectAsProtobuf(good, 3, &random);
  }
}

TEST(AppendMessageTest, ReadsDamagedBytesAsProtobufDoes) {
  constexpr int kSeed = 20080808;
  Random random(kSeed);
  const std::string originals[] = {Serialized(kValues), Serialized(kDoubles), Serialized(kSeveral)};
  for (int i = 0; i < 30'000 && !HasFailure(); ++i) {
    SCOPED_TRACE(testing::Message() << "case " << i << ", seed " << kSeed);
    std::string bytes = originals[i % 3];
    for (int change = 1 + Below(&random, 3); change > 0; --change) {
      const auto at = static_cast<size_t>(Below(&random, static_cast<int>(bytes.size())));
      const auto length = static_cast<size_t>(Below(&random, 6));
      switch (Below(&random, 3)) {
        case 0:
          bytes[at] = static_cast<char>(random());
          break;
        case 1:
          bytes.erase(at, length);
          break;
        default:
          bytes.insert(at, bytes.substr(at, length));
      }
      if (bytes.empty()) bytes = "\x22";
    }
    ExpectAsProtobuf(bytes, 1 + Below(&random, 40), &random);
  }
}

}  // namespace
}  // namespace backprop::server
