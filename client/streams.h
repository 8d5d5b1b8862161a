// Streaming calls. Destroying a stream that was not finished cancels its call; it never waits for the server's work.
#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/support/sync_stream.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "client/error.h"

namespace backprop::client {

// The answers of one server-streaming call. One thread reads; Cancel may be called from any thread.
template <typename Response>
class ResponseStream {
 public:
  using Reader = grpc::ClientReaderInterface<Response>;

  // `start` is called once, with a context that it may still change, and starts the call on it.
  template <typename Start>
  explicit ResponseStream(Start start) : reader_(start(&context_)) {}

  ~ResponseStream() {
    Cancel();
    Finish().IgnoreError();
  }
  ResponseStream(const ResponseStream&) = delete;
  ResponseStream& operator=(const ResponseStream&) = delete;

  // Waits for the next answer. False at the end: Finish says why.
  [[nodiscard]] bool Read(Response* response) { return !finished_ && reader_->Read(response); }

  // Waits for what the server sends ahead of its answers; empty when it did not send `key` or the call failed before.
  [[nodiscard]] std::string InitialMetadata(const std::string& key) {
    if (!std::exchange(has_metadata_, true)) reader_->WaitForInitialMetadata();
    const auto& metadata = context_.GetServerInitialMetadata();
    const auto found = metadata.find(key);
    return found == metadata.end() ? std::string() : std::string(found->second.data(), found->second.size());
  }

  // Ends the call early; the server's work that outlives calls goes on.
  void Cancel() { context_.TryCancel(); }

  // Drops the answers not read yet, waits for the end of the call and gives its status; again, the same status.
  absl::Status Finish() {
    if (!std::exchange(finished_, true)) {
      for (Response dropped; reader_->Read(&dropped);) continue;
      status_ = StatusFrom(reader_->Finish());
    }
    return status_;
  }

 private:
  grpc::ClientContext context_;
  const std::unique_ptr<Reader> reader_;
  bool has_metadata_ = false;
  bool finished_ = false;
  absl::Status status_;
};

// One call with a stream each way. One thread may write while another reads; Cancel may be called from any thread.
template <typename Request, typename Response>
class RequestStream {
 public:
  using Stream = grpc::ClientReaderWriterInterface<Request, Response>;

  // As of ResponseStream.
  template <typename Start>
  explicit RequestStream(Start start) : stream_(start(&context_)) {}

  ~RequestStream() {
    Cancel();
    Finish().IgnoreError();
  }
  RequestStream(const RequestStream&) = delete;
  RequestStream& operator=(const RequestStream&) = delete;

  // Waits while the transport is full. False when the call has ended: Finish says why.
  [[nodiscard]] bool Write(const Request& request) { return stream_->Write(request); }

  // Says that no request follows; answers may still be read.
  void WritesDone() {
    if (!std::exchange(writes_done_, true)) stream_->WritesDone();
  }

  // Waits for the next answer. False at the end: Finish says why.
  [[nodiscard]] bool Read(Response* response) { return stream_->Read(response); }

  // Ends the call early.
  void Cancel() { context_.TryCancel(); }

  // Drops the answers not read yet, waits for the end of the call and gives its status; again, the same status.
  absl::Status Finish() {
    if (!std::exchange(finished_, true)) {
      WritesDone();
      for (Response dropped; stream_->Read(&dropped);) continue;
      status_ = StatusFrom(stream_->Finish());
    }
    return status_;
  }

 private:
  grpc::ClientContext context_;
  const std::unique_ptr<Stream> stream_;
  bool writes_done_ = false;
  bool finished_ = false;
  absl::Status status_;
};

}  // namespace backprop::client
