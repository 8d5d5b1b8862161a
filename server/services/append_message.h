// A message of AppendPatterns as it was received: the elements of its matrices stay where the network put them.
#pragma once

#include <grpcpp/support/byte_buffer.h>

#include "absl/status/status.h"
#include "backprop/v1/pattern_service.pb.h"
#include "google/protobuf/io/coded_stream.h"
#include "server/services/matrix_view.h"

namespace backprop::server {

// Not thread-safe.
class AppendMessage {
 public:
  AppendMessage() = default;
  AppendMessage(const AppendMessage&) = delete;
  AppendMessage& operator=(const AppendMessage&) = delete;

  // Takes `bytes`, once. INVALID_ARGUMENT when they are no AppendPatternsRequest: this is empty then.
  absl::Status Take(grpc::ByteBuffer* bytes);

  // All of the message but the elements of inputs and targets.
  const v1::AppendPatternsRequest& request() const { return request_; }
  // Its patterns, valid as long as it is.
  const PatternsView& patterns() const { return patterns_; }

 private:
  using Input = google::protobuf::io::CodedInputStream;

  // Decodes the message in the form in which protobuf's libraries write it: every field once, the elements of a matrix
  // in one piece. False for any other, which may still be valid.
  bool TakeInPlace();
  bool TakePatterns(Input* input);
  bool TakeMatrix(Input* input, v1::Matrix* matrix, MatrixView* view);

  grpc::ByteBuffer bytes_;
  v1::AppendPatternsRequest request_;
  PatternsView patterns_{request_.patterns()};
};

}  // namespace backprop::server
