#include "client/error.h"

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"

namespace backprop::client {
namespace {

constexpr char kTypePrefix[] = "type.googleapis.com/";

absl::Status WithDetails(absl::Status status, const google::rpc::Status& from) {
  for (const google::protobuf::Any& detail : from.details()) {
    status.SetPayload(detail.type_url(), absl::Cord(detail.value()));
  }
  return status;
}

// True when `status` carries a Detail that parses.
template <typename Detail>
bool GetDetail(const absl::Status& status, Detail* detail) {
  const auto payload = status.GetPayload(kTypePrefix + Detail::descriptor()->full_name());
  return payload.has_value() && detail->ParseFromString(std::string(*payload));
}

}  // namespace

ErrorDetails DetailsOf(const absl::Status& status) {
  ErrorDetails details;
  if (google::rpc::ErrorInfo info; GetDetail(status, &info)) {
    details.reason = info.reason();
    details.domain = info.domain();
    details.metadata.insert(info.metadata().begin(), info.metadata().end());
  }
  if (google::rpc::BadRequest bad_request; GetDetail(status, &bad_request)) {
    for (const auto& violation : bad_request.field_violations()) {
      details.field_violations.push_back({.field = violation.field(), .description = violation.description()});
    }
  }
  if (google::rpc::RetryInfo retry; GetDetail(status, &retry) && retry.has_retry_delay()) {
    details.retry_delay = absl::Seconds(retry.retry_delay().seconds()) + absl::Nanoseconds(retry.retry_delay().nanos());
  }
  return details;
}

absl::Status StatusFrom(const grpc::Status& status) {
  absl::Status result(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  google::rpc::Status details;
  if (!status.error_details().empty() && details.ParseFromString(status.error_details())) {
    return WithDetails(std::move(result), details);
  }
  return result;
}

absl::Status StatusFrom(const google::rpc::Status& status) {
  return WithDetails(absl::Status(static_cast<absl::StatusCode>(status.code()), status.message()), status);
}

absl::Status WithNote(const absl::Status& status, absl::string_view note) {
  absl::Status extended(status.code(), absl::StrCat(status.message(), " (", note, ")"));
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) { extended.SetPayload(url, payload); });
  return extended;
}

absl::Status InBatch(const absl::Status& status, int64_t first_pattern) {
  if (!absl::IsInvalidArgument(status)) return status;
  return WithNote(status, absl::StrCat("rows are counted from 0 in the batch that begins at pattern ", first_pattern));
}

}  // namespace backprop::client
