// Where sessions are kept beyond the memory of this process: the interface that the domain commits to.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "core/online_learner.h"
#include "core/patterns.h"
#include "core/trainer.h"
#include "server/sessions/model_versions.h"
#include "server/sessions/session_description.h"
#include "server/sessions/training_run.h"

namespace backprop::server {

// One message that on-line training has learned from: `pattern_count` patterns of a set, from `offset` on.
struct OnlineStep {
  int64_t model_version = 0;  // That it made.
  int64_t pattern_set_key = 0;
  int64_t offset = 0;
  int64_t pattern_count = 0;
  TrainingOptions options = {};
};

// The answer that a mutating request got first.
struct RequestAnswer {
  std::string request_id = {};
  int64_t request_hash = 0;
  std::string answer = {};
};

// Answers that are kept of a session, the newest, and their bytes, of which one answer may have more; quoted in
// session_service.proto.
inline constexpr int64_t kMaxKeptAnswers = 1024;
inline constexpr int64_t kMaxKeptAnswerBytes = 16 << 20;

// A pattern set has a key beside its id: a set that was deleted while a run trains on it lives on without the id.
struct KeptPatternSet {
  int64_t key = 0;      // From 1; never that of another set that is kept.
  std::string id = {};  // Empty: deleted.
  int64_t pattern_count = 0;
  std::chrono::system_clock::time_point update_time = {};
};

// A training run, but for its reports. It trains on the first `pattern_count` patterns of its set.
struct KeptTrainingRun {
  int64_t number = 0;  // From 1.
  TrainingRunRequest request = {};
  int64_t pattern_set_key = 0;
  int64_t pattern_count = 0;
  int64_t validation_set_key = 0;  // 0: none.
  int64_t validation_count = 0;
  RunState state = RunState::kQueued;
  absl::Status error = {};
  std::chrono::system_clock::time_point create_time = {};
  std::optional<std::chrono::system_clock::time_point> start_time = {};
  std::optional<std::chrono::system_clock::time_point> end_time = {};
};

// Patterns at a set's end.
template <typename Scalar>
struct PatternAppend {
  int64_t pattern_set_key;
  int64_t offset;
  const PatternSequence<Scalar>* patterns;
};

// One change of a session; what is set belongs together and is kept together or not at all. Pointers are borrowed.
template <typename Scalar>
struct SessionChange {
  std::chrono::system_clock::time_point time = {};  // Of the change; becomes the update time of what it touches.
  const SessionDescription* description = nullptr;  // In place of the one before.
  std::vector<const Snapshot<Scalar>*> snapshots =
      {};                                          // New versions, in order, or one that is kept with new scalings.
  std::vector<int64_t> dropped_versions = {};      // Model versions no longer kept.
  const OnlineLearner<Scalar>* learner = nullptr;  // As of the last of `snapshots`; null: as it was.
  const OnlineStep* online_step = nullptr;         // Learned from `appends`, since the last snapshot and step.
  std::vector<KeptPatternSet> new_sets = {};       // Empty, before `appends`.
  std::vector<PatternAppend<Scalar>> appends = {};
  std::vector<int64_t> hidden_sets = {};             // Keys of sets that lose their id, and keep their patterns.
  std::vector<int64_t> erased_sets = {};             // Keys of sets that are kept no longer.
  const KeptTrainingRun* run = nullptr;              // New, or in place of the one of its number.
  std::vector<EpochReport> reports = {};             // Further ones of `run`, in order.
  const TrainerState<Scalar>* checkpoint = nullptr;  // Where `run`, which has not ended, stands.
  std::vector<int64_t> dropped_runs = {};            // Numbers of runs no longer kept, nor their reports.
  const RequestAnswer* answer = nullptr;             // To the request that asked for the change.
  int64_t kept_answers = kMaxKeptAnswers;            // With `answer`, so many of the newest answers are kept.
};

// All that is kept of a session, but for its patterns.
template <typename Scalar>
struct KeptSession {
  struct Run {
    KeptTrainingRun run;
    std::vector<EpochReport> reports;  // Of epochs 1, 2, ...
  };

  SessionDescription description;
  std::chrono::system_clock::time_point update_time = {};
  std::vector<Snapshot<Scalar>> snapshots = {};         // Oldest first, never empty.
  std::optional<OnlineLearner<Scalar>> learner = {};    // As of the last snapshot.
  std::vector<OnlineStep> online_steps = {};            // Since then, in order, of versions without gaps.
  std::vector<KeptPatternSet> pattern_sets = {};        // By key.
  std::vector<Run> runs = {};                           // Oldest first; only the last may not have ended.
  std::optional<TrainerState<Scalar>> checkpoint = {};  // Of a run that has not ended.
  std::vector<RequestAnswer> answers = {};              // Oldest first.
};

// The kept side of one session. Called by one thread at a time.
//
// Invariant: a change is committed here before it is applied in memory, and acknowledged after both. A commit that
// fails with RESOURCE_EXHAUSTED has changed nothing, and may be tried again. After any other failure nobody knows what
// the store holds: the session must be opened anew.
template <typename Scalar>
class SessionLog {
 public:
  virtual ~SessionLog() = default;
  virtual absl::Status Commit(const SessionChange<Scalar>& change) = 0;
  // Calls `visit` with the patterns of all sets, each set's in order; stops at the first error. DATA_LOSS when they are
  // not what was stored.
  virtual absl::Status ReadPatterns(
      const std::function<absl::Status(int64_t pattern_set_key, const Patterns<Scalar>& patterns)>& visit) = 0;
  // Begins to copy all that is kept into the new file `path`, in place of a copy that is under way.
  virtual absl::Status BeginCopy(const std::string& path) = 0;
  // Copies the next part. Returns what is left, in units of the store: 0 when it is whole. The log may be used in
  // between: the copy has what was committed until its last part. It is for SessionStore::FinishCopy.
  virtual absl::StatusOr<int64_t> CopyPart() = 0;
  // Gives up the copy that is under way, if any.
  virtual void EndCopy() = 0;
};

template <typename Scalar>
struct OpenedSession {
  std::unique_ptr<SessionLog<Scalar>> log;
  KeptSession<Scalar> kept;
};

// A session of either precision.
using AnyOpenedSession = std::variant<OpenedSession<float>, OpenedSession<double>>;

// A file on its way between a store and a caller, removed with this. Used by one thread at a time. Errors as of
// commits.
class TransferFile {
 public:
  virtual ~TransferFile() = default;
  virtual const std::string& path() const = 0;
  // Adds to its end.
  virtual absl::Status Append(const std::string& bytes) = 0;
  // The next bytes, at most `most`; none at the end.
  virtual absl::StatusOr<std::string> Read(size_t most) = 0;
};

// What a list says of a session, without opening it.
struct SessionState {
  SessionDescription description;
  Scalings scalings = {};
  int64_t model_version;
  std::chrono::system_clock::time_point update_time = {};
  std::string active_training_run = {};  // Id, or empty.
};

// Thread-safe; calls for one id come one at a time. A session has at most one log at a time.
class SessionStore {
 public:
  virtual ~SessionStore() = default;
  // A log for a session that is new, with its first change: description and snapshot. ALREADY_EXISTS. When it fails
  // nothing is kept.
  virtual absl::StatusOr<std::unique_ptr<SessionLog<float>>> Create(const std::string& id,
                                                                    const SessionChange<float>& first) = 0;
  virtual absl::StatusOr<std::unique_ptr<SessionLog<double>>> Create(const std::string& id,
                                                                     const SessionChange<double>& first) = 0;
  // NOT_FOUND; DATA_LOSS, reason SESSION_DAMAGED, when what is kept is not what was stored; FAILED_PRECONDITION, reason
  // SESSION_FORMAT_TOO_NEW, for a file of a newer version of the server.
  virtual absl::StatusOr<AnyOpenedSession> Open(const std::string& id) = 0;
  // Errors as in Open.
  virtual absl::StatusOr<SessionState> Describe(const std::string& id) = 0;
  // Removes all that is kept of a session, whose log is no longer used; `answer`, if any, is kept with that.
  virtual absl::Status Delete(const std::string& id, const RequestAnswer* answer) = 0;
  // The answer that a deletion was kept with, if it was under this request id.
  virtual absl::StatusOr<std::optional<RequestAnswer>> FindDeletion(const std::string& request_id) = 0;
  // A path for SessionLog::BeginCopy, where no file is yet, or a file for Import to be filled. FAILED_PRECONDITION,
  // reason EPHEMERAL, of a store that keeps no files.
  virtual absl::StatusOr<std::unique_ptr<TransferFile>> NewTransfer() = 0;
  // Makes a whole copy a file for Import, or removes it. Errors as in Open; CANCELLED once `given_up`.
  virtual absl::Status FinishCopy(const std::string& path, const StopCheck& given_up) = 0;
  // Takes over such a file under a new id, once all of it is checked. Errors as in Open, and
  // ALREADY_EXISTS.
  virtual absl::Status Import(const std::string& path, const std::string& id) = 0;
  // False when sessions live in memory alone: a log then keeps nothing.
  virtual bool durable() const = 0;
  // All ids, in order.
  virtual absl::StatusOr<std::vector<std::string>> List() = 0;
  // Ids of sessions that may have a training run that has not ended.
  virtual absl::StatusOr<std::vector<std::string>> ListUnfinished() = 0;
};

}  // namespace backprop::server
