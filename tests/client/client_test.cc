#include "client/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>

#include "absl/synchronization/notification.h"
#include "google/rpc/error_details.pb.h"
#include "tests/client/fake_pattern_server.h"

namespace backprop::client {
namespace {

using testing::ElementsAre;

// Waits with its answers until it is let go.
class SlowSessions final : public v1::SessionService::Service {
 public:
  absl::Notification go;

  grpc::Status GetSession(grpc::ServerContext*, const v1::GetSessionRequest*, v1::Session*) override {
    go.WaitForNotification();
    return grpc::Status::OK;
  }

  grpc::Status CreateSession(grpc::ServerContext*, const v1::CreateSessionRequest*, v1::Session*) override {
    google::rpc::BadRequest bad_request;
    bad_request.add_field_violations()->set_field("session_id");
    google::rpc::Status status;
    status.add_details()->PackFrom(bad_request);
    return {grpc::StatusCode::INVALID_ARGUMENT, "bad", status.SerializeAsString()};
  }

  grpc::Status ListSessions(grpc::ServerContext*, const v1::ListSessionsRequest*,
                            v1::ListSessionsResponse* response) override {
    response->add_sessions()->set_name(std::string(kLargeBytes, 'x'));
    return grpc::Status::OK;
  }

  // Above gRPC's own limit of 4 MiB.
  static constexpr size_t kLargeBytes = 5 << 20;
};

// Sends the run's name at once, and reports when it is let go.
class SlowTraining final : public v1::TrainingService::Service {
 public:
  absl::Notification go;

  grpc::Status RunEpochs(grpc::ServerContext* context, const v1::RunEpochsRequest* request,
                         grpc::ServerWriter<v1::EpochReport>* writer) override {
    if (request->epoch_count() < 1) return {grpc::StatusCode::INVALID_ARGUMENT, "no epochs"};
    context->AddInitialMetadata(kTrainingRunMetadata, "sessions/x/trainingRuns/r");
    writer->SendInitialMetadata();
    go.WaitForNotification();
    v1::EpochReport report;
    for (int64_t epoch = 1; epoch <= request->epoch_count(); ++epoch) {
      report.set_epoch(epoch);
      writer->Write(report);
    }
    return {grpc::StatusCode::ABORTED, "not finite"};
  }
};

// Answers with the id of the first message, and how many messages with how many bytes came.
class ImportedSessions final : public v1::SessionService::Service {
 public:
  grpc::Status ImportSession(grpc::ServerContext*, grpc::ServerReader<v1::ImportSessionRequest>* reader,
                             v1::Session* response) override {
    v1::ImportSessionRequest request;
    for (int64_t count = 0; reader->Read(&request); response->set_model_version(++count)) {
      if (count == 0) response->set_name(request.session_id());
      response->set_parameter_count(response->parameter_count() + std::ssize(request.data()));
    }
    return grpc::Status::OK;
  }
};

class ClientTest : public testing::Test {
 protected:
  ClientTest() : server_(store_, 0, {&sessions_, &training_}), client_(server_.address()) {}

  ~ClientTest() override {
    if (!sessions_.go.HasBeenNotified()) sessions_.go.Notify();
    if (!training_.go.HasBeenNotified()) training_.go.Notify();
  }

  SlowSessions sessions_;
  SlowTraining training_;
  FakePatternStore store_;
  FakeServer server_;
  Client client_;
};

TEST_F(ClientTest, CallEndsAtItsTimeout) {
  const auto session = client_.GetSession({}, {.timeout = absl::Milliseconds(20)});
  EXPECT_EQ(session.status().code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(ClientTest, CallWithoutTimeoutTakesTheClients) {
  ClientOptions options;
  options.timeout = absl::Milliseconds(20);
  const Client hasty(server_.address(), options);
  EXPECT_EQ(hasty.GetSession({}).status().code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(ClientTest, InfiniteTimeoutWaitsForTheAnswer) {
  sessions_.go.Notify();
  EXPECT_TRUE(client_.GetSession({}, {.timeout = absl::InfiniteDuration()}).ok());
}

TEST_F(ClientTest, ErrorsCarryTheirDetails) {
  const auto session = client_.CreateSession({});
  ASSERT_EQ(session.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(DetailsOf(session.status()).field_violations, ElementsAre(FieldViolation{"session_id", ""}));
}

TEST_F(ClientTest, LargeMessagesArrive) {
  const auto sessions = client_.ListSessions({});
  ASSERT_TRUE(sessions.ok()) << sessions.status();
  EXPECT_EQ(sessions->sessions(0).name().size(), SlowSessions::kLargeBytes);
}

TEST_F(ClientTest, UnimplementedMethodSaysSo) {
  EXPECT_EQ(client_.DeleteSession({}).code(), absl::StatusCode::kUnimplemented);
}

TEST_F(ClientTest, RunsNameIsKnownBeforeItsFirstReport) {
  v1::RunEpochsRequest request;
  request.set_epoch_count(1);
  const auto reports = client_.RunEpochs(request);
  EXPECT_EQ(reports->InitialMetadata(kTrainingRunMetadata), "sessions/x/trainingRuns/r");
}

TEST_F(ClientTest, ReportsComeInOrderAndThenTheRunsEnd) {
  v1::RunEpochsRequest request;
  request.set_epoch_count(2);
  training_.go.Notify();
  const auto reports = client_.RunEpochs(request);
  std::vector<int64_t> epochs;
  for (v1::EpochReport report; reports->Read(&report);) epochs.push_back(report.epoch());
  EXPECT_THAT(epochs, ElementsAre(1, 2));
  EXPECT_EQ(reports->Finish(), absl::AbortedError("not finite"));
}

TEST_F(ClientTest, RefusedRunHasNoName) {
  const auto reports = client_.RunEpochs({});
  EXPECT_EQ(reports->InitialMetadata(kTrainingRunMetadata), "");
  EXPECT_EQ(reports->Finish(), absl::InvalidArgumentError("no epochs"));
}

TEST_F(ClientTest, DestroyedStreamDoesNotWaitForTheServer) {
  v1::RunEpochsRequest request;
  request.set_epoch_count(1);
  { const auto reports = client_.RunEpochs(request); }
  EXPECT_FALSE(training_.go.HasBeenNotified());
}

TEST_F(ClientTest, StreamTakesATimeout) {
  v1::RunEpochsRequest request;
  request.set_epoch_count(1);
  const auto reports = client_.RunEpochs(request, {.timeout = absl::Milliseconds(20)});
  EXPECT_EQ(reports->Finish().code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(ClientTest, HealthyServerIsServing) { EXPECT_EQ(client_.CheckHealth(), absl::OkStatus()); }

TEST(ClientImportTest, AFileOfNoBytesHasAnIdAllTheSame) {
  ImportedSessions sessions;
  FakePatternStore store;
  FakeServer server(store, 0, {&sessions});
  const Client client(server.address());
  for (const int part_count : {0, 1, 3}) {
    int left = part_count;
    const auto session = client.ImportSession("x", [&] { return left-- > 0 ? std::string("abc") : std::string(); });
    ASSERT_EQ(session.status(), absl::OkStatus());
    EXPECT_EQ(session->name(), "x");
    EXPECT_EQ(session->model_version(), std::max(part_count, 1));
    EXPECT_EQ(session->parameter_count(), 3 * part_count);
  }
}

TEST(ClientWithoutServerTest, CallsAreUnavailable) {
  const Client client("127.0.0.1:1");
  EXPECT_EQ(client.GetSession({}).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(client.CheckHealth().code(), absl::StatusCode::kUnavailable);
  EXPECT_FALSE(client.WaitForConnected(absl::Milliseconds(20)));
}

}  // namespace
}  // namespace backprop::client
