#include "client/pattern_checksum.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

namespace backprop::client {
namespace {

TEST(PatternChecksumTest, MatchesTheCheckValueOfCrc32) {
  // The value that every description of CRC-32 gives for these nine bytes.
  v1::Patterns patterns;
  patterns.mutable_inputs()->set_raw_values("123456789");
  EXPECT_EQ(ChecksumOf(patterns), 0xCBF43926U);
}

TEST(PatternChecksumTest, NoElementsGiveZero) { EXPECT_EQ(ChecksumOf({}), 0U); }

TEST(PatternChecksumTest, ElementsFollowInputsTargetsClassesWeights) {
  // The same bytes in one field and spread over four.
  v1::Patterns whole;
  whole.mutable_inputs()->set_raw_values(std::string("12345678") + std::string("abcdefgh") + std::string("ABCDwxyz"));
  v1::Patterns parts;
  parts.mutable_inputs()->set_raw_values("12345678");
  parts.mutable_targets()->set_raw_values("abcdefgh");
  parts.add_target_classes(0x44434241);  // "ABCD"
  float weight = 0;
  std::memcpy(&weight, "wxyz", sizeof weight);
  parts.add_pattern_weights(weight);
  EXPECT_EQ(ChecksumOf(parts), ChecksumOf(whole));
}

TEST(PatternChecksumTest, FloatsAndDoublesCountAsTheirBytes) {
  const float value = 1.5F;
  const double double_value = -2.25;
  std::string bytes(reinterpret_cast<const char*>(&value), sizeof value);
  bytes.append(reinterpret_cast<const char*>(&double_value), sizeof double_value);
  v1::Patterns raw;
  raw.mutable_inputs()->set_raw_values(bytes);
  v1::Patterns numbers;
  numbers.mutable_inputs()->add_values(value);
  numbers.mutable_targets()->add_double_values(double_value);
  EXPECT_EQ(ChecksumOf(numbers), ChecksumOf(raw));
}

TEST(PatternChecksumTest, OneChangedElementChangesIt) {
  v1::Patterns patterns;
  patterns.mutable_inputs()->add_values(1);
  const uint32_t before = ChecksumOf(patterns);
  patterns.mutable_inputs()->set_values(0, 2);
  EXPECT_NE(ChecksumOf(patterns), before);
}

}  // namespace
}  // namespace backprop::client
