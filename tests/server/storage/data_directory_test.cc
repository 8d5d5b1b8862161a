// A store and its directory: who may use it, what is in it, and files of other versions.
#include "server/storage/data_directory.h"

#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/storage/record_file.h"
#include "server/storage/sqlite_store.h"
#include "server/storage/storage_error.h"
#include "tests/server/storage/workload.h"

namespace {

// Paths of what was synced since it was last cleared.
std::vector<std::string>& Synced() {
  static auto* const paths = new std::vector<std::string>;
  return *paths;
}

}  // namespace

// Stands in the C library's place for all of this program.
extern "C" int fsync(int file) {
  std::error_code ignored;
  Synced().push_back(std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(file), ignored).string());
  return static_cast<int>(syscall(SYS_fsync, file));
}

namespace backprop::server {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

namespace fs = std::filesystem;

std::unique_ptr<SqliteStore> OpenStore(const std::string& path, const Migrations* migrations = nullptr) {
  auto store = SqliteStore::OpenDirectory(path, {.migrations = migrations});
  EXPECT_TRUE(store.ok()) << store.status();
  return *std::move(store);
}

TEST(DataDirectoryTest, IsMadeForItsOwnerAlone) {
  const TemporaryDirectory directory;
  const std::string path = directory.PathOf("a/b/c");
  OpenStore(path);
  struct stat info = {};
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0700U);
}

TEST(DataDirectoryTest, IsMadeToLastAtEveryStart) {
  const TemporaryDirectory directory;
  const std::string path = directory.PathOf("a/b");
  for (int start = 0; start < 2; ++start) {  // A process may have been killed between making it and the sync.
    Synced().clear();
    OpenStore(path);
    EXPECT_THAT(Synced(), Contains(path)) << "with the files in it";
    EXPECT_THAT(Synced(), Contains(directory.PathOf("a")));
    EXPECT_THAT(Synced(), Contains(directory.path()));
  }
}

TEST(DataDirectoryTest, HasOneStoreAtATime) {
  const TemporaryDirectory directory;
  auto first = OpenStore(directory.path());
  const absl::Status second = SqliteStore::OpenDirectory(directory.path()).status();
  EXPECT_EQ(second.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(second), "DATA_DIRECTORY_IN_USE");
  EXPECT_THAT(std::string(second.message()), HasSubstr(directory.path()));
  // The file may be removed; the directory is locked, too.
  fs::remove(directory.PathOf("lock"));
  EXPECT_EQ(ReasonOf(SqliteStore::OpenDirectory(directory.path()).status()), "DATA_DIRECTORY_IN_USE");
  first.reset();
  EXPECT_TRUE(SqliteStore::OpenDirectory(directory.path()).ok());
}

TEST(StorageErrorTest, TooManyOpenFilesHaveARemedy) {
  for (const int error_number : {EMFILE, ENFILE}) {
    const absl::Status status = SystemError("a.session", "it cannot be opened", error_number);
    EXPECT_EQ(ReasonOf(status), "STORAGE_FAILED");
    EXPECT_THAT(std::string(status.message()), HasSubstr("raise the limit of open files (ulimit -n)"));
  }
}

TEST(DataDirectoryTest, FilesAsWholesLeaveRoomForSessions) {
  const TemporaryDirectory directory;
  const fs::space_info space = fs::space(directory.path());
  const int64_t reserve = static_cast<int64_t>(std::min(uintmax_t{64} << 20, space.capacity / 16));
  const std::string path = directory.PathOf("whole");
  // Others may use the disk, too.
  const int64_t margin = int64_t{32} << 20, most = static_cast<int64_t>(space.available) - reserve;
  EXPECT_TRUE(CheckRoom(path, most - margin).ok());
  EXPECT_EQ(ReasonOf(CheckRoom(path, most + margin)), "STORAGE_FULL");
}

TEST(DataDirectoryTest, SaysWhyItCannotBeUsed) {
  const TemporaryDirectory directory;
  std::ofstream(directory.PathOf("file")) << "x";
  // Read-only for root as well: /proc.
  for (const std::string& path : {directory.PathOf("file"), directory.PathOf("file/below"), std::string("/proc"),
                                  std::string("/proc/backpropd")}) {
    const absl::Status status = SqliteStore::OpenDirectory(path).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
    EXPECT_EQ(ReasonOf(status), "STORAGE_FAILED");
    EXPECT_THAT(std::string(status.message()), HasSubstr(path));
  }
}

TEST(DataDirectoryTest, ListsTenThousandSessionsInNoTime) {
  const TemporaryDirectory directory;
  OpenStore(directory.path());
  for (int i = 0; i < 10'000; ++i) std::ofstream(directory.PathOf(absl::StrCat("s-", i, ".session")));
  for (int i = 0; i < 10; ++i) std::ofstream(directory.PathOf(absl::StrCat("s-", i, ".running")));
  const auto start = std::chrono::steady_clock::now();
  auto store = OpenStore(directory.path());
  EXPECT_EQ(store->List().value().size(), 10'000U);
  EXPECT_EQ(store->ListUnfinished().value().size(), 10U);
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  EXPECT_LT(elapsed.count(), 1) << "seconds; about 0.03 when no file is opened";
}

TEST(DataDirectoryTest, ListsIdsInOrderAndNothingElse) {
  const TemporaryDirectory directory;
  auto store = OpenStore(directory.path());
  for (const char* id : {"b", "a-b", "a"}) Store(store.get(), id, std::vector{FirstChange<float>(id)});
  for (const char* name : {"notes.txt", "UPPER.session", ".session", "c.running", ".d.new", "e.session-journal"}) {
    std::ofstream(directory.PathOf(name));
  }
  EXPECT_THAT(store->List().value(), ElementsAre("a", "a-b", "b"));
  EXPECT_THAT(store->ListUnfinished().value(), IsEmpty());
}

TEST(DataDirectoryTest, WhatAKilledProcessLeftIsRemoved) {
  const TemporaryDirectory directory;
  OpenStore(directory.path());
  for (const char* name : {".a.new", ".a.new-journal", "b.session-journal", "c.running"})
    std::ofstream(directory.PathOf(name)) << "x";
  std::ofstream(directory.PathOf("notes.txt")) << "x";
  auto store = OpenStore(directory.path());
  EXPECT_FALSE(fs::exists(directory.PathOf(".a.new")));
  EXPECT_FALSE(fs::exists(directory.PathOf(".a.new-journal")));
  EXPECT_FALSE(fs::exists(directory.PathOf("b.session-journal")));
  EXPECT_FALSE(fs::exists(directory.PathOf("c.running")));
  EXPECT_TRUE(fs::exists(directory.PathOf("notes.txt"))) << "somebody else's";
}

TEST(DataDirectoryTest, TheMarkerComesAndGoesWithAnUnfinishedRun) {
  const TemporaryDirectory directory;
  auto store = OpenStore(directory.path());
  auto changes = ReferenceWorkload<double>("a");
  auto log = Store(store.get(), "a", std::vector(changes.begin(), changes.begin() + 12));
  EXPECT_THAT(store->ListUnfinished().value(), IsEmpty());
  for (size_t i = 12; i < changes.size(); ++i) {
    ASSERT_TRUE(log->Commit(changes[i].View()).ok());
    const bool unfinished = i < 17 || i >= 20;
    EXPECT_EQ(store->ListUnfinished().value().size(), unfinished ? 1U : 0U) << "change " << i;
  }
}

TEST(DataDirectoryTest, OpeningASessionPutsItsMarkerRight) {
  const TemporaryDirectory directory;
  auto store = OpenStore(directory.path());
  Store(store.get(), "a", ReferenceWorkload<double>("a"));
  Store(store.get(), "b", std::vector{FirstChange<double>("b")});
  fs::remove(directory.PathOf("a.running"));
  std::ofstream(directory.PathOf("b.running"));
  ASSERT_TRUE(store->Open("a").ok());
  ASSERT_TRUE(store->Open("b").ok());
  EXPECT_THAT(store->ListUnfinished().value(), ElementsAre("a"));
}

TEST(SqliteStoreTest, SaysWhatThereIsNotAndWhatThereIs) {
  const TemporaryDirectory directory;
  auto store = OpenStore(directory.path());
  const auto first = FirstChange<double>("a");
  EXPECT_EQ(store->Open("a").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(store->Describe("a").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(store->Open("../a").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(store->Create("../a", first.View()).status().code(), absl::StatusCode::kInvalidArgument);
  ASSERT_TRUE(store->Create("a", first.View()).ok());
  EXPECT_EQ(store->Create("a", first.View()).status().code(), absl::StatusCode::kAlreadyExists);
}

TEST(SqliteStoreTest, KeepsTheNewestDeletions) {
  const TemporaryDirectory directory;
  auto store = OpenStore(directory.path());
  Store(store.get(), "a", std::vector{FirstChange<double>("a")});
  for (int i = 0; i < kMaxKeptAnswers + 2; ++i) {
    const RequestAnswer answer{.request_id = absl::StrCat("r-", i), .request_hash = i, .answer = absl::StrCat("a-", i)};
    ASSERT_TRUE(store->Delete("a", &answer).ok());
  }
  store.reset();
  store = OpenStore(directory.path());
  EXPECT_EQ(store->FindDeletion("r-1").value(), std::nullopt);
  const auto oldest = store->FindDeletion("r-2").value();
  ASSERT_TRUE(oldest.has_value());
  EXPECT_EQ(oldest->request_hash, 2);
  EXPECT_EQ(oldest->answer, "a-2");
  EXPECT_THAT(store->List().value(), IsEmpty());
}

TEST(SqliteStoreTest, RefusesAChangeThatCouldNotBeOpened) {
  const TemporaryDirectory directory;
  auto store = OpenStore(directory.path());
  std::vector<OwnedChange<double>> good = ReferenceWorkload<double>("a");
  OwnedChange<double> second_run{.run = good.back().run};
  second_run.run->number = 3;
  const OwnedChange<double> bad[] = {
      {.appends = {{1, 2, StoredPatterns<double>(1, 1)}}},
      {.appends = {{7, 0, StoredPatterns<double>(1, 1)}}},
      {.appends = {{1, 4, PatternSequence<double>(3, 1)}}},
      {.hidden_sets = {5}},
      NewSet<double>(1, 0),
      {.reports = {EpochReport()}},
      {.dropped_runs = {2}},
      second_run,
  };
  for (const OwnedChange<double>& change : bad) {
    auto log = Store(store.get(), "a", good);
    EXPECT_EQ(log->Commit(change.View()).code(), absl::StatusCode::kInternal);
    log.reset();
    EXPECT_EQ(StoredText(store.get(), "a").value_or("lost"), ExpectedText(good));
    ASSERT_TRUE(store->Delete("a", nullptr).ok());
  }
}

TEST(MigrationTest, AnOlderFileIsBroughtUpToDateAndANewerOneRefused) {
  const TemporaryDirectory directory;
  const std::vector<OwnedChange<double>> changes = ReferenceWorkload<double>("a");
  Store(OpenStore(directory.path()).get(), "a", changes);

  Migrations newer = SessionMigrations();
  newer.push_back([](RecordFile* file) { file->Execute("CREATE TABLE more (x INTEGER) STRICT"); });
  newer.push_back([](RecordFile* file) {
    file->Execute("ALTER TABLE more ADD COLUMN y INTEGER");
    file->Erase(RecordKind::kAnswer, 1);  // A migration of data.
  });
  auto without_answer = changes;
  without_answer[1].answer.reset();
  {
    auto store = OpenStore(directory.path(), &newer);
    EXPECT_EQ(StoredText(store.get(), "a").value_or("lost"), ExpectedText(without_answer));
    EXPECT_EQ(StoredText(store.get(), "a").value_or("lost"), ExpectedText(without_answer)) << "and once only";
  }
  auto store = OpenStore(directory.path());
  for (const absl::Status& status : {store->Open("a").status(), store->Describe("a").status()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
    EXPECT_EQ(ReasonOf(status), "SESSION_FORMAT_TOO_NEW");
    EXPECT_THAT(std::string(status.message()), HasSubstr(absl::StrCat("format ", newer.size())));
  }
}

// Format 1 had checkpoints without the last two numbers, which were 0 for the optimizers of its time.
TEST(MigrationTest, ACheckpointOfFormat1GetsTheOptimizersNewNumbers) {
  const TemporaryDirectory directory;
  const std::vector<OwnedChange<double>> changes = ReferenceWorkload<double>("a");
  const Migrations format_1(SessionMigrations().begin(), SessionMigrations().begin() + 1);
  Store(OpenStore(directory.path(), &format_1).get(), "a", changes);
  {
    RecordFile file(directory.PathOf("a.session"), RecordFile::Mode::kOpen, {.migrations = &format_1});
    const std::string numbers = file.Get(RecordKind::kCheckpoint, 0).value();
    file.Begin();
    file.Put(RecordKind::kCheckpoint, 0, numbers.substr(0, numbers.size() - 16));
    file.Commit(file.update_time());
  }
  EXPECT_FALSE(OpenStore(directory.path(), &format_1)->Open("a").ok()) << "what this test is about";
  EXPECT_EQ(StoredText(OpenStore(directory.path()).get(), "a").value_or("lost"), ExpectedText(changes));
}

TEST(MigrationTest, AMigrationThatFailsLeavesTheFileAsItWas) {
  const TemporaryDirectory directory;
  const std::vector<OwnedChange<double>> changes = ReferenceWorkload<double>("a");
  Store(OpenStore(directory.path()).get(), "a", changes);
  Migrations broken = SessionMigrations();
  broken.push_back([](RecordFile* file) {
    file->Erase(RecordKind::kAnswer, 1);
    file->Execute("CREATE TABLE record (x)");
  });
  EXPECT_FALSE(OpenStore(directory.path(), &broken)->Open("a").ok());
  EXPECT_EQ(StoredText(OpenStore(directory.path()).get(), "a").value_or("lost"), ExpectedText(changes));
}

}  // namespace
}  // namespace backprop::server
