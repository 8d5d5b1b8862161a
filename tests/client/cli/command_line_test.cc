// Whole commands against a fake server: what is sent, and what the exit says.
#include "client/cli/commands.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>

#include "tests/client/fake_pattern_server.h"
#include "tests/client/temporary_file.h"

namespace backprop::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class FakeSessions final : public v1::SessionService::Service {
 public:
  FakeSessions() {
    session.set_name("sessions/x");
    session.mutable_network()->set_input_unit_count(1);
    session.mutable_network()->set_output_unit_count(2);
    session.mutable_network()->set_task(v1::TASK_MULTIWAY_CLASSIFICATION);
  }

  v1::Session session;
  // Set between the calls of a command; empty: none.
  std::string names_of_another;

  grpc::Status GetSession(grpc::ServerContext*, const v1::GetSessionRequest*, v1::Session* response) override {
    *response = session;
    return grpc::Status::OK;
  }

  grpc::Status UpdateSession(grpc::ServerContext*, const v1::UpdateSessionRequest* request,
                             v1::Session* response) override {
    if (!names_of_another.empty())
      return {grpc::StatusCode::FAILED_PRECONDITION, "there are names: " + names_of_another};
    *session.mutable_network()->mutable_output_names() = request->session().network().output_names();
    *response = session;
    return grpc::Status::OK;
  }
};

class FakePredictions final : public v1::PredictionService::Service {
 public:
  // Patterns of each request.
  std::vector<int> request_sizes;
  // Inputs above it are refused.
  float largest = 1e9F;

  grpc::Status PredictStream(grpc::ServerContext*,
                             grpc::ServerReaderWriter<v1::PredictResponse, v1::PredictStreamRequest>* stream) override {
    for (v1::PredictStreamRequest request; stream->Read(&request);) {
      const int count = request.inputs().row_count();
      request_sizes.push_back(count);
      const auto& values = request.inputs().values();
      if (const auto bad = std::find_if(values.begin(), values.end(), [this](float x) { return x > largest; });
          bad != values.end()) {
        return {grpc::StatusCode::INVALID_ARGUMENT, "too large in row " + std::to_string(bad - values.begin())};
      }
      v1::PredictResponse response;
      response.mutable_outputs()->set_row_count(count);
      response.mutable_outputs()->set_column_count(1);
      *response.mutable_outputs()->mutable_values() = request.inputs().values();
      stream->Write(response);
    }
    return grpc::Status::OK;
  }
};

class FakeTraining final : public v1::TrainingService::Service {
 public:
  v1::RunEpochsRequest last_request;

  grpc::Status RunEpochs(grpc::ServerContext* context, const v1::RunEpochsRequest* request,
                         grpc::ServerWriter<v1::EpochReport>* writer) override {
    last_request = *request;
    context->AddInitialMetadata(kTrainingRunMetadata, "sessions/x/trainingRuns/r");
    writer->SendInitialMetadata();
    v1::EpochReport report;
    for (int64_t epoch = 1; epoch <= request->epoch_count(); ++epoch) {
      report.set_epoch(epoch);
      writer->Write(report);
    }
    return request->epoch_count() < 5 ? grpc::Status::OK : grpc::Status(grpc::StatusCode::ABORTED, "not finite");
  }

  grpc::Status GetTrainingRun(grpc::ServerContext*, const v1::GetTrainingRunRequest* request,
                              v1::TrainingRun* response) override {
    response->set_name(request->name());
    response->set_state(v1::TrainingRun::STATE_SUCCEEDED);
    response->set_completed_epoch_count(2);
    return grpc::Status::OK;
  }
};

class CommandLineTest : public testing::Test {
 protected:
  // Runs `arguments` and keeps what was printed.
  absl::Status Run(const std::vector<std::string>& arguments) {
    CommandContext context;
    context.server = server_.address();
    context.output = output_format_;
    CLI::App app;
    AddCommands(app, context);
    // CLI11 takes the arguments from the back.
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
    testing::internal::CaptureStdout();
    const absl::Status status = context.command();
    output_ = testing::internal::GetCapturedStdout();
    return status;
  }

  FakeSessions sessions_;
  FakePredictions predictions_;
  FakeTraining training_;
  FakePatternStore store_;
  FakeServer server_{store_, 0, {&sessions_, &predictions_, &training_}};
  std::string output_format_ = "text";
  std::string output_;
};

TEST_F(CommandLineTest, AppendSaysHowManyPatternsWereStored) {
  const TemporaryFile file("1,0\n2,1\n3,0\n");
  ASSERT_EQ(Run({"append", "x", file.path()}), absl::OkStatus());
  EXPECT_EQ(output_, "appended 3 patterns to sessions/x/patternSets/training (3 in all)\n");
  EXPECT_THAT(store_.stored(), ElementsAre(1, 2, 3));
}

TEST_F(CommandLineTest, AppendGivesTheSessionTheClassNamesOfTheFile) {
  const TemporaryFile file("1,dog\n2,cat\n");
  ASSERT_EQ(Run({"append", "x", file.path()}), absl::OkStatus());
  EXPECT_EQ(output_, "appended 2 patterns to sessions/x/patternSets/training (2 in all)\nnamed the classes cat, dog\n");
  EXPECT_THAT(sessions_.session.network().output_names(), ElementsAre("cat", "dog"));
}

TEST_F(CommandLineTest, AppendRefusesClassNamesForAFileThatFollowsClassIndices) {
  // Of the classes 1, 2 and 3 the first file lacks the last, so its labels pass for indices.
  sessions_.session.mutable_network()->set_output_unit_count(3);
  const TemporaryFile first("5,1\n6,2\n"), second("7,1\n8,2\n9,3\n");
  ASSERT_EQ(Run({"append", "x", first.path()}), absl::OkStatus());
  EXPECT_EQ(Run({"append", "x", second.path()}).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(sessions_.session.network().output_names(), IsEmpty());
  EXPECT_EQ(store_.stored().size(), 2);
}

TEST_F(CommandLineTest, AppendSaysThatAnotherNamedTheClassesMeanwhile) {
  sessions_.names_of_another = "fish, bird";
  const TemporaryFile file("1,dog\n2,cat\n");
  const absl::Status status = Run({"append", "x", file.path()});
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("fish, bird (another command named the classes at the same time, and not as this file's, cat, "
                        "dog; nothing of this file is stored; repeat"));
  EXPECT_THAT(store_.stored(), IsEmpty());
}

TEST_F(CommandLineTest, AppendBeyondTheEndLeavesNoClassNamesBehind) {
  const TemporaryFile file("1,dog\n2,cat\n");
  EXPECT_EQ(Run({"append", "x", file.path(), "--offset", "5"}),
            absl::OutOfRangeError("--offset 5: the session has no patterns yet, so the first goes to offset 0"));
  EXPECT_THAT(sessions_.session.network().output_names(), IsEmpty());
  EXPECT_EQ(Run({"append", "x", file.path(), "--offset", "0"}), absl::OkStatus());
}

TEST_F(CommandLineTest, AppendTakesANegativeTargetColumnBeforeTheName) {
  const TemporaryFile file("1,0\n");
  EXPECT_EQ(Run({"append", "--targets", "-1", "x", file.path()}), absl::OkStatus());
}

TEST_F(CommandLineTest, AppendOfABadFileChangesNothing) {
  const TemporaryFile file("1,dog\nx,cat\n");
  EXPECT_EQ(Run({"append", "x", file.path()}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(sessions_.session.network().output_names(), IsEmpty());
  EXPECT_THAT(store_.stored(), IsEmpty());
}

TEST_F(CommandLineTest, AppendThatFailsLateSaysHowManyPatternsAreStored) {
  std::string content;
  // More than the 65,536 patterns of a batch.
  for (int i = 0; i < 70'000; ++i) content += "1,0\n";
  const TemporaryFile file(content + "x,0\n");
  const absl::Status status = Run({"append", "x", file.path()});
  EXPECT_THAT(std::string(status.message()), HasSubstr("row 70001"));
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("(65536 patterns before it are stored; repeat the command with --offset 0 "));
}

TEST_F(CommandLineTest, RefusedAppendIsNotToBeRepeatedAndSaysWhereItsBatchIs) {
  store_.SetFate(1, Fate::kRefuse);
  std::string content;
  for (int i = 0; i < 140'000; ++i) content += "1,0\n";
  const TemporaryFile file(content);
  const absl::Status status = Run({"append", "x", file.path(), "--skip", "10"});
  EXPECT_EQ(status, absl::InvalidArgumentError("refused as told (rows are counted from 0 in the batch that begins at "
                                               "pattern 65546) (65536 patterns before it are stored)"));
}

TEST_F(CommandLineTest, PredictPrintsALineForEachPatternInOrder) {
  const TemporaryFile file("5\n7\n");
  ASSERT_EQ(Run({"predict", "x", file.path()}), absl::OkStatus());
  EXPECT_EQ(output_, "5\n7\n");
}

TEST_F(CommandLineTest, PredictStopsAtTheCount) {
  const TemporaryFile file("5\n6\n7\n");
  ASSERT_EQ(Run({"predict", "x", file.path(), "--count", "2"}), absl::OkStatus());
  EXPECT_EQ(output_, "5\n6\n");
}

TEST_F(CommandLineTest, PredictSendsLargeFilesInBatches) {
  std::string content;
  for (int i = 0; i < 400'000; ++i) content += "1\n";
  const TemporaryFile file(content);
  ASSERT_EQ(Run({"predict", "x", file.path()}), absl::OkStatus());
  EXPECT_THAT(predictions_.request_sizes, ElementsAre(65'536, 65'536, 65'536, 65'536, 65'536, 65'536, 6'784));
  EXPECT_EQ(output_.size(), content.size());
}

TEST_F(CommandLineTest, RefusedPredictionSaysWhereItsBatchIs) {
  predictions_.largest = 1;
  std::string content;
  for (int i = 0; i < 140'000; ++i) content += i == 131'075 ? "2\n" : "1\n";
  const TemporaryFile file(content);
  EXPECT_EQ(Run({"predict", "x", file.path()}),
            absl::InvalidArgumentError(
                "too large in row 3 (rows are counted from 0 in the batch that begins at pattern 131072)"));
  EXPECT_EQ(output_.size(), 2 * 131'072);
}

TEST_F(CommandLineTest, WholeNumbersOutOfRangeAreRefusedInPlainWords) {
  const auto said = [this](const std::vector<std::string>& arguments) -> std::string {
    try {
      Run(arguments).IgnoreError();
    } catch (const CLI::ParseError& error) {
      return error.what();
    }
    return "taken";
  };
  const std::string large = "99999999999999999999", to_largest = " to 9223372036854775807, but is ";
  EXPECT_EQ(said({"append", "x", "f", "--count", "0"}), "--count: must be a whole number from 1" + to_largest + "0");
  EXPECT_EQ(said({"append", "x", "f", "--offset", "-1"}),
            "--offset: must be a whole number from 0" + to_largest + "-1");
  EXPECT_EQ(said({"train", "x", "--epochs", large}),
            "--epochs: must be a whole number from -9223372036854775808" + to_largest + large);
  EXPECT_EQ(said({"train", "x", "--epochs", "1", "--patience", large}),
            "--patience: must be a whole number from -2147483648 to 2147483647, but is " + large);
}

TEST_F(CommandLineTest, TrainPrintsALineForEachEpochAndTheEnd) {
  ASSERT_EQ(Run({"train", "x", "--epochs", "2"}), absl::OkStatus());
  EXPECT_EQ(output_,
            "epoch 1/2  log likelihood 0  0 patterns/s\nepoch 2/2  log likelihood 0  0 patterns/s\n"
            "sessions/x/trainingRuns/r succeeded after 2 epochs, model version 0\n");
}

TEST_F(CommandLineTest, TrainPrintsAMessageALineAsJson) {
  output_format_ = "json";
  ASSERT_EQ(Run({"train", "x", "--epochs", "2"}), absl::OkStatus());
  EXPECT_EQ(output_, "{\"epoch\":\"1\"}\n{\"epoch\":\"2\"}\n");
}

TEST_F(CommandLineTest, TrainFailsAsItsRunDoes) {
  EXPECT_EQ(Run({"train", "x", "--epochs", "5"}), absl::AbortedError("not finite"));
}

TEST_F(CommandLineTest, DetachedTrainingPrintsTheRunsName) {
  ASSERT_EQ(Run({"train", "x", "--epochs", "2", "--detach"}), absl::OkStatus());
  EXPECT_EQ(output_, "started sessions/x/trainingRuns/r\n");
}

TEST_F(CommandLineTest, TrainSendsItsFlags) {
  ASSERT_EQ(Run({"train", "x", "--set", "a", "--validation-set", "b", "--epochs", "1", "--optimizer", "adam"}),
            absl::OkStatus());
  EXPECT_EQ(training_.last_request.session(), "sessions/x");
  EXPECT_EQ(training_.last_request.pattern_set(), "a");
  EXPECT_EQ(training_.last_request.validation_pattern_set(), "b");
  EXPECT_TRUE(training_.last_request.options().has_adam());
}

TEST_F(CommandLineTest, HealthPrintsServing) {
  ASSERT_EQ(Run({"health"}), absl::OkStatus());
  EXPECT_EQ(output_, "SERVING\n");
}

TEST_F(CommandLineTest, MissingArgumentsAreRefused) {
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
           {"create", "x"}, {"append", "x"}, {"train", "x"}, {"copy", "x"}, {"delete"}, {"frobnicate"}}) {
    EXPECT_THROW(Run(arguments).IgnoreError(), CLI::ParseError) << arguments.front();
  }
}

}  // namespace
}  // namespace backprop::client
