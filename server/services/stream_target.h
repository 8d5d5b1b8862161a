// Where the messages of a stream go: session and set stay as the last message that named them said.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "core/error.h"
#include "core/pattern_sequence.h"
#include "server/services/patterns_codec.h"
#include "server/services/service_context.h"
#include "server/sessions/session_registry.h"

namespace backprop::server {

// One a stream; not thread-safe. Request is AppendPatternsRequest or TrainOnlineRequest.
class StreamTarget {
 public:
  explicit StreamTarget(const ServiceContext& context) : context_(context) {}

  // Takes over the session and the set that `request` names, and finds the session. Adds to `violations` what is wrong
  // with the request. Whatever that is, the answer says where the set ends.
  template <typename Request, typename Response>
  absl::StatusOr<AnySession> Find(const Request& request, Response* response, Violations violations = {}) {
    absl::Status found;
    if (!IsAsBefore(request)) {
      found_.reset();
      tail_.emplace<std::monostate>();
      if (!request.session().empty()) session_ = request.session();
      if (!request.pattern_set().empty()) pattern_set_ = request.pattern_set();
      Violations names;
      names.AddAll("", ParseSessionName(session_, "session").status());
      names.AddAll("", ValidateId(pattern_set_, "pattern_set"));
      violations.AddAll("", names.ToStatus());
      if (names.empty()) {
        absl::StatusOr<AnySession> session = FindSession(context_, session_, "session");
        found = session.status();
        if (session.ok()) found_ = *std::move(session);
      }
    }
    Describe(response);
    if (absl::Status status = CheckServing(context_); !status.ok()) return status;
    if (request.has_offset() && request.offset() < 0) {
      violations.Add("offset", absl::StrCat("must be 0 or more, but is ", request.offset()));
    }
    if (!request.has_patterns()) violations.Add("patterns", "must be given");
    if (!violations.empty()) return violations.ToStatus();
    if (!found.ok()) return found;
    return *found_;
  }

  // Says in `response` where the set that was found last stands.
  template <typename Response>
  void Describe(Response* response) const {
    if (!found_) return;
    std::visit(
        [&](const auto& typed) {
          response->set_next_offset(typed->pattern_sets().NextOffset(pattern_set_));
          if constexpr (requires { response->model_version(); }) {
            response->set_model_version(typed->model_versions().Latest()->model_version);
          }
        },
        *found_);
  }

  // What a batch for the session that was found is to be appended to: its place behind the last batch, at `offset`, or
  // at the set's end where nothing is `under_way`. There its set can share it if nobody else appends.
  template <typename Scalar>
  PatternSequence<Scalar> TailFor(const Session<Scalar>& session, std::optional<int64_t> offset, bool under_way) {
    auto* tail = std::get_if<PatternSequence<Scalar>>(&tail_);
    const PatternSets<Scalar>& sets = session.pattern_sets();
    const int64_t end = tail != nullptr && under_way ? tail_offset_ : sets.NextOffset(pattern_set_);
    const int64_t place = offset.value_or(end);
    if (tail == nullptr || place != tail_offset_) {
      PatternSequence<Scalar> at_end = sets.Tail(pattern_set_);
      const PatternSequence<Scalar> none(at_end.input_count(), at_end.target_count());
      const bool is_end = place == sets.NextOffset(pattern_set_);
      tail = &tail_.template emplace<PatternSequence<Scalar>>(is_end ? std::move(at_end) : none.TailAt(place));
      tail_offset_ = place;
    }
    return *tail;
  }
  // After `batch` was appended to what TailFor gave.
  template <typename Scalar>
  void MoveTail(const PatternSequence<Scalar>& batch) {
    tail_offset_ += batch.count();
    tail_ = batch.Tail();
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
  std::variant<std::monostate, PatternSequence<float>, PatternSequence<double>> tail_;
  int64_t tail_offset_ = 0;  // Of what is appended to it, in its set.
};

}  // namespace backprop::server
