#include "tests/server/services/raw_call.h"

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/byte_buffer.h>

#include <chrono>

namespace backprop::server {
namespace {

// True when the one operation under way on the queue succeeded.
bool Next(grpc::CompletionQueue* queue) {
  void* tag = nullptr;
  bool ok = false;
  return queue->Next(&tag, &ok) && ok;
}

std::string BytesOf(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  std::string bytes;
  if (!buffer.Dump(&slices).ok()) return bytes;
  for (const grpc::Slice& slice : slices) bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return bytes;
}

}  // namespace

RawAnswer RawCall(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                  const std::vector<std::string>& requests) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
  grpc::CompletionQueue queue;
  const auto call = stub.PrepareCall(&context, method, &queue);
  RawAnswer answer;
  call->StartCall(nullptr);
  bool open = Next(&queue);
  for (size_t i = 0; open && i < requests.size(); ++i) {
    grpc::Slice slice(requests[i]);
    call->Write(grpc::ByteBuffer(&slice, 1), nullptr);
    open = Next(&queue);
  }
  if (open) {
    call->WritesDone(nullptr);
    Next(&queue);
  }
  for (grpc::ByteBuffer buffer;; answer.responses.push_back(BytesOf(buffer))) {
    call->Read(&buffer, nullptr);
    if (!Next(&queue)) break;
  }
  call->Finish(&answer.status, nullptr);
  Next(&queue);
  return answer;
}

}  // namespace backprop::server
