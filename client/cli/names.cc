#include "client/cli/names.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace backprop::client {
namespace {

constexpr char kSessions[] = "sessions/";

}  // namespace

std::string SessionName(const std::string& name) {
  return absl::StartsWith(name, kSessions) ? name : absl::StrCat(kSessions, name);
}

std::string SessionId(const std::string& name) { return std::string(absl::StripPrefix(name, kSessions)); }

std::string PatternSetName(const std::string& session, const std::string& pattern_set) {
  return absl::StrCat(SessionName(session), "/patternSets/", pattern_set);
}

absl::StatusOr<std::string> FindTrainingRun(const Client& client, const std::string& name) {
  if (absl::StrContains(name, "/trainingRuns/")) return name;
  v1::GetSessionRequest session_request;
  session_request.set_name(SessionName(name));
  const absl::StatusOr<v1::Session> session = client.GetSession(session_request);
  if (!session.ok()) return session.status();
  if (!session->active_training_run().empty()) return session->active_training_run();
  v1::ListTrainingRunsRequest runs_request;
  runs_request.set_session(session->name());
  runs_request.set_page_size(1);
  const absl::StatusOr<v1::ListTrainingRunsResponse> runs = client.ListTrainingRuns(runs_request);
  if (!runs.ok()) return runs.status();
  if (runs->training_runs().empty()) {
    return absl::NotFoundError(absl::StrCat(session->name(), " has no training run"));
  }
  return runs->training_runs(0).name();
}

}  // namespace backprop::client
