#include "client/cli/parameters_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "client/data/npy_vector.h"
#include "client/flat_parameters.h"
#include "tests/client/temporary_file.h"

namespace backprop::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// 2-1: two weights and a bias.
v1::Session SmallSession() {
  v1::Session session;
  session.mutable_network()->set_input_unit_count(2);
  session.mutable_network()->set_output_unit_count(1);
  session.set_parameter_count(3);
  return session;
}

absl::StatusOr<v1::Parameters> Read(const std::string& content) {
  const TemporaryFile file(content);
  return ReadParametersFile(file.path(), SmallSession());
}

TEST(ParametersFileTest, NumbersMayHaveCommasAndBlanksBetween) {
  for (const char* const text : {"1,-2e0, 0.5", "1 -2\n0.5\n", "1,\r\n-2,\r\n.5\r\n"}) {
    const auto parameters = Read(text);
    ASSERT_TRUE(parameters.ok()) << parameters.status();
    EXPECT_THAT(FlatOf(*parameters), ElementsAre(1, -2, 0.5));
    EXPECT_EQ(parameters->layers(0).weights().column_count(), 2);
  }
}

TEST(ParametersFileTest, JsonIsParametersWhateverTheirShape) {
  const auto parameters = Read(" {\"layers\": [{\"weights\": {\"doubleValues\": [7]}}]}");
  ASSERT_TRUE(parameters.ok()) << parameters.status();
  EXPECT_THAT(FlatOf(*parameters), ElementsAre(7));
}

TEST(ParametersFileTest, NpyIsTheFlatVector) {
  const TemporaryFile file("");
  ASSERT_TRUE(WriteNpyVector(file.path(), std::vector<double>{1, 2, 3}, false).ok());
  EXPECT_THAT(FlatOf(ReadParametersFile(file.path(), SmallSession()).value()), ElementsAre(1, 2, 3));
}

TEST(ParametersFileTest, DirectionsAreOneOrTheRowsOfAMatrix) {
  const TemporaryFile file("");
  ASSERT_TRUE(WriteNpyMatrix(file.path(), std::vector<double>{1, 2, 3, 4, 5, 6}, 2, false).ok());
  const auto two = ReadDirectionsFile(file.path(), SmallSession());
  ASSERT_TRUE(two.ok()) << two.status();
  ASSERT_EQ(two->size(), 2u);
  EXPECT_THAT(FlatOf((*two)[1]), ElementsAre(4, 5, 6));
  EXPECT_EQ(ReadParametersFile(file.path(), SmallSession()).status().code(), absl::StatusCode::kInvalidArgument);
  const TemporaryFile text("1 2 3");
  const auto one = ReadDirectionsFile(text.path(), SmallSession());
  ASSERT_TRUE(one.ok()) << one.status();
  ASSERT_EQ(one->size(), 1u);
  EXPECT_THAT(FlatOf(one->front()), ElementsAre(1, 2, 3));
  EXPECT_EQ(ReadDirectionsFile("/nonexistent", SmallSession()).status().code(), absl::StatusCode::kNotFound);
}

TEST(ParametersFileTest, WhatItIsNotIsSaidOfTheFile) {
  EXPECT_THAT(std::string(Read("1,2").status().message()), HasSubstr("2 numbers for a network of 3 parameters"));
  EXPECT_THAT(std::string(Read("").status().message()), HasSubstr("0 numbers"));
  EXPECT_THAT(std::string(Read("1,two,3").status().message()), HasSubstr("\"two\" is not a number"));
  EXPECT_THAT(std::string(Read("{\"layers\": 7}").status().message()), HasSubstr("Parameters in JSON"));
  EXPECT_EQ(ReadParametersFile("/nonexistent", SmallSession()).status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace backprop::client
