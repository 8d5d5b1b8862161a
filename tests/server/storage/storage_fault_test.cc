// What a store leaves behind when it is cut off at any write, sync, truncation or deletion.
#include <algorithm>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/storage/change_writer.h"
#include "server/storage/sqlite_store.h"
#include "tests/server/storage/faulty_vfs.h"
#include "tests/server/storage/workload.h"

namespace backprop::server {
namespace {

using testing::AnyOf;
using testing::Contains;
using testing::ElementsAre;
using testing::Eq;
using testing::IsEmpty;

using Changes = std::vector<OwnedChange<double>>;

// What was acknowledged before everything stopped.
struct Acknowledged {
  bool opened = false;   // The store.
  bool created = false;  // The session, and with it the first change.
  size_t changes = 0;
  absl::Status error;
};

Acknowledged CutOff(const std::string& directory, const FaultyVfs& vfs, const Changes& changes) {
  Acknowledged done;
  auto store = SqliteStore::OpenDirectory(directory, {.vfs = vfs.name()});
  done.error = store.status();
  if (!store.ok()) return done;
  done.opened = true;
  auto log = (*store)->Create("a", changes.front().View());
  done.error = log.status();
  if (!log.ok()) return done;
  done.created = true;
  for (done.changes = 1; done.changes < changes.size(); ++done.changes) {
    done.error = (*log)->Commit(changes[done.changes].View());
    if (!done.error.ok()) break;
  }
  return done;
}

// After the first n changes, for n from 0.
std::vector<std::string> StatesOf(const Changes& changes) {
  KeptModel<double> model;
  std::vector<std::string> states = {"no session"};
  for (const OwnedChange<double>& change : changes) {
    model.Apply(change.View());
    states.push_back(TextOf(model));
  }
  return states;
}

class StorageFaultTest : public testing::TestWithParam<Fault> {};

TEST_P(StorageFaultTest, LosesNothingThatWasAcknowledgedWhereverItIsCutOff) {
  const Changes changes = ReferenceWorkload<double>("a");
  const std::vector<std::string> states = StatesOf(changes);
  int64_t call_count = 0, applied_unacknowledged = 0;
  for (int64_t k = 1;; ++k) {
    SCOPED_TRACE(absl::StrCat("cut off at call ", k));
    const TemporaryDirectory directory;
    FaultyVfs vfs;
    vfs.FailAt(k, GetParam());
    const Acknowledged done = CutOff(directory.path(), vfs, changes);
    if (!vfs.failed()) {
      ASSERT_TRUE(done.error.ok()) << done.error;
      call_count = vfs.call_count();
      break;
    }
    if (done.changes < changes.size()) {  // Else it was cut off when it closed its files.
      ASSERT_EQ(done.error.code(), absl::StatusCode::kUnavailable) << done.error;
      ASSERT_EQ(ReasonOf(done.error), "STORAGE_FAILED");
    }

    auto store = SqliteStore::OpenDirectory(directory.path());
    ASSERT_TRUE(store.ok()) << store.status();
    const std::vector<std::string> ids = (*store)->List().value();
    if (!done.created) {
      ASSERT_THAT(ids, IsEmpty()) << "a Create that fails keeps nothing";
      ASSERT_TRUE((*store)->Create("a", changes.front().View()).ok());
      continue;
    }
    ASSERT_THAT(ids, ElementsAre("a"));
    const absl::StatusOr<std::string> text = StoredText(store->get(), "a");
    ASSERT_TRUE(text.ok()) << text.status();
    ASSERT_THAT(*text, AnyOf(Eq(states[done.changes]), Eq(states[std::min(done.changes + 1, changes.size())])));
    if (*text != states[done.changes]) ++applied_unacknowledged;
    if (text->find("run: 2") != std::string::npos) {
      ASSERT_THAT((*store)->ListUnfinished().value(), Contains("a"));
    }
  }
  EXPECT_GT(call_count, 200) << "the workload is cut off at too few places";
  RecordProperty("calls", static_cast<int>(call_count));
  RecordProperty("applied_unacknowledged", static_cast<int>(applied_unacknowledged));
}

// A process that is killed leaves what it wrote, synced or not. What the next one reads of that it tells others, so it
// must be there after a loss of power too.
TEST(StorageKillTest, WhatAStartFindsSurvivesALossOfPowerWhereverTheProcessBeforeWasKilled) {
  const Changes changes = ReferenceWorkload<double>("a");
  for (int64_t k = 1;; ++k) {
    SCOPED_TRACE(absl::StrCat("killed at call ", k));
    const TemporaryDirectory directory;
    FaultyVfs vfs;
    vfs.FailAt(k, Fault::kStop);
    const Acknowledged done = CutOff(directory.path(), vfs, changes);
    if (!vfs.failed()) break;
    if (!done.created) continue;
    vfs.Recover();
    vfs.FailAt(INT64_MAX / 2, Fault::kStop);
    std::string told;
    {
      auto store = SqliteStore::OpenDirectory(directory.path(), {.vfs = vfs.name()});
      ASSERT_TRUE(store.ok()) << store.status();
      told = StoredText(store->get(), "a").value_or("lost");
      vfs.LosePower();
    }
    auto store = SqliteStore::OpenDirectory(directory.path());
    ASSERT_TRUE(store.ok()) << store.status();
    ASSERT_TRUE(StoredText(store->get(), "a").value_or("lost") == told) << "what was told is gone";
  }
}

// The session is there as it was, or it is not; when that was acknowledged it is not, and its answer is kept.
TEST_P(StorageFaultTest, ADeletionIsDoneOrNotWhereverItIsCutOff) {
  const Changes changes = {FirstChange<double>("a"), NewSet<double>(1, 3)};
  const RequestAnswer answer{.request_id = "r", .request_hash = 3, .answer = "deleted"};
  for (int64_t k = 1;; ++k) {
    SCOPED_TRACE(absl::StrCat("cut off at call ", k));
    const TemporaryDirectory directory;
    FaultyVfs vfs;
    absl::Status deleted;
    {
      auto store = SqliteStore::OpenDirectory(directory.path(), {.vfs = vfs.name()}).value();
      Store(store.get(), "a", changes);
      vfs.FailAt(k, GetParam());
      deleted = store->Delete("a", &answer);
      if (!vfs.failed()) break;
    }
    auto store = SqliteStore::OpenDirectory(directory.path());
    ASSERT_TRUE(store.ok()) << store.status();
    const auto kept = (*store)->FindDeletion("r");
    ASSERT_TRUE(kept.ok()) << kept.status();
    ASSERT_EQ(std::filesystem::exists(directory.PathOf("a.session")), !kept->has_value()) << "a start finishes it";
    ASSERT_EQ((*store)->List()->empty(), kept->has_value());
    const absl::StatusOr<std::string> text = StoredText(store->get(), "a");
    if (deleted.ok() || kept->has_value()) {
      ASSERT_TRUE(kept->has_value()) << "the deletion was acknowledged";
      EXPECT_EQ((*kept)->answer, "deleted");
      EXPECT_EQ(text.status().code(), absl::StatusCode::kNotFound);
    } else {
      EXPECT_EQ(text.value_or("lost"), ExpectedText(changes));
    }
    // A new session of the id is not taken for the deleted one.
    if (!text.ok()) Store(store->get(), "a", changes);
    store->reset();
    store = SqliteStore::OpenDirectory(directory.path());
    EXPECT_EQ(StoredText(store->get(), "a").value_or("lost"), ExpectedText(changes));
  }
}

std::string NameOf(const testing::TestParamInfo<Fault>& info) {
  const char* const names[] = {"Stop", "TornWrite", "LoseUnsynced", "ShuffleWrites"};
  return names[static_cast<int>(info.param)];
}
INSTANTIATE_TEST_SUITE_P(All, StorageFaultTest,
                         testing::Values(Fault::kStop, Fault::kTornWrite, Fault::kLoseUnsynced, Fault::kShuffleWrites),
                         NameOf);

TEST(StorageFullTest, AFullDiskFailsOneCommitAndIsForgottenWhenThereIsRoom) {
  const Changes changes = ReferenceWorkload<double>("a");
  for (int64_t k = 1;; ++k) {
    SCOPED_TRACE(absl::StrCat("full at call ", k));
    const TemporaryDirectory directory;
    FaultyVfs vfs;
    auto store = SqliteStore::OpenDirectory(directory.path(), {.vfs = vfs.name()}).value();
    std::unique_ptr<SessionLog<double>> log;
    vfs.FailAt(k, Fault::kFull);
    bool met = false;
    for (size_t i = 0; i < changes.size(); ++i) {
      const auto commit = [&]() -> absl::Status {
        if (log != nullptr) return log->Commit(changes[i].View());
        auto created = store->Create("a", changes[i].View());
        if (created.ok()) log = *std::move(created);
        return created.status();
      };
      absl::Status status = commit();
      if (status.ok()) continue;
      met = true;
      ASSERT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
      ASSERT_EQ(ReasonOf(status), "STORAGE_FULL");
      ASSERT_NE(std::string(status.message()).find(directory.path()), std::string::npos) << status;
      ASSERT_EQ(commit().code(), absl::StatusCode::kResourceExhausted) << "there is still no room";
      vfs.Recover();
      vfs.FailAt(INT64_MAX / 2, Fault::kFull);
      status = commit();
      ASSERT_TRUE(status.ok()) << status;
    }
    log.reset();
    const bool over = !met && !vfs.failed();
    vfs.Recover();
    vfs.FailAt(INT64_MAX / 2, Fault::kFull);
    EXPECT_EQ(StoredText(store.get(), "a").value_or("lost"), ExpectedText(changes));
    if (over) break;
  }
}

TEST(StorageMemoryTest, ACommitThatRanOutOfMemoryMayBeTriedAgain) {
  const TemporaryDirectory directory;
  auto store = SqliteStore::OpenDirectory(directory.path()).value();
  std::vector<OwnedChange<double>> changes = {FirstChange<double>("a"), NewSet<double>(1, 3)};
  auto log = Store(store.get(), "a", changes);
  changes.push_back({.time_ns = 70, .appends = {{1, 3, StoredPatterns<double>(100'000, 7)}}});
  // Of SQLite's own memory there is some more, but not for a record of the batch's.
  sqlite3_hard_heap_limit64(sqlite3_memory_used() + kMaxPatternRecordBytes / 2);
  const absl::Status status = log->Commit(changes.back().View());
  sqlite3_hard_heap_limit64(0);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_EQ(ReasonOf(status), "MEMORY_LIMIT");
  EXPECT_TRUE(log->Commit(changes.back().View()).ok());
  log.reset();
  EXPECT_TRUE(StoredText(store.get(), "a").value_or("lost") == ExpectedText(changes));
}

TEST(StorageFailureTest, AfterAnErrorOfTheDiskTheSessionIsToBeOpenedAnew) {
  const Changes changes = ReferenceWorkload<double>("a");
  const TemporaryDirectory directory;
  FaultyVfs vfs;
  auto store = SqliteStore::OpenDirectory(directory.path(), {.vfs = vfs.name()}).value();
  auto log = Store(store.get(), "a", Changes{changes[0], changes[1]});
  vfs.FailAt(1, Fault::kStop);
  const absl::Status failure = log->Commit(changes[2].View());
  EXPECT_EQ(failure.code(), absl::StatusCode::kUnavailable);
  vfs.Recover();
  vfs.FailAt(INT64_MAX / 2, Fault::kStop);
  EXPECT_EQ(log->Commit(changes[2].View()), failure) << "the log does not know what the disk has";
  log.reset();
  auto opened = store->Open("a");
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_TRUE(std::get<OpenedSession<double>>(*opened).log->Commit(changes[2].View()).ok());
}

}  // namespace
}  // namespace backprop::server
