#include "server/services/training_service.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "server/services/matrix_codec.h"
#include "server/services/paging.h"
#include "server/services/parameters_codec.h"
#include "server/services/patterns_codec.h"
#include "server/services/received_message.h"
#include "server/services/stream_target.h"
#include "server/services/training_codec.h"

namespace backprop::server {
namespace {

// Tells a caller of RunEpochs the name of the run before its first report.
constexpr char kRunMetadata[] = "backprop-training-run";

absl::StatusOr<TrainingRunRequest> DecodeRequest(const v1::RunEpochsRequest& request) {
  Violations violations;
  violations.AddAll("", ParseSessionName(request.session(), "session").status());
  violations.AddAll("", ValidateId(request.pattern_set(), "pattern_set"));
  if (!request.validation_pattern_set().empty()) {
    violations.AddAll("", ValidateId(request.validation_pattern_set(), "validation_pattern_set"));
  }
  if (request.epoch_count() < 1 || request.epoch_count() > kMaxEpochCount) {
    violations.Add("epoch_count",
                   absl::StrCat("must be from 1 to ", kMaxEpochCount, ", but is ", request.epoch_count()));
  }
  TrainingRunRequest decoded{.pattern_set = request.pattern_set(),
                             .validation_pattern_set = request.validation_pattern_set(),
                             .options = DecodeTrainingOptions(request.options(), "options", &violations),
                             .epoch_count = request.epoch_count()};
  if (decoded.options.early_stopping && decoded.validation_pattern_set.empty()) {
    violations.Add("validation_pattern_set", "must be given with options.early_stopping, which watches it");
  }
  if (!violations.empty()) return violations.ToStatus();
  return decoded;
}

absl::Status NoPatterns() {
  return Error(absl::StatusCode::kFailedPrecondition, "NO_PATTERNS",
               "the session has no patterns to train on; append some to a pattern set first");
}

// Whether a run was refused for want of a set in a session that has none at all.
bool HasNoPatterns(const AnySession& session, const absl::Status& refusal) {
  return ReasonOf(refusal) == "PATTERN_SET_NOT_FOUND" &&
         std::visit([](const auto& typed) { return typed->pattern_sets().List().empty(); }, session);
}

// Learns from one message, unless something is wrong with it `already`, and fills all but the status of its answer.
absl::Status Learn(const v1::TrainOnlineRequest& request, const TrainingOptions& options, const StopCheck& given_up,
                   Violations already, StreamTarget* target, v1::TrainOnlineResponse* response) {
  const absl::StatusOr<AnySession> found = target->Find(request, response, std::move(already));
  if (!found.ok()) return found.status();
  return std::visit(
      [&]<typename Scalar>(const std::shared_ptr<Session<Scalar>>& session) -> absl::Status {
        MemoryCharge charge(session->budget());
        if (absl::Status status =
                ChargeForPatterns<Scalar>(request.patterns().inputs().row_count(), session->spec(), &charge);
            !status.ok()) {
          return status;
        }
        Violations violations;
        const Patterns<Scalar> patterns =
            DecodePatterns<Scalar>(request.patterns(), session->spec(), Targets::kNeeded, "patterns", &violations);
        if (!violations.empty()) return violations.ToStatus();
        const auto result = session->TrainOnline(target->TargetOf(request), patterns, options, given_up);
        if (!result.ok()) return result.status();
        response->set_next_offset(result->next_offset);
        EncodePatternMatrix(result->outputs, response->mutable_outputs());
        response->set_log_likelihood(result->log_likelihood);
        response->set_model_version(result->model_version);
        return absl::OkStatus();
      },
      *found);
}

}  // namespace

TrainingServiceImpl::TrainingServiceImpl(const ServiceContext& context) : context_(context) {
  MarkMethodStreamed(
      MethodIndex("backprop.v1.TrainingService.TrainOnline"),
      new grpc::internal::BidiStreamingHandler<TrainingServiceImpl, grpc::ByteBuffer, v1::TrainOnlineResponse>(
          &TrainingServiceImpl::LearnOnline, this));
}

absl::StatusOr<std::string> TrainingServiceImpl::Start(const grpc::ServerContext* call,
                                                       const v1::RunEpochsRequest& request) {
  if (absl::Status status = CheckServing(context_); !status.ok()) return status;
  const std::string key = request.request_id().empty() ? "" : RequestKey(request);
  return context_.request_log->Once(request.request_id(), key, [&]() -> absl::StatusOr<std::string> {
    absl::StatusOr<TrainingRunRequest> decoded = DecodeRequest(request);
    if (!decoded.ok()) return decoded.status();
    const absl::StatusOr<AnySession> found = FindSession(context_, request.session(), "session");
    if (!found.ok()) return found.status();
    std::string name;
    const ChangeRequest change{
        .id = request.request_id(),
        .hash = HashOf(key),
        .respond =
            [&](const SessionState& after) { name = TrainingRunName(after.description.id, after.active_training_run); },
        .serialize = [&] { return name; },
        .recall = [&](const std::string& answer) { name = answer; },
        .given_up = StopWhenCancelled(call)};
    const absl::Status started = std::visit(
        [&](const auto& session) { return session->StartTrainingRun(*std::move(decoded), change).status(); }, *found);
    if (!started.ok()) return HasNoPatterns(*found, started) ? NoPatterns() : started;
    return name;
  });
}

template <typename Visit>
absl::Status TrainingServiceImpl::WithRun(const std::string& name, Visit visit) {
  const absl::StatusOr<ChildName> parsed = ParseTrainingRunName(name, "name");
  if (!parsed.ok()) return parsed.status();
  return WithSession(context_, SessionName(parsed->session), "name", [&](const auto& session) -> absl::Status {
    const auto run = session->GetTrainingRun(parsed->child);
    if (!run.ok()) return run.status();
    return visit(*session, **run);
  });
}

absl::Status TrainingServiceImpl::Watch(grpc::ServerContext* call, const std::string& name, int64_t after_epoch,
                                        ReportWriter* writer) {
  return WithRun(name, [&](const auto& session, const TrainingRun& run) -> absl::Status {
    const Task task = session.spec().task();
    const StopCheck give_up = StopWhenCancelled(call);
    while (const std::optional<EpochReport> report = run.WaitForReport(after_epoch, give_up)) {
      if (!writer->Write(EncodeEpochReport(name, task, *report))) return CallerGone();
      after_epoch = report->epoch;
    }
    return give_up() ? CallerGone() : run.status().error;
  });
}

grpc::Status TrainingServiceImpl::RunEpochs(grpc::ServerContext* call, const v1::RunEpochsRequest* request,
                                            ReportWriter* writer) {
  const absl::StatusOr<StreamSlots::Slot> slot = context_.streams->Take(call);
  if (!slot.ok()) return ToGrpcStatus(slot.status());
  const absl::StatusOr<std::string> name = Start(call, *request);
  if (!name.ok()) return ToGrpcStatus(name.status());
  call->AddInitialMetadata(kRunMetadata, *name);
  writer->SendInitialMetadata();
  return ToGrpcStatus(Watch(call, *name, 0, writer));
}

grpc::Status TrainingServiceImpl::WatchTrainingRun(grpc::ServerContext* call,
                                                   const v1::WatchTrainingRunRequest* request, ReportWriter* writer) {
  const absl::StatusOr<StreamSlots::Slot> slot = context_.streams->Take(call);
  if (!slot.ok()) return ToGrpcStatus(slot.status());
  Violations violations;
  violations.AddAll("", ParseTrainingRunName(request->name(), "name").status());
  if (request->after_epoch() < 0) {
    violations.Add("after_epoch", absl::StrCat("must be 0 or more, but is ", request->after_epoch()));
  }
  if (!violations.empty()) return ToGrpcStatus(violations.ToStatus());
  return ToGrpcStatus(Watch(call, request->name(), request->after_epoch(), writer));
}

grpc::Status TrainingServiceImpl::GetTrainingRun(grpc::ServerContext*, const v1::GetTrainingRunRequest* request,
                                                 v1::TrainingRun* response) {
  return ToGrpcStatus(WithRun(request->name(), [&](const auto& session, const TrainingRun& run) {
    const SessionDescription description = session.state().description;
    *response = EncodeTrainingRun(description.id, description.spec, run);
    return absl::OkStatus();
  }));
}

grpc::Status TrainingServiceImpl::ListTrainingRuns(grpc::ServerContext*, const v1::ListTrainingRunsRequest* request,
                                                   v1::ListTrainingRunsResponse* response) {
  const absl::StatusOr<size_t> page_size = PageSize(request->page_size());
  Violations violations;
  violations.AddAll("", ParseSessionName(request->session(), "session").status());
  violations.AddAll("", page_size.status());
  if (!violations.empty()) return ToGrpcStatus(violations.ToStatus());
  return ToGrpcStatus(WithSession(context_, request->session(), "session", [&](const auto& session) -> absl::Status {
    const SessionDescription description = session->state().description;
    std::vector<std::shared_ptr<TrainingRun>> runs = session->ListTrainingRuns();
    if (!request->page_token().empty()) {
      // The token is the last run of the page before.
      const auto last =
          std::find_if(runs.begin(), runs.end(), [&](const auto& run) { return run->id() == request->page_token(); });
      if (last == runs.end()) {
        return InvalidField("page_token", "must be a next_page_token whose run is still kept; start again without");
      }
      runs.erase(runs.begin(), last + 1);
    }
    const size_t count = std::min(*page_size, runs.size());
    for (size_t i = 0; i < count; ++i) {
      *response->add_training_runs() = EncodeTrainingRun(description.id, description.spec, *runs[i]);
    }
    if (count < runs.size()) response->set_next_page_token(runs[count - 1]->id());
    return absl::OkStatus();
  }));
}

grpc::Status TrainingServiceImpl::CancelTrainingRun(grpc::ServerContext* call,
                                                    const v1::CancelTrainingRunRequest* request,
                                                    v1::TrainingRun* response) {
  return Once(context_, call, *request, response, [&](const ChangeRequest& change) {
    if (!change.id.empty()) {
      // Before the run is looked for: it may be gone since, and another request's id must cancel nothing.
      const absl::StatusOr<ChildName> name = ParseTrainingRunName(request->name(), "name");
      if (!name.ok()) return name.status();
      const absl::StatusOr<AnySession> found = FindSession(context_, SessionName(name->session), "name");
      if (!found.ok()) return found.status();
      const absl::StatusOr<bool> answered =
          std::visit([&](const auto& session) { return session->WasAnswered(change); }, *found);
      if (!answered.ok() || *answered) return answered.status();
    }
    return WithRun(request->name(), [&](auto& session, TrainingRun& run) -> absl::Status {
      run.Cancel(Error(absl::StatusCode::kCancelled, "TRAINING_RUN_CANCELLED", "the training run was cancelled"));
      if (!run.WaitForEnd(StopWhenCancelled(call))) return CallerGone();
      const SessionDescription description = session.state().description;
      *response = EncodeTrainingRun(description.id, description.spec, run);
      if (session.failed()) return run.status().error;
      return change.id.empty() ? absl::OkStatus() : session.KeepAnswer(change);
    });
  });
}

grpc::Status TrainingServiceImpl::LearnOnline(grpc::ServerContext* call, OnlineStream* stream) {
  const absl::StatusOr<StreamSlots::Slot> slot = context_.streams->TakeStream(call);
  if (!slot.ok()) return ToGrpcStatus(slot.status());
  StreamTarget target(context_);
  TrainingOptions options;
  v1::TrainOnlineRequest request;
  absl::Status status;
  for (bool first = true; ReadMessage(stream, &request, &status); first = false) {
    const StreamSlots::Work work(*slot);
    v1::TrainOnlineResponse response;
    Violations violations;
    if (status.ok() && request.has_options()) {
      const TrainingOptions decoded = DecodeOnlineOptions(request.options(), "options", &violations);
      if (!first) violations.Add("options", "must come in the stream's first message only");
      if (violations.empty()) options = decoded;
    }
    // Options that cannot be taken end the stream: going on without them would train otherwise than asked.
    if (first && !status.ok()) return ToGrpcStatus(status);
    if (first && !violations.empty()) return ToGrpcStatus(violations.ToStatus());
    if (status.ok()) {
      status = Guarded(
          [&] { return Learn(request, options, StopWhenCancelled(call), std::move(violations), &target, &response); });
    } else {
      target.Describe(&response);
    }
    *response.mutable_status() = ToRpcStatus(status);
    if (!stream->Write(response)) break;
  }
  return grpc::Status::OK;
}

grpc::Status TrainingServiceImpl::ApplyGradient(grpc::ServerContext* call, const v1::ApplyGradientRequest* request,
                                                v1::ApplyGradientResponse* response) {
  return Once(context_, call, *request, response, [&](ChangeRequest change) {
    change.respond = [response](const SessionState& after) { response->set_model_version(after.model_version); };
    Violations options_violations;
    const TrainingOptions options = DecodeOnlineOptions(request->options(), "options", &options_violations);
    return WithSession(
        context_, request->session(), "session",
        [&]<typename Scalar>(const std::shared_ptr<Session<Scalar>>& session) -> absl::Status {
          Violations violations = options_violations;
          const Parameters<Scalar> gradient =
              DecodeParameters<Scalar>(request->gradient(), session->spec(), "gradient", &violations);
          if (!violations.empty()) return violations.ToStatus();
          std::optional<int64_t> expected;
          if (request->has_expected_model_version()) expected = request->expected_model_version();
          return session->ApplyGradient(gradient, options, expected, change).status();
        },
        options_violations);
  });
}

}  // namespace backprop::server
