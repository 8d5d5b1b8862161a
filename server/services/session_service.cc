#include "server/services/session_service.h"

#include <algorithm>
#include <functional>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "server/services/paging.h"
#include "server/services/parameters_codec.h"
#include "server/services/session_codec.h"

namespace backprop::server {
namespace {

// A filter: labels that a session must have. Empty: all sessions.
absl::StatusOr<Labels> ParseFilter(const std::string& filter) {
  Labels wanted;
  if (filter.empty()) return wanted;
  for (absl::string_view term : absl::StrSplit(filter, " AND ")) {
    const std::vector<std::string> sides = absl::StrSplit(term, absl::MaxSplits('=', 1));
    absl::string_view key = sides[0];
    if (sides.size() != 2 || !absl::ConsumePrefix(&key, "labels.") || key.empty()) {
      return InvalidField("filter", absl::StrCat("must be terms `labels.KEY=VALUE` joined by ` AND `, but has `",
                                                 term.substr(0, 100), "`"));
    }
    wanted[std::string(key)] = sides[1];
  }
  return wanted;
}

bool HasLabels(const Labels& labels, const Labels& wanted) {
  return std::all_of(wanted.begin(), wanted.end(), [&](const auto& term) {
    const auto found = labels.find(term.first);
    return found != labels.end() && found->second == term.second;
  });
}

// Of a session whose file is damaged, or of a newer server: that it is there is all that can be said of it.
bool IsOfTheFile(const absl::Status& status) { return absl::IsDataLoss(status) || absl::IsFailedPrecondition(status); }

int64_t ParameterBytes(const NetworkSpec& spec) {
  const int64_t bytes = spec.fields().precision == Precision::kFloat32 ? sizeof(float) : sizeof(double);
  return spec.parameter_count() * bytes;
}

// Memory for parameters that are fetched: as a message, and as its bytes. Callers for whom the budget has none get them
// all the same, one after the other.
class ParametersOnTheWay {
 public:
  ParametersOnTheWay(const NetworkSpec& spec, MemoryBudget* budget, std::mutex* without_memory) : charge_(budget) {
    constexpr int64_t kTimes = 2;
    const absl::Status charged = charge_.Grow(kTimes * ParameterBytes(spec), "the parameters");
    if (!charged.ok()) turn_ = std::unique_lock(*without_memory);
  }

 private:
  MemoryCharge charge_;
  std::unique_lock<std::mutex> turn_;
};

absl::StatusOr<SessionUpdate> DecodeUpdate(const v1::UpdateSessionRequest& request) {
  const v1::Session& session = request.session();
  SessionUpdate update;
  Violations violations;
  violations.AddAll("", ParseSessionName(session.name(), "session.name").status());
  if (request.update_mask().paths().empty()) {
    violations.Add("update_mask", "must name the fields to change, for instance `labels`");
  }
  for (const std::string& path : request.update_mask().paths()) {
    if (path == "labels") {
      update.labels = Labels(session.labels().begin(), session.labels().end());
    } else if (path == "input_scaling") {
      update.input_scaling = DecodeScaling(session.input_scaling());
    } else if (path == "target_scaling") {
      update.target_scaling = DecodeScaling(session.target_scaling());
    } else if (path == "network.output_names") {
      const auto& names = session.network().output_names();
      update.output_names.emplace(names.begin(), names.end());
    } else if (path == "pinned_model_versions") {
      const auto& versions = session.pinned_model_versions();
      update.pinned_versions.emplace(versions.begin(), versions.end());
    } else {
      violations.Add("update_mask", absl::StrCat("must be of labels, input_scaling, target_scaling, "
                                                 "network.output_names and pinned_model_versions, but has `",
                                                 path.substr(0, 100), "`"));
    }
  }
  if (!violations.empty()) return violations.ToStatus();
  return update;
}

// Goes back to a model version that is kept.
template <typename Scalar>
absl::Status RollBack(const v1::SetParametersRequest& request, ChangeRequest change, Session<Scalar>& session,
                      v1::Parameters* response) {
  if (request.has_parameters()) return InvalidField("from_model_version", "must be left out with parameters");
  const auto earlier = session.model_versions().Get(request.from_model_version());
  // A request that came before may find its version gone, and its answer kept.
  if (!earlier.ok() && change.id.empty()) return earlier.status();
  change.respond = [&](const SessionState& after) {
    if (earlier.ok()) EncodeParameters((*earlier)->parameters, after.model_version, response);
  };
  return session.RollBack(request.from_model_version(), change).status();
}

// Answers with the session as the change makes it.
std::function<void(const SessionState&)> Respond(v1::Session* response) {
  return [response](const SessionState& after) { *response = EncodeSession(after); };
}

// Parameters given with CreateSession, decoded in the network's precision.
template <typename Scalar>
absl::StatusOr<AnySession> CreateTyped(const ServiceContext& context, const v1::CreateSessionRequest& request,
                                       SessionDescription description, Scalings scalings, const ChangeRequest& change,
                                       Violations* violations) {
  std::optional<Parameters<Scalar>> parameters;
  if (request.has_parameters()) {
    parameters = DecodeParameters<Scalar>(request.parameters(), description.spec, "parameters", violations);
  }
  if (!violations->empty()) return violations->ToStatus();
  return context.registry->Create<Scalar>(std::move(description), std::move(scalings), std::move(parameters), change);
}

}  // namespace

absl::Status SessionServiceImpl::Create(const v1::CreateSessionRequest& request, const ChangeRequest& change) {
  Violations violations;
  violations.AddAll("", ValidateId(request.session_id(), "session_id"));
  Labels labels(request.session().labels().begin(), request.session().labels().end());
  violations.AddAll("session", Validate(labels));
  absl::StatusOr<NetworkSpec> spec = DecodeNetwork(request.session().network());
  violations.AddAll("session.network", spec.status());
  if (!spec.ok()) return violations.ToStatus();
  Scalings scalings{.input = DecodeScaling(request.session().input_scaling()),
                    .target = DecodeScaling(request.session().target_scaling())};
  violations.AddAll("session", Validate(scalings, *spec));
  const bool float32 = spec->fields().precision == Precision::kFloat32;
  SessionDescription description{.id = request.session_id(),
                                 .spec = *std::move(spec),
                                 .labels = std::move(labels),
                                 .create_time = std::chrono::system_clock::now()};
  const auto create = float32 ? CreateTyped<float> : CreateTyped<double>;
  return create(context_, request, std::move(description), std::move(scalings), change, &violations).status();
}

grpc::Status SessionServiceImpl::CreateSession(grpc::ServerContext* call, const v1::CreateSessionRequest* request,
                                               v1::Session* response) {
  return Once(context_, call, *request, response, [&](ChangeRequest change) {
    change.respond = Respond(response);
    return Create(*request, change);
  });
}

grpc::Status SessionServiceImpl::GetSession(grpc::ServerContext*, const v1::GetSessionRequest* request,
                                            v1::Session* response) {
  return ToGrpcStatus(WithSession(context_, request->name(), "name", [&](const auto& session) {
    *response = EncodeSession(session->state());
    return absl::OkStatus();
  }));
}

absl::Status SessionServiceImpl::List(const v1::ListSessionsRequest& request, v1::ListSessionsResponse* response) {
  if (absl::Status status = CheckServing(context_); !status.ok()) return status;
  const absl::StatusOr<size_t> page_size = PageSize(request.page_size());
  const absl::StatusOr<Labels> wanted = ParseFilter(request.filter());
  Violations violations;
  violations.AddAll("", page_size.status());
  violations.AddAll("", wanted.status());
  if (!request.page_token().empty()) violations.AddAll("", ValidateId(request.page_token(), "page_token"));
  if (!violations.empty()) return violations.ToStatus();
  size_t bytes = 0;
  absl::Status failed;
  context_.registry->Visit(request.page_token(), [&](const std::string& id, const absl::StatusOr<SessionState>& state) {
    v1::Session encoded;
    if (state.ok()) {
      if (!HasLabels(state->description.labels, *wanted)) return true;
      encoded = EncodeSession(*state);
    } else if (IsOfTheFile(state.status())) {
      if (!wanted->empty()) return true;
      encoded.set_name(SessionName(id));
    } else {
      failed = state.status();
      return false;
    }
    const int count = response->sessions_size();
    bytes += encoded.ByteSizeLong();
    if (count == static_cast<int>(*page_size) || (count > 0 && bytes > kMaxPageBytes)) {
      response->set_next_page_token(*ParseSessionName(response->sessions(count - 1).name(), "name"));
      return false;
    }
    *response->add_sessions() = std::move(encoded);
    return true;
  });
  if (!failed.ok()) response->Clear();  // A list that lacks some would pass for a whole one.
  return failed;
}

grpc::Status SessionServiceImpl::ListSessions(grpc::ServerContext*, const v1::ListSessionsRequest* request,
                                              v1::ListSessionsResponse* response) {
  return ToGrpcStatus(List(*request, response));
}

grpc::Status SessionServiceImpl::UpdateSession(grpc::ServerContext* call, const v1::UpdateSessionRequest* request,
                                               v1::Session* response) {
  return Once(context_, call, *request, response, [&](ChangeRequest change) {
    change.respond = Respond(response);
    const absl::StatusOr<SessionUpdate> update = DecodeUpdate(*request);
    if (!update.ok()) return update.status();
    return WithSession(context_, request->session().name(), "session.name",
                       [&](const auto& session) { return session->Update(*update, change); });
  });
}

grpc::Status SessionServiceImpl::DeleteSession(grpc::ServerContext* call, const v1::DeleteSessionRequest* request,
                                               google::protobuf::Empty* response) {
  return Once(context_, call, *request, response, [&](const ChangeRequest& change) {
    const absl::StatusOr<std::string> id = ParseSessionName(request->name(), "name");
    return id.ok() ? context_.registry->Delete(*id, change) : id.status();
  });
}

grpc::Status SessionServiceImpl::CopySession(grpc::ServerContext* call, const v1::CopySessionRequest* request,
                                             v1::Session* response) {
  return Once(context_, call, *request, response, [&](ChangeRequest change) {
    change.respond = Respond(response);
    const absl::StatusOr<std::string> source = ParseSessionName(request->name(), "name");
    Violations violations;
    violations.AddAll("", source.status());
    violations.AddAll("", ValidateId(request->session_id(), "session_id"));
    if (!violations.empty()) return violations.ToStatus();
    return context_.registry->Copy(*source, request->session_id(), change).status();
  });
}

grpc::Status SessionServiceImpl::GetParameters(grpc::ServerContext*, const v1::GetParametersRequest* request,
                                               v1::Parameters* response) {
  return ToGrpcStatus(WithSession(context_, request->name(), "name", [&](const auto& session) -> absl::Status {
    std::optional<int64_t> version;
    if (request->has_model_version()) version = request->model_version();
    const ParametersOnTheWay memory(session->spec(), session->budget(), &without_memory_);
    const auto snapshot = session->model_versions().Get(version);
    if (snapshot.ok()) EncodeParameters((*snapshot)->parameters, (*snapshot)->model_version, response);
    return snapshot.status();
  }));
}

grpc::Status SessionServiceImpl::SetParameters(grpc::ServerContext* call, const v1::SetParametersRequest* request,
                                               v1::Parameters* response) {
  return Once(context_, call, *request, response, [&](ChangeRequest change) {
    return WithSession(
        context_, request->name(), "name",
        [&]<typename Scalar>(const std::shared_ptr<Session<Scalar>>& session) -> absl::Status {
          if (request->has_from_model_version()) {
            return RollBack(*request, change, *session, response);
          }
          MemoryCharge charge(session->budget());
          if (absl::Status status = charge.Grow(ParameterBytes(session->spec()), "the parameters"); !status.ok()) {
            return status;
          }
          Violations violations;
          const Parameters<Scalar> parameters =
              DecodeParameters<Scalar>(request->parameters(), session->spec(), "parameters", &violations);
          if (!violations.empty()) return violations.ToStatus();
          change.respond = [&](const SessionState& after) {
            EncodeParameters(parameters, after.model_version, response);
          };
          return session->SetParameters(parameters, change).status();
        });
  });
}

grpc::Status SessionServiceImpl::FitScaling(grpc::ServerContext* call, const v1::FitScalingRequest* request,
                                            v1::Session* response) {
  return Once(context_, call, *request, response, [&](ChangeRequest change) {
    change.respond = Respond(response);
    Violations violations;
    violations.AddAll("", ParseSessionName(request->session(), "session").status());
    violations.AddAll("", ValidateId(request->pattern_set(), "pattern_set"));
    if (request->method() < v1::FitScalingRequest::METHOD_UNSPECIFIED ||
        request->method() > v1::FitScalingRequest::METHOD_MIN_MAX) {
      violations.Add("method", "must be METHOD_STANDARDIZE or METHOD_MIN_MAX, or left out for STANDARDIZE");
    }
    if (!violations.empty()) return violations.ToStatus();
    const ScalingMethod method = request->method() == v1::FitScalingRequest::METHOD_MIN_MAX
                                     ? ScalingMethod::kMinMax
                                     : ScalingMethod::kStandardize;
    return WithSession(context_, request->session(), "session", [&](const auto& session) {
      return session->FitScaling(request->pattern_set(), method, change);
    });
  });
}

}  // namespace backprop::server
