#include "server/services/error_mapping.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "core/error.h"
#include "google/protobuf/util/time_util.h"
#include "google/rpc/error_details.pb.h"
#include "server/services/limits.h"

namespace backprop::server {
namespace {

// gRPC refuses trailing metadata over 8 KiB; a message quotes names of the caller, who chooses their length and
// alphabet.
// The message travels twice: percent-encoded, three bytes for one outside ASCII, and in the details, in base64.
constexpr size_t kMaxMessageLength = 1000;
constexpr size_t kMaxDescriptionLength = 400;
constexpr size_t kMaxDetailsBytes = 2400;

// The reason of errors that have none of their own.
std::string DefaultReason(absl::StatusCode code) {
  return code == absl::StatusCode::kCancelled ? "CANCELLED" : "INTERNAL";
}

// Bytes of the UTF-8 character at the front of `text`, or 0 when there is none.
size_t CharacterLength(absl::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const size_t length = byte(0) < 0x80 ? 1 : byte(0) < 0xC2 ? 0 : byte(0) < 0xE0 ? 2 : byte(0) < 0xF0 ? 3 : 4;
  if (length == 0 || byte(0) > 0xF4 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  const bool overlong = (byte(0) == 0xE0 && byte(1) < 0xA0) || (byte(0) == 0xF0 && byte(1) < 0x90);
  const bool surrogate = byte(0) == 0xED && byte(1) >= 0xA0;
  const bool beyond_unicode = byte(0) == 0xF4 && byte(1) >= 0x90;
  return overlong || surrogate || beyond_unicode ? 0 : length;
}

// At most about `most` bytes of `text`, as UTF-8, which protobuf strings must be: a quotation of the caller's words may
// have been cut in the middle of a character.
std::string Shortened(absl::string_view text, size_t most) {
  std::string out;
  while (!text.empty() && out.size() < most) {
    const size_t length = CharacterLength(text);
    absl::StrAppend(&out, length == 0 ? "?" : text.substr(0, length));
    text.remove_prefix(std::max<size_t>(length, 1));
  }
  return text.empty() ? out : out + "...";
}

}  // namespace

google::rpc::Status ToRpcStatus(const absl::Status& status) {
  google::rpc::Status rpc;
  rpc.set_code(static_cast<int>(status.code()));
  if (status.ok()) return rpc;
  rpc.set_message(Shortened(status.message(), kMaxMessageLength));
  google::rpc::ErrorInfo info;
  info.set_reason(ReasonOf(status).empty() ? DefaultReason(status.code()) : ReasonOf(status));
  info.set_domain("backprop");
  for (const auto& [key, value] : MetadataOf(status)) {
    (*info.mutable_metadata())[key] = Shortened(value, kMaxDescriptionLength);
  }
  rpc.add_details()->PackFrom(info);
  google::rpc::BadRequest bad_request;
  for (const Violation& violation : ViolationsOf(status)) {
    auto* out = bad_request.add_field_violations();
    out->set_field(Shortened(violation.field, kMaxDescriptionLength));
    out->set_description(Shortened(violation.description, kMaxDescriptionLength));
    if (bad_request.ByteSizeLong() > kMaxDetailsBytes) {
      bad_request.mutable_field_violations()->RemoveLast();
      break;
    }
  }
  if (bad_request.field_violations_size() > 0) rpc.add_details()->PackFrom(bad_request);
  if (const auto delay = RetryDelayOf(status)) {
    google::rpc::RetryInfo retry;
    *retry.mutable_retry_delay() = google::protobuf::util::TimeUtil::MillisecondsToDuration(delay->count());
    rpc.add_details()->PackFrom(retry);
  }
  return rpc;
}

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const google::rpc::Status rpc = ToRpcStatus(status);
  return grpc::Status(static_cast<grpc::StatusCode>(rpc.code()), rpc.message(), rpc.SerializeAsString());
}

absl::Status CheckAnswerBytes(int64_t bytes, absl::string_view what, absl::string_view remedy) {
  if (bytes <= kMaxAnswerBytes) return absl::OkStatus();
  return WithMetadata(
      Error(absl::StatusCode::kResourceExhausted, "ANSWER_TOO_LARGE",
            absl::StrCat(what, " would take ", bytes, " bytes; an answer holds ", kMaxAnswerBytes, ": ", remedy)),
      "limit", kMaxAnswerBytes);
}

}  // namespace backprop::server
