// A session: a network, its patterns, its model versions and its training.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "core/online_learner.h"
#include "core/scaling.h"
#include "core/training_options.h"
#include "server/scheduling/training_workers.h"
#include "server/sessions/change_request.h"
#include "server/sessions/memory_budget.h"
#include "server/sessions/model_versions.h"
#include "server/sessions/pattern_sets.h"
#include "server/sessions/session_environment.h"
#include "server/sessions/session_store.h"
#include "server/sessions/training_run.h"
#include "server/sessions/turn_queue.h"

namespace backprop::server {

// Training runs of a session that are remembered; quoted in training_run.proto.
inline constexpr size_t kMaxTrainingRuns = 64;
// Bytes of the patterns that are committed together, about: batches of many callers share one commit.
inline constexpr int64_t kCommitGroupBytes = 16 << 20;
// Of the time spent on training and on keeping where it stands, checkpoints take this part at most.
inline constexpr double kCheckpointShare = 0.02;

// What UpdateSession changes; fields left empty stay.
struct SessionUpdate {
  std::optional<Labels> labels = {};
  std::optional<Scaling> input_scaling = {};
  std::optional<Scaling> target_scaling = {};
  std::optional<std::vector<std::string>> output_names = {};
  std::optional<std::vector<int64_t>> pinned_versions = {};
};

// Where training patterns go.
struct AppendTarget {
  std::string pattern_set;
  std::optional<int64_t> offset = {};
};

template <typename Scalar>
struct OnlineResult {
  Matrix<Scalar> outputs;  // [output_unit_count x pattern_count]
  double log_likelihood = 0;
  int64_t next_offset = 0;
  int64_t model_version = 0;
};

// Thread-safe. Neither copied nor moved; lives in a shared_ptr, and past its deletion for as long as somebody uses it.
//
// Invariant: every change of the parameters holds the turn, and every change commit_mutex_, from its last checks
// through the store's commit to its effect in memory, so changes have one order. Readers take only the locks of the
// parts, which are never held during a commit or training.
//
// Invariant: what the store keeps makes the same session again, to the same bits: parameters as of some version, and
// the steps since then to be done again.
template <typename Scalar>
class Session : public std::enable_shared_from_this<Session<Scalar>> {
 public:
  using SnapshotPtr = std::shared_ptr<const Snapshot<Scalar>>;

  // A new session, kept by the store. RESOURCE_EXHAUSTED without memory for its parameters; errors of the store.
  static absl::StatusOr<std::shared_ptr<Session>> Create(SessionDescription description, Snapshot<Scalar> snapshot,
                                                         const SessionEnvironment& environment,
                                                         const ChangeRequest& request = {});
  // A new session `id` with the description, latest parameters and pattern sets that `source` has between two changes,
  // at version 0.
  static absl::StatusOr<std::shared_ptr<Session>> CreateCopy(const std::string& id, const Session& source,
                                                             const ChangeRequest& request = {});
  // A session as the store kept it; a training run that had not ended goes on.
  static absl::StatusOr<std::shared_ptr<Session>> Open(OpenedSession<Scalar> opened,
                                                       const SessionEnvironment& environment);

  NetworkSpec spec() const;
  SessionState state() const;
  const PatternSets<Scalar>& pattern_sets() const { return pattern_sets_; }
  const ModelVersions<Scalar>& model_versions() const { return model_versions_; }
  MemoryBudget* budget() const { return environment_.budget; }

  absl::Status Update(const SessionUpdate& update, const ChangeRequest& request = {});
  absl::Status FitScaling(const std::string& pattern_set, ScalingMethod method, const ChangeRequest& request = {});
  // The snapshot in force afterwards.
  absl::StatusOr<SnapshotPtr> SetParameters(Parameters<Scalar> parameters, const ChangeRequest& request = {});
  // True when the request was answered before; it has its answer then. INVALID_ARGUMENT for the id of another.
  absl::StatusOr<bool> WasAnswered(const ChangeRequest& request) const;
  // Publishes the parameters and scalings of a version that is kept as a new one. NOT_FOUND, reason
  // MODEL_VERSION_NOT_FOUND.
  absl::StatusOr<SnapshotPtr> RollBack(int64_t model_version, const ChangeRequest& request = {});
  // Keeps the answer to a request whose change was kept before.
  absl::Status KeepAnswer(const ChangeRequest& request);

  // Patterns that wait for a commit, or had theirs. Goes before its session does.
  struct PendingAppend {
    PendingAppend(Session* owner, AppendTarget where, PatternSequence<Scalar> what)
        : session(owner), target(std::move(where)), patterns(std::move(what)), charge(owner->budget()) {}
    ~PendingAppend() {
      if (!settled) session->Withdraw(this);
    }
    PendingAppend(const PendingAppend&) = delete;
    PendingAppend& operator=(const PendingAppend&) = delete;

    Session* const session;
    const AppendTarget target;
    const PatternSequence<Scalar> patterns;
    MemoryCharge charge;
    absl::StatusOr<int64_t> result;     // The offset, once it is settled.
    std::atomic<bool> settled = false;  // FinishAppend would not wait.
  };

  // Appends by the offset rules of AppendPatterns; the offset that the patterns got. Callers that wait at the same time
  // share a commit.
  absl::StatusOr<int64_t> Append(AppendTarget target, const Patterns<Scalar>& patterns);
  // The same in two steps: a caller that has begun several shares a commit with itself. Appends are carried out in the
  // order in which they were begun. Patterns that were appended to the set's tail, or to that of the append before, are
  // not copied.
  std::unique_ptr<PendingAppend> BeginAppend(AppendTarget target, PatternSequence<Scalar> patterns);
  absl::StatusOr<int64_t> FinishAppend(PendingAppend* append);
  absl::Status DeletePatternSet(const std::string& id, const ChangeRequest& request = {});

  // Queues a training run. FAILED_PRECONDITION, reason ACTIVE_TRAINING_RUN, during another. A request that came before
  // gets an answer and no run: null.
  absl::StatusOr<std::shared_ptr<TrainingRun>> StartTrainingRun(TrainingRunRequest request,
                                                                const ChangeRequest& change_request = {});
  // NOT_FOUND, reason TRAINING_RUN_NOT_FOUND.
  absl::StatusOr<std::shared_ptr<TrainingRun>> GetTrainingRun(const std::string& id) const;
  std::vector<std::shared_ptr<TrainingRun>> ListTrainingRuns() const;  // Newest first.

  // The following are called by the active run's job. Publishes what the run has reached, in memory; the new version.
  // `best`: it is the run's best so far, and kept for as long as the run.
  absl::StatusOr<int64_t> PublishFromRun(const Parameters<Scalar>& parameters, bool best = false);
  bool CheckpointDue() const;
  // Keeps where the run stands, `checkpoint`, or without one that it ended like this; and its reports and the model
  // versions that the store lacks. The time when.
  absl::StatusOr<TrainingRun::Time> KeepRun(const TrainingRun& run, const TrainerState<Scalar>* checkpoint,
                                            RunState state, const absl::Status& error);

  // Stores `patterns` and learns from them, on a training worker. The optimizer goes on where it was while options stay
  // the same, here and in ApplyGradient.
  absl::StatusOr<OnlineResult<Scalar>> TrainOnline(const AppendTarget& target, const Patterns<Scalar>& patterns,
                                                   const TrainingOptions& options,
                                                   const StopCheck& given_up = NeverStop);
  // One step with the caller's gradient, on a training worker; the version afterwards.
  absl::StatusOr<int64_t> ApplyGradient(const Parameters<Scalar>& gradient, const TrainingOptions& options,
                                        std::optional<int64_t> expected_model_version,
                                        const ChangeRequest& request = {});

  // Writes all that the store keeps of it into a new file `path`, between other changes. CANCELLED once `given_up`.
  absl::Status Export(const std::string& path, const StopCheck& given_up = NeverStop);

  // Cancels an active training run, giving `reason`, refuses every change from now on, and leaves the store's files.
  void Close(const absl::Status& reason);
  // The same behind `remove`, which removes those files, with nothing committed in between. Where there is no room to
  // do that, RESOURCE_EXHAUSTED, the session goes on.
  absl::Status Remove(const absl::Status& reason, const std::function<absl::Status()>& remove);
  // Closes it, as failed, when a change was made that could not be kept.
  void Fail(const absl::Status& reason);
  // True when the store failed in a way that nobody knows what it holds: the session takes no more changes, and must be
  // opened anew.
  bool failed() const { return failed_; }
  // Whether it takes no more changes: it was closed, or has failed.
  bool closed() const { return closing_ || failed_; }

 private:
  using Clock = std::chrono::steady_clock;

  Session(SessionDescription description, SnapshotPtr snapshot, std::unique_ptr<SessionLog<Scalar>> log,
          MemoryCharge charge, const SessionEnvironment& environment);
  // Bytes that a session takes beside its patterns, runs and work.
  static int64_t OwnBytes(const SessionDescription& description, const SessionEnvironment& environment);

  // Export without its end.
  absl::Status CopyTo(const std::string& path, const StopCheck& given_up);

  // The following want commit_mutex_ held.
  void EndBy(const absl::Status& reason);
  absl::Status CheckOpen() const;
  absl::Status CheckNotTraining() const;  // CheckOpen too.
  // True when the request was answered before; it has its answer then.
  absl::StatusOr<bool> Recall(const ChangeRequest& request) const;
  static SessionChange<Scalar> NewChange();
  // Adds the model versions and the learner that the store lacks; `next`, if not null, is about to be in force.
  void AddVersions(const SnapshotPtr& next, SessionChange<Scalar>* change) const;
  // What the session will be with `change`.
  SessionState StateAfter(const SessionChange<Scalar>& change) const;
  // Tells when the store begins to fail or works again.
  void ReportStorage(const absl::Status& status);
  // Keeps `change` and the answer to `request`.
  absl::Status Commit(SessionChange<Scalar>* change, const ChangeRequest& request = {});
  // Makes what was kept so in memory too. Memory that runs out in that leaves the session to be opened anew.
  void Apply(const std::function<void()>& effect);
  // How many of the newest answers are kept with another one of so many bytes.
  int64_t KeptAnswersWith(int64_t bytes) const;
  // Takes up an answer as the newest; `kept_answers` stay, for which memory was taken.
  void NoteAnswer(RequestAnswer answer, int64_t kept_answers, MemoryCharge charge);
  // Takes the time of the next checkpoint from what the last one took.
  void NoteCheckpoint(Clock::time_point begin);
  absl::StatusOr<SnapshotPtr> Publish(Parameters<Scalar> parameters, const Scalings& scalings,
                                      const OnlineLearner<Scalar>* learner, const ChangeRequest& request);
  // Model versions that are held: those pinned, and the best of every run.
  std::vector<int64_t> HeldVersions() const;
  size_t RunCount() const;
  // Memory for so many versions to be held, beside those that memory was taken for; to be noted when they are.
  absl::StatusOr<MemoryCharge> ChargeForHeld(size_t count) const;
  void NoteHeld(size_t count, MemoryCharge charge);
  absl::Status PutScalings(const Scalings& scalings, const SessionDescription& description,
                           const ChangeRequest& request);
  // Carries out pending appends with one commit: as many as can share it, at least the first.
  void CommitPendingAppends();
  // Takes an append that is not settled out of the line; without commit_mutex_.
  void Withdraw(PendingAppend* append);
  // Adds the append to `change`, behind `staged_count` that are in it for the same set.
  void AddAppend(const AppendTarget& target, int64_t staged_count, const PatternSequence<Scalar>& patterns,
                 SessionChange<Scalar>* change);
  // A copy of the learner for `options`, with its state where they are those of the last time.
  OnlineLearner<Scalar> LearnerFor(const TrainingOptions& options) const;
  // Has the workers go through `pass`, slice by slice; without commit_mutex_.
  absl::Status RunOnWorkers(OnlinePass<Scalar>* pass, const StopCheck& given_up,
                            const TrainingWorkers::Place* place = nullptr);
  // Checks that patterns can be learned from, and takes the memory for them.
  absl::Status CheckOnline(const AppendTarget& target, const Patterns<Scalar>& patterns, MemoryCharge* charge) const;
  TrainingTask<Scalar> TaskOf(const TrainingRunRequest& request, PatternSequence<Scalar> patterns,
                              std::optional<PatternSequence<Scalar>> validation) const;
  // Takes the memory that training takes.
  absl::StatusOr<MemoryCharge> ChargeForTraining(const TrainingTask<Scalar>& task) const;
  // Makes `run` the active one, and queues its job. UNAVAILABLE at shutdown: the run is kept, and goes on afterwards.
  absl::Status Submit(const std::shared_ptr<TrainingRun>& run, TrainingTask<Scalar> task, TrainerState<Scalar> state,
                      MemoryCharge charge, TrainingWorkers::Place place);

  // Parts of Open, in this order.
  absl::StatusOr<std::map<int64_t, PatternSequence<Scalar>>> RestorePatterns(const KeptSession<Scalar>& kept);
  absl::Status ReplayOnline(const KeptSession<Scalar>& kept,
                            const std::map<int64_t, PatternSequence<Scalar>>& sequences);
  absl::Status RestoreRuns(KeptSession<Scalar> kept, const std::map<int64_t, PatternSequence<Scalar>>& sequences);

  std::shared_ptr<TrainingRun> ActiveRun() const;
  void Touch(std::chrono::system_clock::time_point time);

  const SessionEnvironment environment_;

  // The turn is held by whoever changes the parameters or what is learned with them, from the first look at them to the
  // effect: TrainOnline and ApplyGradient hold it while workers do their step. So a session has one such job with the
  // workers at a time, however many callers, and other changes need not wait for it. Taken before commit_mutex_.
  TurnQueue turns_;

  std::mutex export_mutex_;  // Taken before commit_mutex_.
  mutable std::mutex commit_mutex_;
  std::condition_variable closes_;                      // Waited for by a copy between its parts.
  MemoryCharge charge_ ABSL_GUARDED_BY(commit_mutex_);  // For model versions, learner, description.
  std::unique_ptr<SessionLog<Scalar>> log_ ABSL_GUARDED_BY(commit_mutex_);
  std::atomic<bool> closing_ = false;  // Set before Close waits for commit_mutex_.
  std::atomic<bool> failed_ = false;
  bool storage_fails_ ABSL_GUARDED_BY(commit_mutex_) = false;
  absl::Status closed_ ABSL_GUARDED_BY(commit_mutex_);
  std::optional<OnlineLearner<Scalar>> learner_ ABSL_GUARDED_BY(commit_mutex_);
  bool learner_kept_ ABSL_GUARDED_BY(commit_mutex_) = true;            // The store has the learner as it is.
  size_t held_charge_count_ ABSL_GUARDED_BY(commit_mutex_) = 0;        // Held versions that memory was taken for.
  int64_t best_of_run_ ABSL_GUARDED_BY(commit_mutex_) = 0;             // Version; 0: none of the active run yet.
  std::vector<int64_t> kept_versions_ ABSL_GUARDED_BY(commit_mutex_);  // Model versions that the store has.
  int64_t next_run_number_ ABSL_GUARDED_BY(commit_mutex_) = 1;
  int64_t next_set_key_ ABSL_GUARDED_BY(commit_mutex_) = 1;
  // Sets that were deleted while the active run trains on them; erased when it has ended.
  std::vector<int64_t> hidden_sets_ ABSL_GUARDED_BY(commit_mutex_);
  KeptTrainingRun active_run_ ABSL_GUARDED_BY(commit_mutex_);  // As the store has it.
  int64_t kept_report_count_ ABSL_GUARDED_BY(commit_mutex_) = 0;
  struct NotedAnswer {
    RequestAnswer answer;
    MemoryCharge charge;
  };
  std::deque<NotedAnswer> answers_ ABSL_GUARDED_BY(commit_mutex_);  // Oldest first.
  std::atomic<Clock::time_point> next_checkpoint_ = Clock::time_point();

  std::mutex pending_mutex_;  // Taken after commit_mutex_.
  std::deque<PendingAppend*> pending_appends_ ABSL_GUARDED_BY(pending_mutex_);

  ModelVersions<Scalar> model_versions_;  // Written under commit_mutex_.
  PatternSets<Scalar> pattern_sets_;      // Written under commit_mutex_.

  mutable std::mutex mutex_;  // Taken after commit_mutex_, never held during a commit.
  SessionDescription description_ ABSL_GUARDED_BY(mutex_);
  std::chrono::system_clock::time_point update_time_ ABSL_GUARDED_BY(mutex_);
  std::deque<std::shared_ptr<TrainingRun>> runs_ ABSL_GUARDED_BY(mutex_);  // Newest first.
};

}  // namespace backprop::server
