#include "server/services/pattern_service.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "server/services/answer_queue.h"
#include "server/services/append_message.h"
#include "server/services/limits.h"
#include "server/services/paging.h"
#include "server/services/patterns_codec.h"
#include "server/services/received_message.h"
#include "server/services/session_codec.h"
#include "server/services/stream_target.h"

namespace backprop::server {
namespace {

absl::Status CheckChecksum(const AppendMessage& message) {
  if (!message.request().has_crc32()) return absl::OkStatus();
  const int64_t expected = message.request().crc32(), found = ChecksumOf(message.patterns());
  if (found == expected) return absl::OkStatus();
  return InvalidField(
      "crc32", absl::StrCat("is ", expected, ", but the elements that arrived have ", found, "; send the batch again"));
}

// An append that has begun in its session.
template <typename Scalar>
struct BegunAppend {
  std::shared_ptr<Session<Scalar>> session;
  MemoryCharge charge;  // For the patterns on their way.
  std::unique_ptr<typename Session<Scalar>::PendingAppend> append;
};

// One batch of a stream, from the message that brought it to its answer.
class AppendAnswer final : public PendingAnswer {
 public:
  using Stream = PatternServiceImpl::AppendStream;

  // `broken` is set when the stream takes no more answers; then none is written.
  AppendAnswer(const StreamSlots::Slot& slot, Stream* stream, std::atomic<bool>* broken)
      : work_(slot), stream_(stream), broken_(broken) {}

  // Decodes and checks the batch, takes `bytes`, and begins to store it. `under_way`: others of the stream are.
  void Begin(grpc::ByteBuffer* bytes, bool under_way, StreamTarget* target) {
    status_ = Guarded([&] {
      AppendMessage message;
      absl::Status status = message.Take(bytes);
      offset_given_ = message.request().has_offset();
      return status.ok() ? FindAndBegin(message, under_way, target) : status;
    });
    session_ = target->found();
    pattern_set_ = target->pattern_set();
  }

  int64_t bytes() const override { return bytes_; }

  bool ready() const override {
    return std::visit(
        [](const auto& begun) {
          if constexpr (requires { begun.append; }) return begun.append->settled.load();
          return true;
        },
        begun_);
  }

  void Finish() override {
    if (status_.ok()) status_ = Guarded([&] { return FinishAppend(); });
    if (!status_.ok() && session_) {
      // As it is now that all before it are stored.
      const int64_t next_offset =
          std::visit([&](const auto& session) { return session->pattern_sets().NextOffset(pattern_set_); }, *session_);
      response_.set_next_offset(next_offset);
      if (!offset_given_) response_.set_offset(next_offset);
    }
    *response_.mutable_status() = ToRpcStatus(status_);
  }

  void Write(bool more) override {
    grpc::WriteOptions options;
    if (more) options.set_buffer_hint();
    if (!*broken_ && !stream_->Write(response_, options)) *broken_ = true;
  }

 private:
  absl::Status FindAndBegin(const AppendMessage& message, bool under_way, StreamTarget* target) {
    const v1::AppendPatternsRequest& request = message.request();
    const absl::StatusOr<AnySession> found = target->Find(request, &response_);
    if (!found.ok()) return found.status();
    response_.set_offset(request.has_offset() ? request.offset() : response_.next_offset());
    if (absl::Status status = CheckChecksum(message); !status.ok()) return status;
    return std::visit(
        [&]<typename Scalar>(const std::shared_ptr<Session<Scalar>>& session) -> absl::Status {
          // Beside that of the append itself: until it is stored there may be two of it.
          MemoryCharge charge(session->budget());
          const NetworkSpec spec = session->spec();
          if (absl::Status status = ChargeForPatterns<Scalar>(message.patterns().inputs.row_count, spec, &charge);
              !status.ok()) {
            return status;
          }
          const AppendTarget place = target->TargetOf(request);
          PatternSequence<Scalar> batch = target->TailFor(*session, place.offset, under_way);
          Violations violations;
          DecodePatternsInto(&batch, message.patterns(), spec, "patterns", &violations);
          if (!violations.empty()) {
            batch.Clear();
            return violations.ToStatus();
          }
          target->MoveTail(batch);
          response_.set_pattern_count(batch.count());
          bytes_ = std::max(batch.byte_count(), batch.made_byte_count());
          auto append = session->BeginAppend(place, std::move(batch));
          begun_.emplace<BegunAppend<Scalar>>(BegunAppend<Scalar>{session, std::move(charge), std::move(append)});
          return absl::OkStatus();
        },
        *found);
  }

  absl::Status FinishAppend() {
    const absl::StatusOr<int64_t> offset = std::visit(
        [](auto& begun) -> absl::StatusOr<int64_t> {
          if constexpr (requires { begun.append; }) return begun.session->FinishAppend(begun.append.get());
          return absl::InternalError("nothing has begun");
        },
        begun_);
    if (!offset.ok()) {
      response_.clear_pattern_count();
      return offset.status();
    }
    response_.set_offset(*offset);
    response_.set_next_offset(*offset + response_.pattern_count());
    return absl::OkStatus();
  }

  const StreamSlots::Work work_;
  Stream* const stream_;
  std::atomic<bool>* const broken_;
  std::variant<std::monostate, BegunAppend<float>, BegunAppend<double>> begun_;
  std::optional<AnySession> session_;  // Where the batch is to go, if that was found.
  std::string pattern_set_;
  bool offset_given_ = false;
  int64_t bytes_ = 0;
  absl::Status status_;
  v1::AppendPatternsResponse response_;
};

}  // namespace

PatternServiceImpl::PatternServiceImpl(const ServiceContext& context) : context_(context) {
  MarkMethodStreamed(
      MethodIndex("backprop.v1.PatternService.AppendPatterns"),
      new grpc::internal::BidiStreamingHandler<PatternServiceImpl, grpc::ByteBuffer, v1::AppendPatternsResponse>(
          &PatternServiceImpl::Append, this));
}

grpc::Status PatternServiceImpl::Append(grpc::ServerContext* call, AppendStream* stream) {
  const absl::StatusOr<StreamSlots::Slot> slot = context_.streams->TakeStream(call);
  if (!slot.ok()) return ToGrpcStatus(slot.status());
  // With a first answer that may wait for the next one gRPC (1.51) would keep it back as well, and that for ever.
  stream->SendInitialMetadata();
  StreamTarget target(context_);
  std::atomic<bool> broken = false;
  AnswerQueue answers;  // Batches are decoded while those before them are committed.
  for (grpc::ByteBuffer bytes; !broken && stream->Read(&bytes);) {
    auto answer = std::make_unique<AppendAnswer>(*slot, stream, &broken);
    answer->Begin(&bytes, answers.under_way(), &target);
    answers.Push(std::move(answer));
  }
  return grpc::Status::OK;
}

grpc::Status PatternServiceImpl::GetPatternSet(grpc::ServerContext*, const v1::GetPatternSetRequest* request,
                                               v1::PatternSet* response) {
  const absl::StatusOr<ChildName> name = ParsePatternSetName(request->name(), "name");
  if (!name.ok()) return ToGrpcStatus(name.status());
  return ToGrpcStatus(WithSession(context_, SessionName(name->session), "name", [&](const auto& session) {
    const absl::StatusOr<PatternSetDescription> set = session->pattern_sets().Describe(name->child);
    if (set.ok()) *response = EncodePatternSet(name->session, *set);
    return set.status();
  }));
}

grpc::Status PatternServiceImpl::ListPatternSets(grpc::ServerContext*, const v1::ListPatternSetsRequest* request,
                                                 v1::ListPatternSetsResponse* response) {
  const absl::StatusOr<size_t> page_size = PageSize(request->page_size());
  Violations violations;
  violations.AddAll("", ParseSessionName(request->session(), "session").status());
  violations.AddAll("", page_size.status());
  if (!request->page_token().empty()) violations.AddAll("", ValidateId(request->page_token(), "page_token"));
  if (!violations.empty()) return ToGrpcStatus(violations.ToStatus());
  return ToGrpcStatus(WithSession(context_, request->session(), "session", [&](const auto& session) {
    const std::string id = session->state().description.id;
    for (const PatternSetDescription& set : session->pattern_sets().List()) {
      if (set.id <= request->page_token()) continue;
      if (response->pattern_sets_size() == static_cast<int>(*page_size)) {
        const std::string& last = response->pattern_sets(response->pattern_sets_size() - 1).name();
        response->set_next_page_token(ParsePatternSetName(last, "name")->child);
        break;
      }
      *response->add_pattern_sets() = EncodePatternSet(id, set);
    }
    return absl::OkStatus();
  }));
}

grpc::Status PatternServiceImpl::DeletePatternSet(grpc::ServerContext* call, const v1::DeletePatternSetRequest* request,
                                                  google::protobuf::Empty* response) {
  return Once(context_, call, *request, response, [&](const ChangeRequest& change) {
    const absl::StatusOr<ChildName> name = ParsePatternSetName(request->name(), "name");
    if (!name.ok()) return name.status();
    return WithSession(context_, SessionName(name->session), "name",
                       [&](const auto& session) { return session->DeletePatternSet(name->child, change); });
  });
}

grpc::Status PatternServiceImpl::ReadPatterns(grpc::ServerContext* call, const v1::ReadPatternsRequest* request,
                                              grpc::ServerWriter<v1::ReadPatternsResponse>* writer) {
  const absl::StatusOr<StreamSlots::Slot> slot = context_.streams->Take(call);
  if (!slot.ok()) return ToGrpcStatus(slot.status());
  const absl::StatusOr<ChildName> name = ParsePatternSetName(request->name(), "name");
  Violations violations;
  violations.AddAll("", name.status());
  if (request->offset() < 0) violations.Add("offset", absl::StrCat("must be 0 or more, but is ", request->offset()));
  if (request->limit() < 0) violations.Add("limit", absl::StrCat("must be 0 or more, but is ", request->limit()));
  if (!violations.empty()) return ToGrpcStatus(violations.ToStatus());
  return ToGrpcStatus(WithSession(context_, SessionName(name->session), "name", [&](const auto& session) {
    const auto patterns = session->pattern_sets().Get(name->child);
    if (!patterns.ok()) return patterns.status();
    if (request->offset() > patterns->count()) {
      return WithMetadata(
          Error(absl::StatusCode::kOutOfRange, "OFFSET_BEYOND_END",
                absl::StrCat("offset ", request->offset(), " is beyond the end of the set, ", patterns->count())),
          "next_offset", patterns->count());
    }
    const NetworkSpec spec = session->spec();
    const int64_t page = std::max<int64_t>(kReadPatternsBytes / patterns->bytes_per_pattern(), 1);
    const int64_t left = patterns->count() - request->offset();
    const int64_t end = request->offset() + (request->limit() == 0 ? left : std::min(left, request->limit()));
    for (int64_t offset = request->offset(); offset < end && !call->IsCancelled(); offset += page) {
      v1::ReadPatternsResponse response;
      response.set_offset(offset);
      EncodePatterns(patterns->Slice(offset, std::min(page, end - offset)), spec, response.mutable_patterns());
      if (!writer->Write(response)) break;
    }
    return absl::OkStatus();
  }));
}

}  // namespace backprop::server
