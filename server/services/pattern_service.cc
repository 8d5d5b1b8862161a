#include "server/services/pattern_service.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <utility>

#include "server/services/answer_queue.h"
#include "server/services/limits.h"
#include "server/services/paging.h"
#include "server/services/patterns_codec.h"
#include "server/services/session_codec.h"
#include "server/services/stream_target.h"

namespace backprop::server {
namespace {

absl::Status CheckChecksum(const v1::AppendPatternsRequest& request) {
  if (!request.has_crc32()) return absl::OkStatus();
  const int64_t found = ChecksumOf(request.patterns());
  if (found == request.crc32()) return absl::OkStatus();
  return InvalidField("crc32", absl::StrCat("is ", request.crc32(), ", but the elements that arrived have ", found,
                                            "; send the batch again"));
}

// An append that has begun, to be finished: fills the answer but for its status.
struct BegunAppend {
  int64_t bytes = 0;
  std::function<absl::Status(v1::AppendPatternsResponse*)> finish;
};

// Checks one batch and begins to store it; fills the answer to a refusal.
absl::StatusOr<BegunAppend> Begin(const v1::AppendPatternsRequest& request, StreamTarget* target,
                                  v1::AppendPatternsResponse* response) {
  const absl::StatusOr<AnySession> found = target->Find(request, response);
  if (!found.ok()) return found.status();
  response->set_offset(request.has_offset() ? request.offset() : response->next_offset());
  if (absl::Status status = CheckChecksum(request); !status.ok()) return status;
  return std::visit(
      [&]<typename Scalar>(const std::shared_ptr<Session<Scalar>>& session) -> absl::StatusOr<BegunAppend> {
        const auto charge = std::make_shared<MemoryCharge>(session->budget());
        if (absl::Status status =
                ChargeForPatterns<Scalar>(request.patterns().inputs().row_count(), session->spec(), charge.get());
            !status.ok()) {
          return status;
        }
        Violations violations;
        Patterns<Scalar> patterns =
            DecodePatterns<Scalar>(request.patterns(), session->spec(), Targets::kNeeded, "patterns", &violations);
        if (!violations.empty()) return violations.ToStatus();
        const int64_t count = patterns.count();
        const int64_t bytes = (patterns.inputs.size() + patterns.targets.size()) * int64_t{sizeof(Scalar)};
        AppendTarget where = target->TargetOf(request);
        const std::shared_ptr pending = session->BeginAppend(std::move(where), std::move(patterns));
        return BegunAppend{bytes, [charge, session, pending, count](v1::AppendPatternsResponse* answer) {
                             const absl::StatusOr<int64_t> offset = session->FinishAppend(pending.get());
                             if (!offset.ok()) return offset.status();
                             answer->set_offset(*offset);
                             answer->set_pattern_count(count);
                             answer->set_next_offset(*offset + count);
                             return absl::OkStatus();
                           }};
      },
      *found);
}

}  // namespace

grpc::Status PatternServiceImpl::AppendPatterns(grpc::ServerContext*, AppendStream* stream) {
  const absl::StatusOr<StreamSlots::Slot> slot = context_.streams->Take();
  if (!slot.ok()) return ToGrpcStatus(slot.status());
  StreamTarget target(context_);
  std::atomic<bool> broken = false;
  AnswerQueue answers;  // Batches are decoded while those before them are committed.
  for (v1::AppendPatternsRequest request; !broken && stream->Read(&request);) {
    const auto response = std::make_shared<v1::AppendPatternsResponse>();
    BegunAppend begun;
    absl::Status status = CheckServing(context_);
    if (status.ok()) {
      status = Guarded([&] {
        absl::StatusOr<BegunAppend> result = Begin(request, &target, response.get());
        if (!result.ok()) return result.status();
        begun = *std::move(result);
        return absl::OkStatus();
      });
    }
    answers.Push(begun.bytes, [&broken, stream, response, finish = std::move(begun.finish), status = std::move(status),
                               found = target.found(), set = target.pattern_set(), given = request.has_offset()] {
      const absl::Status end = status.ok() ? Guarded([&] { return finish(response.get()); }) : status;
      if (!end.ok() && found) {
        // As it is now that all before it are stored.
        const int64_t next_offset =
            std::visit([&](const auto& session) { return session->pattern_sets().NextOffset(set); }, *found);
        response->set_next_offset(next_offset);
        if (!given) response->set_offset(next_offset);
      }
      *response->mutable_status() = ToRpcStatus(end);
      if (!broken && !stream->Write(*response)) broken = true;
    });
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
  const absl::StatusOr<StreamSlots::Slot> slot = context_.streams->Take();
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
      return Error(absl::StatusCode::kOutOfRange, "OFFSET_BEYOND_END",
                   absl::StrCat("offset ", request->offset(), " is beyond the end of the set, ", patterns->count()));
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
