#include "server/sessions/resource_name.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/error.h"

namespace backprop::server {
namespace {

constexpr char kIdRule[] = "[a-z]([a-z0-9-]{0,61}[a-z0-9])?";

absl::Status Malformed(absl::string_view name, absl::string_view field, absl::string_view form) {
  const std::string found = name.empty() ? "empty" : absl::StrCat("`", name.substr(0, 200), "`");
  return InvalidField(std::string(field),
                      absl::StrCat("must be a name `", form, "` with ids of the form ", kIdRule, ", but is ", found));
}

absl::StatusOr<ChildName> ParseChildName(absl::string_view name, absl::string_view field, absl::string_view collection,
                                         absl::string_view form) {
  const std::vector<absl::string_view> parts = absl::StrSplit(name, absl::MaxSplits('/', 4));
  if (parts.size() != 4 || parts[0] != "sessions" || parts[2] != collection || !IsValidId(parts[1]) ||
      !IsValidId(parts[3])) {
    return Malformed(name, field, form);
  }
  return ChildName{std::string(parts[1]), std::string(parts[3])};
}

}  // namespace

bool IsValidId(absl::string_view id) {
  if (id.empty() || id.size() > kMaxIdBytes || !absl::ascii_islower(static_cast<unsigned char>(id.front())))
    return false;
  if (id.back() == '-') return false;
  return std::all_of(id.begin(), id.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return absl::ascii_islower(byte) || absl::ascii_isdigit(byte) || c == '-';
  });
}

absl::Status ValidateId(absl::string_view id, absl::string_view field) {
  if (IsValidId(id)) return absl::OkStatus();
  return InvalidField(std::string(field),
                      absl::StrCat("must be an id of the form ", kIdRule, ", but is `", id.substr(0, 200), "`"));
}

std::string SessionName(absl::string_view session) { return absl::StrCat("sessions/", session); }

std::string PatternSetName(absl::string_view session, absl::string_view pattern_set) {
  return absl::StrCat("sessions/", session, "/patternSets/", pattern_set);
}

std::string TrainingRunName(absl::string_view session, absl::string_view training_run) {
  return absl::StrCat("sessions/", session, "/trainingRuns/", training_run);
}

absl::Status SessionNotFound(absl::string_view session) {
  return Error(absl::StatusCode::kNotFound, "SESSION_NOT_FOUND",
               absl::StrCat("there is no session `", session, "`; ListSessions names those there are"));
}

absl::StatusOr<std::string> ParseSessionName(absl::string_view name, absl::string_view field) {
  const std::vector<absl::string_view> parts = absl::StrSplit(name, absl::MaxSplits('/', 2));
  if (parts.size() != 2 || parts[0] != "sessions" || !IsValidId(parts[1])) {
    return Malformed(name, field, "sessions/{session}");
  }
  return std::string(parts[1]);
}

absl::StatusOr<ChildName> ParsePatternSetName(absl::string_view name, absl::string_view field) {
  return ParseChildName(name, field, "patternSets", "sessions/{session}/patternSets/{pattern_set}");
}

absl::StatusOr<ChildName> ParseTrainingRunName(absl::string_view name, absl::string_view field) {
  return ParseChildName(name, field, "trainingRuns", "sessions/{session}/trainingRuns/{training_run}");
}

}  // namespace backprop::server
