// A server with a session of four patterns, and calls that train it.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "tests/server/services/test_server.h"

namespace backprop::server {

inline constexpr char kManyEpochs[] = "session: 'sessions/a' pattern_set: 's' epoch_count: 1000000";

class TrainingRunServiceTest : public testing::Test {
 protected:
  explicit TrainingRunServiceTest(const TestServerOptions& options = {}) : server_(options) {
    Create(server_, "a", "input_unit_count: 2 hidden_layers { unit_count: 3 } output_unit_count: 1 task: 2");
    Append(server_, R"pb(
      session: 'sessions/a'
      pattern_set: 's'
      patterns {
        inputs {
          row_count: 4
          column_count: 2
          values: [ 0, 0, 0, 1, 1, 0, 1, 1 ]
        }
        targets {
          row_count: 4
          column_count: 1
          values: [ 0, 1, 1, 0 ]
        }
      })pb");
  }

  Streamed<v1::EpochReport> Run(const std::string& fields) {
    return Collect(server_.training, &TrainingStub::RunEpochs, "session: 'sessions/a' pattern_set: 's' " + fields);
  }
  v1::TrainingRun Get(const std::string& run) {
    return Must(server_.training, &TrainingStub::GetTrainingRun, "name: 'sessions/a/trainingRuns/" + run + "'");
  }
  v1::TrainingRun Cancel(const std::string& run) {
    return Must(server_.training, &TrainingStub::CancelTrainingRun, "name: 'sessions/a/trainingRuns/" + run + "'");
  }
  std::unique_ptr<grpc::ClientReader<v1::EpochReport>> Start(grpc::ClientContext* context, const std::string& text) {
    context->set_deadline(Deadline());
    return server_.training->RunEpochs(context, Parse<v1::RunEpochsRequest>(text));
  }

  TestServer server_;
};

}  // namespace backprop::server
