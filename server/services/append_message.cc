#include "server/services/append_message.h"

#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/wire_format_lite.h>
#include <grpcpp/support/proto_buffer_reader.h>

#include <algorithm>
#include <utility>

#include "server/services/received_message.h"

namespace backprop::server {
namespace {

using google::protobuf::internal::WireFormatLite;
using Input = google::protobuf::io::CodedInputStream;
using Output = google::protobuf::io::CodedOutputStream;

constexpr uint32_t TagOf(int field) {
  return WireFormatLite::MakeTag(field, WireFormatLite::WIRETYPE_LENGTH_DELIMITED);
}

// Bytes of a message beside the elements of its matrices that are taken in place; more are copied once, by protobuf.
constexpr int64_t kMostRestBytes = 1 << 20;

// Of a field whose bytes are all within those around it, in the shortest form. False for others.
bool ReadLength(Input* input, int* length) {
  const int begin = input->CurrentPosition();
  return input->ReadVarintSizeAsInt(length) && *length <= input->BytesUntilLimit() &&
         input->CurrentPosition() - begin == static_cast<int>(Output::VarintSize32(static_cast<uint32_t>(*length)));
}

// The same for a tag; 0 for others.
uint32_t ReadTag(Input* input) {
  const int begin = input->CurrentPosition();
  const uint32_t tag = input->ReadTag();
  return input->CurrentPosition() - begin == static_cast<int>(Output::VarintSize32(tag)) ? tag : 0;
}

// Copies a field that is not known here. False for groups, and for more bytes than are taken in place.
bool CopyField(Input* input, uint32_t tag, Output* output) {
  switch (WireFormatLite::GetTagWireType(tag)) {
    case WireFormatLite::WIRETYPE_LENGTH_DELIMITED: {
      int length = 0;
      std::string bytes;
      if (!ReadLength(input, &length) || output->ByteCount() + length > kMostRestBytes) return false;
      if (!input->ReadString(&bytes, length)) return false;
      output->WriteVarint32(tag);
      output->WriteVarint32(static_cast<uint32_t>(length));
      output->WriteString(bytes);
      return true;
    }
    case WireFormatLite::WIRETYPE_VARINT:
    case WireFormatLite::WIRETYPE_FIXED32:
    case WireFormatLite::WIRETYPE_FIXED64:
      return output->ByteCount() < kMostRestBytes && WireFormatLite::SkipField(input, tag, output);
    default:
      return false;
  }
}

// Goes through the fields up to the limit. `take` takes one by its tag, and says whether it could; what it does not
// know it leaves to `message`, which is decoded from that. False when anything is wrong with them, or unusual.
enum class Taken { kYes, kNo, kUnknown };
template <typename Take>
bool TakeFields(Input* input, google::protobuf::Message* message, const Take& take) {
  std::string rest;
  {
    google::protobuf::io::StringOutputStream string_output(&rest);
    Output output(&string_output);
    while (input->BytesUntilLimit() > 0) {
      const uint32_t tag = ReadTag(input);
      const Taken taken = tag == 0 ? Taken::kNo : take(tag);
      if (taken == Taken::kNo) return false;
      if (taken == Taken::kUnknown && !CopyField(input, tag, &output)) return false;
    }
  }
  return message->MergeFromString(rest);
}

// The same for a field that is a message.
template <typename TakeMessage>
Taken TakeNested(Input* input, const TakeMessage& take_message) {
  int length = 0;
  if (!ReadLength(input, &length)) return Taken::kNo;
  const Input::Limit limit = input->PushLimit(length);
  if (!take_message()) return Taken::kNo;
  input->PopLimit(limit);
  return Taken::kYes;
}

// Notes where the bytes of a field lie, whole elements of `element_size`.
Taken TakeElements(Input* input, size_t element_size, ElementBytes* elements) {
  int left = 0;
  if (!elements->empty() || !ReadLength(input, &left) || static_cast<size_t>(left) % element_size != 0) {
    return Taken::kNo;
  }
  while (left > 0) {
    const void* data = nullptr;
    int size = 0;
    if (!input->GetDirectBufferPointer(&data, &size)) return Taken::kNo;
    size = std::min(size, left);
    elements->Add({static_cast<const char*>(data), static_cast<size_t>(size)});
    if (!input->Skip(size)) return Taken::kNo;
    left -= size;
  }
  return Taken::kYes;
}

}  // namespace

absl::Status AppendMessage::Take(grpc::ByteBuffer* bytes) {
  bytes_.Swap(bytes);
  if (TakeInPlace()) return absl::OkStatus();
  request_.Clear();
  absl::Status status = DecodeMessage(&bytes_, &request_);
  if (!status.ok()) request_.Clear();
  patterns_ = PatternsView(request_.patterns());
  return status;
}

bool AppendMessage::TakeInPlace() {
  grpc::ProtoBufferReader reader(&bytes_);
  if (!reader.status().ok()) return false;
  Input input(&reader);
  input.PushLimit(static_cast<int>(bytes_.Length()));
  return TakeFields(&input, &request_, [&](uint32_t tag) {
    if (tag != TagOf(v1::AppendPatternsRequest::kPatternsFieldNumber)) return Taken::kUnknown;
    if (request_.has_patterns()) return Taken::kNo;
    return TakeNested(&input, [&] { return TakePatterns(&input); });
  });
}

bool AppendMessage::TakePatterns(Input* input) {
  v1::Patterns* const patterns = request_.mutable_patterns();
  patterns_.rest = patterns;
  return TakeFields(input, patterns, [&](uint32_t tag) {
    const bool is_inputs = tag == TagOf(v1::Patterns::kInputsFieldNumber);
    if (!is_inputs && tag != TagOf(v1::Patterns::kTargetsFieldNumber)) return Taken::kUnknown;
    if (is_inputs ? patterns->has_inputs() : patterns->has_targets()) return Taken::kNo;
    v1::Matrix* const matrix = is_inputs ? patterns->mutable_inputs() : patterns->mutable_targets();
    MatrixView* const view = is_inputs ? &patterns_.inputs : &patterns_.targets;
    return TakeNested(input, [&] { return TakeMatrix(input, matrix, view); });
  });
}

bool AppendMessage::TakeMatrix(Input* input, v1::Matrix* matrix, MatrixView* view) {
  const bool good = TakeFields(input, matrix, [&](uint32_t tag) {
    switch (tag) {
      case TagOf(v1::Matrix::kValuesFieldNumber):
        return TakeElements(input, sizeof(float), &view->values);
      case TagOf(v1::Matrix::kDoubleValuesFieldNumber):
        return TakeElements(input, sizeof(double), &view->double_values);
      case TagOf(v1::Matrix::kRawValuesFieldNumber):
        return TakeElements(input, 1, &view->raw_values);
      default:
        return Taken::kUnknown;
    }
  });
  view->TakeShape(*matrix);
  // Elements that each have a tag went there.
  return good && matrix->values().empty() && matrix->double_values().empty();
}

}  // namespace backprop::server
