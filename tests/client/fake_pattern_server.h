// A server of patterns and sessions on a real socket, which misbehaves as told.
#pragma once

#include <grpcpp/server.h>

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "backprop/v1/pattern_service.grpc.pb.h"

namespace backprop::client {

// What becomes of one message.
enum class Fate {
  // The stream ends UNAVAILABLE, nothing is stored.
  kDropBeforeStoring,
  // The batch is stored, and the stream ends UNAVAILABLE without an answer.
  kDropBeforeAnswering,
  // The answer's status is INVALID_ARGUMENT.
  kRefuse,
  // The answer's status is UNAVAILABLE, as of a server that shuts down.
  kRefuseUnavailable,
};

// One pattern set, which outlives the servers in front of it. Thread safe.
class FakePatternStore {
 public:
  // The patterns' first inputs, in the order stored.
  std::vector<float> stored() const;
  // The checksums that came with the batches stored.
  std::vector<int64_t> checksums() const;
  int message_count() const;
  // Most messages of a stream that were received and not answered.
  int max_unanswered() const;
  // Waits until so many messages were received.
  void WaitForMessages(int count) const;

  // The fate of the message with this number, counted from 0 over all streams.
  void SetFate(int message, Fate fate);
  void HoldAnswers(bool hold);
  // Forgets the last patterns, as a server that broke its promise.
  void Truncate(size_t pattern_count);

 private:
  friend class FakePatternService;

  google::rpc::Status Append(const v1::AppendPatternsRequest& request);
  // Settles the fate of a message; false when its stream is to be dropped.
  bool Take(const v1::AppendPatternsRequest& request, std::deque<v1::AppendPatternsResponse>& answers);
  // Waits for an answer that may be sent; nothing when there is none and the stream is `done`.
  std::optional<v1::AppendPatternsResponse> NextAnswer(std::deque<v1::AppendPatternsResponse>& answers,
                                                       const bool& done);

  mutable absl::Mutex mutex_;
  std::vector<float> stored_;
  std::vector<int64_t> checksums_;
  std::map<int, Fate> fates_;
  int message_count_ = 0;
  int max_unanswered_ = 0;
  bool answers_held_ = false;
};

class FakePatternService final : public v1::PatternService::Service {
 public:
  explicit FakePatternService(FakePatternStore& store) : store_(store) {}

  grpc::Status AppendPatterns(
      grpc::ServerContext* context,
      grpc::ServerReaderWriter<v1::AppendPatternsResponse, v1::AppendPatternsRequest>* stream) override;
  grpc::Status GetPatternSet(grpc::ServerContext* context, const v1::GetPatternSetRequest* request,
                             v1::PatternSet* response) override;
  grpc::Status ListPatternSets(grpc::ServerContext* context, const v1::ListPatternSetsRequest* request,
                               v1::ListPatternSetsResponse* response) override;

 private:
  FakePatternStore& store_;
};

// Serves the store, with any other services, until it is destroyed; that cuts the connections.
class FakeServer {
 public:
  // Port 0 takes a free one.
  explicit FakeServer(FakePatternStore& store, int port = 0, std::vector<grpc::Service*> others = {});
  ~FakeServer();

  [[nodiscard]] int port() const { return port_; }
  [[nodiscard]] std::string address() const;

 private:
  FakePatternService service_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace backprop::client
