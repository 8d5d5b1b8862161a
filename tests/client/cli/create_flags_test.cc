#include "client/cli/create_flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "absl/status/status.h"

namespace backprop::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;
using testing::UnorderedElementsAre;

// What `create` with these arguments asks for. Throws CLI::ParseError as the command line does.
absl::StatusOr<v1::CreateSessionRequest> Create(const std::string& arguments) {
  CLI::App app;
  CreateFlags flags;
  AddCreateFlags(app, flags);
  app.parse(arguments);
  return CreateRequestFrom(flags);
}

TEST(CreateFlagsTest, FewFlagsGiveTheDefaults) {
  const auto request = Create("digits --layers 784,128,10 --task multiway");
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->session_id(), "digits");
  const v1::NetworkSpec& network = request->session().network();
  EXPECT_EQ(network.input_unit_count(), 784);
  ASSERT_EQ(network.hidden_layers_size(), 1);
  EXPECT_EQ(network.hidden_layers(0).unit_count(), 128);
  EXPECT_EQ(network.output_unit_count(), 10);
  EXPECT_EQ(network.task(), v1::TASK_MULTIWAY_CLASSIFICATION);
  EXPECT_EQ(network.precision(), v1::PRECISION_FLOAT32);
  EXPECT_EQ(network.initial_weights().distribution(), v1::InitialWeights::DISTRIBUTION_GLOROT_UNIFORM);
}

TEST(CreateFlagsTest, EveryFlagIsTaken) {
  const auto request = Create(
      "x --layers 2,3,4,1 --task binary --hidden tanh,relu --precision float64 --seed 7 --initial-weights uniform "
      "--range 0.25 --names no,yes --label team=vision --label note=a=b");
  ASSERT_TRUE(request.ok()) << request.status();
  const v1::NetworkSpec& network = request->session().network();
  EXPECT_EQ(network.task(), v1::TASK_BINARY_CLASSIFICATION);
  EXPECT_EQ(network.hidden_layers(0).activation(), v1::ACTIVATION_TANH);
  EXPECT_EQ(network.hidden_layers(1).activation(), v1::ACTIVATION_RELU);
  EXPECT_EQ(network.precision(), v1::PRECISION_FLOAT64);
  EXPECT_EQ(network.initial_weights().seed(), 7);
  EXPECT_EQ(network.initial_weights().distribution(), v1::InitialWeights::DISTRIBUTION_UNIFORM);
  EXPECT_EQ(network.initial_weights().range(), 0.25);
  EXPECT_THAT(network.output_names(), ElementsAre("no", "yes"));
  EXPECT_THAT(request->session().labels(), UnorderedElementsAre(Pair("team", "vision"), Pair("note", "a=b")));
}

TEST(CreateFlagsTest, OneActivationIsForAllHiddenLayers) {
  const auto request = Create("x --layers 2,3,4,1 --task regression --hidden identity");
  ASSERT_TRUE(request.ok());
  EXPECT_EQ(request->session().network().hidden_layers(0).activation(), v1::ACTIVATION_IDENTITY);
  EXPECT_EQ(request->session().network().hidden_layers(1).activation(), v1::ACTIVATION_IDENTITY);
}

TEST(CreateFlagsTest, ANetworkNeedsNoHiddenLayer) {
  EXPECT_EQ(Create("x --layers 4,3 --task multiway")->session().network().hidden_layers_size(), 0);
}

TEST(CreateFlagsTest, FlagsThatDoNotGoTogetherAreRefused) {
  for (const auto& [arguments, message] : std::vector<std::pair<std::string, std::string>>{
           {"x --layers 4 --task multiway", "at least the input and the output layer"},
           {"x --layers 4,2,3 --task multiway --hidden tanh,relu", "2 activations for 1 hidden layers"},
           {"x --layers 4,3 --task multiway --label team", "must be KEY=VALUE"},
       }) {
    const auto request = Create(arguments);
    EXPECT_EQ(request.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(request.status().message()), HasSubstr(message));
  }
}

TEST(CreateFlagsTest, UnknownWordsAreRefused) {
  for (const char* arguments : {"x --layers 4,3 --task foo", "x --layers 4,3 --task binary --hidden foo",
                                "x --layers 4,x --task binary", "x --task binary", "--layers 4,3 --task binary"}) {
    EXPECT_THROW(static_cast<void>(Create(arguments)), CLI::ParseError) << arguments;
  }
}

}  // namespace
}  // namespace backprop::client
