// How a server that is about to end ends the streams that are open.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "tests/server/services/training_run_service.h"

namespace backprop::server {
namespace {

class StreamSlotsTest : public TrainingRunServiceTest {
 protected:
  // Ends silent streams again and again: a stream may not have become silent when its answer has come.
  class EndingSilent {
   public:
    explicit EndingSilent(StreamSlots* streams)
        : thread_([this, streams] {
            while (!over_) streams->EndSilent();
          }) {}
    ~EndingSilent() { over_ = true; }

   private:
    std::atomic<bool> over_ = false;
    std::jthread thread_;
  };

  template <typename Stream>
  static void ExpectEnded(Stream* stream) {
    const RpcError error = ErrorOf(stream->Finish());
    EXPECT_EQ(error.code, grpc::UNAVAILABLE);
    EXPECT_NE(error.message.find("shutting down"), std::string::npos) << error.message;
  }

  // Has one message answered on a stream, and then is silent.
  template <typename Request, typename Response, typename Stub, typename Open>
  void ExpectEndedInSilence(const Stub& stub, Open open, const std::string& text) {
    grpc::ClientContext context;
    context.set_deadline(Deadline());
    const std::unique_ptr<grpc::ClientReaderWriter<Request, Response>> stream = ((*stub).*open)(&context);
    Response response;
    ASSERT_TRUE(stream->Write(Parse<Request>(text)));
    ASSERT_TRUE(stream->Read(&response)) << text;
    const EndingSilent ending(&server_.streams());
    EXPECT_FALSE(stream->Read(&response));
    ExpectEnded(stream.get());
  }
};

TEST_F(StreamSlotsTest, SilentStreamsAreToldAndOthersGoOn) {
  grpc::ClientContext context;
  context.set_deadline(Deadline());
  const auto watcher = Start(&context, kManyEpochs);
  v1::EpochReport report;
  ASSERT_TRUE(watcher->Read(&report));
  Create(server_, "b", "input_unit_count: 1 output_unit_count: 1 task: 1");
  const std::string inputs = "inputs { row_count: 1 column_count: 1 values: 1 }";
  const std::string patterns = "session: 'sessions/b' pattern_set: 's' patterns { " + inputs +
                               " targets { row_count: 1 column_count: 1 values: 1 } }";
  ExpectEndedInSilence<v1::AppendPatternsRequest, v1::AppendPatternsResponse>(server_.patterns,
                                                                              &PatternStub::AppendPatterns, patterns);
  ExpectEndedInSilence<v1::TrainOnlineRequest, v1::TrainOnlineResponse>(server_.training, &TrainingStub::TrainOnline,
                                                                        patterns);
  ExpectEndedInSilence<v1::PredictStreamRequest, v1::PredictResponse>(
      server_.predictions, &PredictionStub::PredictStream, "session: 'sessions/b' " + inputs);
  const int64_t seen = report.epoch();
  while (report.epoch() <= seen + 100) ASSERT_TRUE(watcher->Read(&report));
  server_.streams().EndAll();
  while (watcher->Read(&report)) {
  }
  ExpectEnded(watcher.get());
  Cancel("run-1");
}

}  // namespace
}  // namespace backprop::server
