// The methods of Client that no command of the command line calls, at a server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "client/client.h"
#include "tests/server/services/test_server.h"

namespace backprop::client {
namespace {

using server::Parse;
using testing::ElementsAre;

class ClientMethodsTest : public testing::Test {
 protected:
  ClientMethodsTest() : client_(server_.address()) {
    server::Create(server_, "a", "input_unit_count: 1 output_unit_count: 1 task: 1 precision: 2");
  }

  server::TestServer server_;
  const Client client_;
};

TEST_F(ClientMethodsTest, PatternsAreLearnedReadAndDeleted) {
  {
    const std::unique_ptr<OnlineTraining> stream = client_.TrainOnline();
    auto request = Parse<v1::TrainOnlineRequest>(R"pb(
      session: 'sessions/a'
      pattern_set: 's'
      options { step_size: 0.5 }
      patterns {
        inputs {
          row_count: 2
          column_count: 1
          double_values: [ 1, 2 ]
        }
        targets {
          row_count: 2
          column_count: 1
          double_values: [ 3, 4 ]
        }
      })pb");
    ASSERT_TRUE(stream->Write(request));
    v1::TrainOnlineResponse response;
    ASSERT_TRUE(stream->Read(&response));
    EXPECT_EQ(response.status().code(), 0) << response.status().message();
    EXPECT_EQ(response.next_offset(), 2);
    EXPECT_EQ(response.model_version(), 1);
    EXPECT_EQ(stream->Finish(), absl::OkStatus());
  }
  {
    const std::unique_ptr<PatternMessages> messages =
        client_.ReadPatterns(Parse<v1::ReadPatternsRequest>("name: 'sessions/a/patternSets/s'"));
    v1::ReadPatternsResponse message;
    ASSERT_TRUE(messages->Read(&message));
    EXPECT_THAT(message.patterns().inputs().double_values(), ElementsAre(1, 2));
    EXPECT_THAT(message.patterns().targets().double_values(), ElementsAre(3, 4));
    EXPECT_FALSE(messages->Read(&message));
    EXPECT_EQ(messages->Finish(), absl::OkStatus());
  }
  const auto set = Parse<v1::DeletePatternSetRequest>("name: 'sessions/a/patternSets/s'");
  EXPECT_EQ(client_.DeletePatternSet(set), absl::OkStatus());
  EXPECT_EQ(client_.DeletePatternSet(set).code(), absl::StatusCode::kNotFound);
}

TEST_F(ClientMethodsTest, AGradientIsApplied) {
  const auto before = client_.GetParameters(Parse<v1::GetParametersRequest>("name: 'sessions/a'"));
  ASSERT_TRUE(before.ok()) << before.status();
  const auto answer = client_.ApplyGradient(Parse<v1::ApplyGradientRequest>(R"pb(
    session: 'sessions/a'
    options { step_size: 0.5 }
    gradient {
      layers {
        weights {
          row_count: 1
          column_count: 1
          double_values: [ 2 ]
        }
        biases {
          row_count: 1
          column_count: 1
          double_values: [ 4 ]
        }
      }
    })pb"));
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->model_version(), 1);
  const auto after = client_.GetParameters(Parse<v1::GetParametersRequest>("name: 'sessions/a'"));
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_EQ(after->layers(0).weights().double_values(0), before->layers(0).weights().double_values(0) + 1);
  EXPECT_EQ(after->layers(0).biases().double_values(0), before->layers(0).biases().double_values(0) + 2);
}

// Of 1/2 (y - 3)^2 at x = 2, where y = w x + b: minus [x^2 x; x 1].
TEST_F(ClientMethodsTest, AHessianVectorProductComesInOneAnswer) {
  const auto products = client_.ComputeHessianVectorProduct(Parse<v1::ComputeHessianVectorProductRequest>(R"pb(
    session: 'sessions/a'
    patterns {
      inputs {
        row_count: 1
        column_count: 1
        double_values: [ 2 ]
      }
      targets {
        row_count: 1
        column_count: 1
        double_values: [ 3 ]
      }
    }
    directions {
      layers {
        weights {
          row_count: 1
          column_count: 1
          double_values: [ 1 ]
        }
        biases {
          row_count: 1
          column_count: 1
          double_values: [ 10 ]
        }
      }
    })pb"));
  ASSERT_TRUE(products.ok()) << products.status();
  EXPECT_EQ(products->products(0).layers(0).weights().double_values(0), -24);
  EXPECT_EQ(products->products(0).layers(0).biases().double_values(0), -12);
}

}  // namespace
}  // namespace backprop::client
