// A store that remembers what was committed, and fails on demand.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "server/sessions/session_store.h"

namespace backprop::server {

// What a session's log has been given.
struct CountedSession {
  int64_t commit_count = 0;
  int64_t model_version = -1;                     // Of the last snapshot.
  std::map<std::string, int64_t> pattern_counts;  // Of sets that were not deleted.
  std::map<int64_t, std::string> set_ids;         // By key.
  Labels labels;
};

// Thread-safe. Failing changes nothing that is kept.
class FailingStore final : public SessionStore {
 public:
  // All calls but the next `count` fail from now on.
  void FailAfter(int count) {
    const std::lock_guard lock(mutex_);
    good_calls_ = count;
  }
  void Recover() { FailAfter(kAlways); }
  // How much is left of a copy of a log.
  void OnCopyPart(std::function<int64_t()> hook) { copy_part_ = std::move(hook); }
  int ended_copies() const { return ended_copies_; }
  // Called with every commit before it is kept.
  void OnCommit(std::function<void()> hook) { hook_ = std::move(hook); }

  bool Has(const std::string& id) const {
    const std::lock_guard lock(mutex_);
    return kept_.contains(id);
  }
  CountedSession Kept(const std::string& id) const {
    const std::lock_guard lock(mutex_);
    return kept_.at(id);
  }

  absl::StatusOr<std::unique_ptr<SessionLog<float>>> Create(const std::string& id,
                                                            const SessionChange<float>& first) override {
    return CreateTyped(id, first);
  }
  absl::StatusOr<std::unique_ptr<SessionLog<double>>> Create(const std::string& id,
                                                             const SessionChange<double>& first) override {
    return CreateTyped(id, first);
  }
  // What it has been given is counted, not kept.
  absl::StatusOr<AnyOpenedSession> Open(const std::string&) override { return absl::NotFoundError("counted only"); }
  absl::StatusOr<SessionState> Describe(const std::string&) override { return absl::NotFoundError("counted only"); }
  absl::StatusOr<std::optional<RequestAnswer>> FindDeletion(const std::string&) override { return std::nullopt; }
  absl::Status Import(const std::string&, const std::string&) override { return absl::UnimplementedError(""); }
  absl::Status FinishCopy(const std::string&, const StopCheck&) override { return absl::OkStatus(); }
  absl::StatusOr<std::unique_ptr<TransferFile>> NewTransfer() override { return absl::UnimplementedError(""); }
  bool durable() const override { return false; }
  absl::StatusOr<std::vector<std::string>> List() override { return std::vector<std::string>(); }
  absl::StatusOr<std::vector<std::string>> ListUnfinished() override { return std::vector<std::string>(); }
  absl::Status Delete(const std::string& id, const RequestAnswer*) override {
    const std::lock_guard lock(mutex_);
    if (absl::Status status = Take(); !status.ok()) return status;
    kept_.erase(id);
    return absl::OkStatus();
  }

 private:
  static constexpr int kAlways = 1'000'000'000;

  template <typename Scalar>
  class Log final : public SessionLog<Scalar> {
   public:
    Log(FailingStore* store, std::string id) : store_(store), id_(std::move(id)) {}
    absl::Status Commit(const SessionChange<Scalar>& change) override { return store_->Keep(id_, change); }
    absl::Status ReadPatterns(const std::function<absl::Status(int64_t, const Patterns<Scalar>&)>&) override {
      return absl::OkStatus();
    }
    absl::Status BeginCopy(const std::string&) override { return absl::OkStatus(); }
    absl::StatusOr<int64_t> CopyPart() override { return store_->copy_part_(); }
    void EndCopy() override { ++store_->ended_copies_; }

   private:
    FailingStore* const store_;
    const std::string id_;
  };

  absl::Status Take() {
    if (good_calls_ == 0) return Error(absl::StatusCode::kResourceExhausted, "STORAGE_FULL", "the disk is full");
    --good_calls_;
    return absl::OkStatus();
  }

  template <typename Scalar>
  absl::StatusOr<std::unique_ptr<SessionLog<Scalar>>> CreateTyped(const std::string& id,
                                                                  const SessionChange<Scalar>& first) {
    {
      const std::lock_guard lock(mutex_);
      if (absl::Status status = Take(); !status.ok()) return status;
      kept_[id] = {};
    }
    if (absl::Status status = Keep(id, first); !status.ok()) {
      const std::lock_guard lock(mutex_);
      kept_.erase(id);
      return status;
    }
    return std::make_unique<Log<Scalar>>(this, id);
  }

  template <typename Scalar>
  absl::Status Keep(const std::string& id, const SessionChange<Scalar>& change) {
    if (hook_) hook_();
    const std::lock_guard lock(mutex_);
    if (absl::Status status = Take(); !status.ok()) return status;
    CountedSession& kept = kept_.at(id);
    ++kept.commit_count;
    if (change.description != nullptr) kept.labels = change.description->labels;
    if (!change.snapshots.empty()) kept.model_version = change.snapshots.back()->model_version;
    if (change.online_step != nullptr) kept.model_version = change.online_step->model_version;
    for (const KeptPatternSet& set : change.new_sets) {
      kept.set_ids[set.key] = set.id;
      kept.pattern_counts[set.id] = 0;
    }
    for (const PatternAppend<Scalar>& append : change.appends) {
      kept.pattern_counts[kept.set_ids.at(append.pattern_set_key)] += append.patterns->count();
    }
    for (const auto* keys : {&change.hidden_sets, &change.erased_sets}) {
      for (const int64_t key : *keys) kept.pattern_counts.erase(kept.set_ids[key]);
    }
    return absl::OkStatus();
  }

  mutable std::mutex mutex_;
  int good_calls_ = kAlways;
  std::map<std::string, CountedSession> kept_;
  std::function<int64_t()> copy_part_;
  int ended_copies_ = 0;
  std::function<void()> hook_;
};

}  // namespace backprop::server
