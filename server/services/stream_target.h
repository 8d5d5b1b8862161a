// Where the messages of a stream go: session and set stay as the last message that named them said.
#pragma once

#include <optional>
#include <string>

#include "core/error.h"
#include "server/services/patterns_codec.h"
#include "server/services/service_context.h"
#include "server/sessions/session_registry.h"

namespace backprop::server {

// One a stream; not thread-safe. Request is AppendPatternsRequest or TrainOnlineRequest.
class StreamTarget {
 public:
  explicit StreamTarget(const ServiceContext& context) : context_(context) {}

  // Takes over the session and the set that `request` names, and finds the session. Whatever else is wrong, the answer
  // says where the set ends.
  template <typename Request, typename Response>
  absl::StatusOr<AnySession> Find(const Request& request, Response* response) {
    Violations violations;
    if (!IsAsBefore(request)) {
      found_.reset();
      if (!request.session().empty()) session_ = request.session();
      if (!request.pattern_set().empty()) pattern_set_ = request.pattern_set();
      violations.AddAll("", ParseSessionName(session_, "session").status());
      violations.AddAll("", ValidateId(pattern_set_, "pattern_set"));
      if (violations.empty()) {
        absl::StatusOr<AnySession> session = FindSession(context_, session_, "session");
        if (!session.ok()) return session;
        found_ = *std::move(session);
      }
    }
    if (found_) {
      std::visit(
          [&](const auto& typed) {
            response->set_next_offset(typed->pattern_sets().NextOffset(pattern_set_));
            if constexpr (requires { response->model_version(); }) {
              response->set_model_version(typed->model_versions().Latest()->model_version);
            }
          },
          *found_);
    }
    if (absl::Status status = CheckServing(context_); !status.ok()) return status;
    if (request.has_offset() && request.offset() < 0) {
      violations.Add("offset", absl::StrCat("must be 0 or more, but is ", request.offset()));
    }
    if (!request.has_patterns()) violations.Add("patterns", "must be given");
    if (!violations.empty()) return violations.ToStatus();
    return *found_;
  }

  const std::string& pattern_set() const { return pattern_set_; }
  // The session that the last message found, if it did.
  const std::optional<AnySession>& found() const { return found_; }

  template <typename Request>
  AppendTarget TargetOf(const Request& request) const {
    return {pattern_set_, request.has_offset() ? std::optional<int64_t>(request.offset()) : std::nullopt};
  }

 private:
  // Whether `request` goes where the one before it went, and that is still there: then nothing needs to be looked up.
  template <typename Request>
  bool IsAsBefore(const Request& request) const {
    return found_ && (request.session().empty() || request.session() == session_) &&
           (request.pattern_set().empty() || request.pattern_set() == pattern_set_) &&
           std::visit([](const auto& typed) { return !typed->closed(); }, *found_);
  }

  const ServiceContext& context_;
  std::string session_;
  std::string pattern_set_;
  std::optional<AnySession> found_;
};

}  // namespace backprop::server
