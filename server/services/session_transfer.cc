// The part of SessionService that gives sessions away as files and takes them in.
#include "absl/strings/str_cat.h"
#include "core/error.h"
#include "server/services/limits.h"
#include "server/services/received_message.h"
#include "server/services/session_codec.h"
#include "server/services/session_service.h"

namespace backprop::server {
namespace {

absl::Status FileTooLarge(int64_t most) {
  return WithMetadata(Error(absl::StatusCode::kResourceExhausted, "MEMORY_LIMIT",
                            absl::StrCat("the file is longer than ", most,
                                         " bytes, which no session within this server's memory limit ",
                                         "is; restore it on a server with a larger --memory-limit")),
                      "limit", most);
}

}  // namespace

SessionServiceImpl::SessionServiceImpl(const ServiceContext& context) : context_(context) {
  MarkMethodStreamed(MethodIndex("backprop.v1.SessionService.ImportSession"),
                     new grpc::internal::ClientStreamingHandler<SessionServiceImpl, grpc::ByteBuffer, v1::Session>(
                         &SessionServiceImpl::ImportStream, this));
}

grpc::Status SessionServiceImpl::ExportSession(grpc::ServerContext* call, const v1::ExportSessionRequest* request,
                                               grpc::ServerWriter<v1::ExportSessionResponse>* writer) {
  const absl::StatusOr<StreamSlots::Slot> slot = context_.streams->Take(call);
  if (!slot.ok()) return ToGrpcStatus(slot.status());
  const absl::StatusOr<std::string> id = ParseSessionName(request->name(), "name");
  if (!id.ok()) return ToGrpcStatus(id.status());
  const absl::StatusOr<std::unique_ptr<TransferFile>> file =
      context_.registry->Export(*id, [&] { return call->IsCancelled() || !CheckServing(context_).ok(); });
  if (absl::Status status = CheckServing(context_); !file.ok() && !status.ok()) return ToGrpcStatus(status);
  if (!file.ok()) return ToGrpcStatus(file.status());
  while (true) {
    absl::StatusOr<std::string> bytes = (*file)->Read(kTransferBytes);
    if (!bytes.ok()) return ToGrpcStatus(bytes.status());
    if (bytes->empty()) return grpc::Status::OK;
    v1::ExportSessionResponse response;
    response.set_data(*std::move(bytes));
    if (!writer->Write(response)) return ToGrpcStatus(CallerGone());
  }
}

absl::Status SessionServiceImpl::Import(grpc::ServerContext* call, ImportReader* reader, v1::Session* response) {
  if (absl::Status status = CheckServing(context_); !status.ok()) return status;
  v1::ImportSessionRequest request;
  absl::Status decoded;
  if (!ReadMessage(reader, &request, &decoded)) return InvalidField("session_id", "must be given, in a first message");
  if (!decoded.ok()) return decoded;
  const std::string id = request.session_id();
  if (absl::Status status = ValidateId(id, "session_id"); !status.ok()) return status;
  const absl::StatusOr<std::unique_ptr<TransferFile>> file = context_.registry->NewTransfer();
  if (!file.ok()) return file.status();
  const int64_t most = MaxTransferBytes(context_.registry->memory_limit_bytes());
  int64_t bytes = 0;
  do {
    bytes += std::ssize(request.data());
    if (bytes > most) return FileTooLarge(most);
    if (absl::Status status = (*file)->Append(request.data()); !status.ok()) return status;
  } while (ReadMessage(reader, &request, &decoded) && decoded.ok());
  if (!decoded.ok()) return decoded;
  if (call->IsCancelled()) return CallerGone();  // There may have been more to come.
  const absl::StatusOr<AnySession> session = context_.registry->Import(**file, id);
  if (session.ok()) *response = EncodeSession(*session);
  return session.status();
}

grpc::Status SessionServiceImpl::ImportStream(grpc::ServerContext* call, ImportReader* reader, v1::Session* response) {
  const absl::StatusOr<StreamSlots::Slot> slot = context_.streams->Take(call);
  if (!slot.ok()) return ToGrpcStatus(slot.status());
  return ToGrpcStatus(Import(call, reader, response));
}

}  // namespace backprop::server
