#include "server/storage/sqlite_store.h"

#include <SQLiteCpp/Database.h>

#include <filesystem>
#include <fstream>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/storage/workload.h"

namespace backprop::server {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

template <typename Scalar>
class SqliteStoreTest : public testing::Test {
 protected:
  using Changes = std::vector<OwnedChange<Scalar>>;

  SqliteStoreTest() { Reopen(); }
  // As a new process would.
  void Reopen() {
    log_.reset();
    store_.reset();
    auto store = SqliteStore::OpenDirectory(directory_.path());
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }
  void Keep(const Changes& changes) { log_ = Store(store_.get(), "a", changes); }
  absl::Status Commit(const OwnedChange<Scalar>& change) { return log_->Commit(change.View()); }
  // After another process has opened it.
  std::string Text() {
    Reopen();
    const absl::StatusOr<std::string> text = StoredText(store_.get(), "a");
    return text.ok() ? *text : text.status().ToString();
  }

  TemporaryDirectory directory_;
  std::unique_ptr<SqliteStore> store_;
  std::unique_ptr<SessionLog<Scalar>> log_;
};

using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(SqliteStoreTest, Scalars);

TYPED_TEST(SqliteStoreTest, KeepsEveryStateOfAWholeLife) {
  for (const auto& workload : {ReferenceWorkload<TypeParam>("a"), WholeSetWorkload<TypeParam>("a")}) {
    for (size_t n = 1; n <= workload.size(); ++n) {
      const std::vector<OwnedChange<TypeParam>> changes(workload.begin(), workload.begin() + static_cast<long>(n));
      this->Keep(changes);
      EXPECT_EQ(this->Text(), ExpectedText(changes)) << "after " << n << " changes";
      ASSERT_TRUE(this->store_->Delete("a", nullptr).ok());
    }
  }
}

TYPED_TEST(SqliteStoreTest, GoesOnWhereItWasOpenedAnew) {
  const auto workload = ReferenceWorkload<TypeParam>("a");
  this->Keep({workload.front()});
  for (size_t i = 1; i < workload.size(); ++i) {
    this->Reopen();
    auto opened = this->store_->Open("a");
    ASSERT_TRUE(opened.ok()) << opened.status();
    this->log_ = std::move(std::get<OpenedSession<TypeParam>>(*opened).log);
    ASSERT_TRUE(this->Commit(workload[i]).ok());
  }
  EXPECT_EQ(this->Text(), ExpectedText(workload));
}

TYPED_TEST(SqliteStoreTest, KeepsTheNewestAnswers) {
  std::vector<OwnedChange<TypeParam>> changes = {FirstChange<TypeParam>("a")};
  for (int i = 0; i < kMaxKeptAnswers + 3; ++i) {
    changes.push_back({.answer = RequestAnswer{.request_id = absl::StrCat(i), .request_hash = i}});
  }
  this->Keep(changes);
  EXPECT_EQ(this->Text(), ExpectedText(changes));
}

TYPED_TEST(SqliteStoreTest, KeepsPatternsOfManyRecords) {
  auto large = NewSet<TypeParam>(1, 3);
  const int64_t count = (9 << 20) / static_cast<int64_t>(6 * sizeof(TypeParam));  // Bytes of inputs, targets, weight.
  large.appends.push_back({1, 3, StoredPatterns<TypeParam>(count, 5)});
  large.appends.push_back({1, 3 + count, StoredPatterns<TypeParam>(1, 6)});
  const std::vector<OwnedChange<TypeParam>> changes = {FirstChange<TypeParam>("a"), large};
  this->Keep(changes);
  EXPECT_TRUE(this->Text() == ExpectedText(changes));  // Texts of megabytes: not printed.
}

TYPED_TEST(SqliteStoreTest, DescribesWhatItWouldOpen) {
  const auto workload = ReferenceWorkload<TypeParam>("a");
  this->Keep({workload.begin(), workload.begin() + 10});
  this->Reopen();
  absl::StatusOr<SessionState> state = this->store_->Describe("a");
  ASSERT_TRUE(state.ok()) << state.status();
  EXPECT_EQ(state->description.id, "a");
  EXPECT_EQ(state->description.spec, StoredSpec<TypeParam>());
  EXPECT_EQ(state->description.labels.at("team"), "audio");
  EXPECT_EQ(state->scalings, StoredSnapshot<TypeParam>(2).scalings);
  EXPECT_EQ(state->model_version, 4) << "made by an on-line step";
  EXPECT_EQ(state->update_time.time_since_epoch(), std::chrono::nanoseconds(7));
  EXPECT_EQ(state->active_training_run, "");
  ASSERT_TRUE(this->store_->Delete("a", nullptr).ok());
  this->Keep(workload);
  this->Reopen();
  state = this->store_->Describe("a");
  ASSERT_TRUE(state.ok()) << state.status();
  EXPECT_EQ(state->model_version, 8);
  EXPECT_EQ(state->active_training_run, "run-2");
}

// Earlier servers made pages of 16 KiB.
TYPED_TEST(SqliteStoreTest, FilesOfOtherPagesAreKeptAndCopied) {
  const auto workload = ReferenceWorkload<TypeParam>("a");
  this->Keep({workload.begin(), workload.end() - 1});
  this->log_.reset();
  this->store_.reset();
  const std::string path = this->directory_.PathOf("a.session"), backup = this->directory_.PathOf("backup");
  {
    SQLite::Database file(path, SQLite::OPEN_READWRITE);
    file.exec("PRAGMA journal_mode = DELETE; PRAGMA page_size = 16384; VACUUM");
  }
  this->Reopen();
  auto opened = this->store_->Open("a");
  ASSERT_TRUE(opened.ok()) << opened.status();
  this->log_ = std::move(std::get<OpenedSession<TypeParam>>(*opened).log);
  ASSERT_TRUE(this->Commit(workload.back()).ok());
  ASSERT_TRUE(this->log_->BeginCopy(backup).ok());
  EXPECT_EQ(this->log_->CopyPart().value(), 0);
  ASSERT_TRUE(this->store_->FinishCopy(backup, NeverStop).ok());
  EXPECT_EQ(this->Text(), ExpectedText(workload));
  this->store_.reset();
  for (const std::string& file : {path, backup}) {
    EXPECT_EQ(SQLite::Database(file).execAndGet("PRAGMA page_size").getInt(), 16384);
  }
}

TYPED_TEST(SqliteStoreTest, RestoresABackupUnderAnotherId) {
  const auto workload = ReferenceWorkload<TypeParam>("a");
  this->Keep(workload);
  const std::string backup = this->directory_.PathOf("backup");
  ASSERT_TRUE(this->log_->BeginCopy(backup).ok());
  EXPECT_EQ(this->log_->CopyPart().value(), 0);
  ASSERT_TRUE(this->store_->FinishCopy(backup, NeverStop).ok());
  ASSERT_TRUE(this->Commit(OwnedChange<TypeParam>{.time_ns = 99}).ok()) << "the log is of use behind a backup";
  ASSERT_TRUE(this->store_->Import(backup, "b").ok());
  const absl::StatusOr<std::string> text = StoredText(this->store_.get(), "b");
  auto renamed = workload;
  for (OwnedChange<TypeParam>& change : renamed) {
    if (change.description) change.description->id = "b";
  }
  EXPECT_EQ(text.value_or("none"), ExpectedText(renamed));
  const auto unfinished = this->store_->ListUnfinished();
  EXPECT_THAT(*unfinished, ElementsAre("a", "b"));
  EXPECT_EQ(this->store_->Import(backup, "b").code(), absl::StatusCode::kAlreadyExists);
}

// What was copied before a commit and what was not are as the commit left them.
TYPED_TEST(SqliteStoreTest, ACopyHasWhatIsCommittedBetweenItsParts) {
  auto workload = ReferenceWorkload<TypeParam>("a");
  const auto half = static_cast<std::ptrdiff_t>(workload.size() / 2);
  OwnedChange<TypeParam> large{.time_ns = 50, .new_sets = {{.key = 77, .id = "large"}}};
  const NetworkSpec& spec = workload.front().description->spec;
  const int64_t count = (3 << 20) / (spec.input_unit_count() + 1);  // 12 MiB and more: three parts.
  Patterns<TypeParam> patterns{.inputs = Matrix<TypeParam>::Random(spec.input_unit_count(), count),
                               .targets = Matrix<TypeParam>::Zero(spec.output_unit_count(), count),
                               .weights = RowVector<TypeParam>::Ones(count)};
  large.appends.emplace_back(77, 0, std::move(patterns));
  workload.insert(workload.begin() + half, std::move(large));
  this->Keep({workload.begin(), workload.begin() + half + 1});
  const std::string path = this->directory_.PathOf("backup");
  ASSERT_TRUE(this->log_->BeginCopy(path).ok());
  bool done = this->log_->CopyPart().value() == 0;
  EXPECT_FALSE(done);
  for (auto change = workload.begin() + half + 1; change != workload.end(); ++change) {
    ASSERT_TRUE(this->Commit(*change).ok());
    if (change - workload.begin() == half + 1) done = this->log_->CopyPart().value() == 0;
  }
  EXPECT_FALSE(done);
  for (int parts = 0; !done && parts < 100; ++parts) done = this->log_->CopyPart().value() == 0;
  ASSERT_TRUE(done);
  ASSERT_TRUE(this->store_->FinishCopy(path, NeverStop).ok());
  ASSERT_TRUE(this->store_->Import(path, "b").ok());
  for (OwnedChange<TypeParam>& change : workload) {
    if (change.description) change.description->id = "b";
  }
  // Too long to be printed.
  EXPECT_TRUE(StoredText(this->store_.get(), "b").value_or("none") == ExpectedText(workload));
}

TYPED_TEST(SqliteStoreTest, ACopyThatIsDamagedIsNone) {
  this->Keep(ReferenceWorkload<TypeParam>("a"));
  const std::string path = this->directory_.PathOf("backup");
  ASSERT_TRUE(this->log_->BeginCopy(path).ok());
  ASSERT_EQ(this->log_->CopyPart().value(), 0);
  std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
  EXPECT_EQ(this->store_->FinishCopy(path, NeverStop).code(), absl::StatusCode::kDataLoss);
  EXPECT_FALSE(std::filesystem::exists(path));
}

TYPED_TEST(SqliteStoreTest, OpeningEndsWhereItIsInterrupted) {
  const auto workload = ReferenceWorkload<TypeParam>("a");
  this->Keep(workload);
  this->log_.reset();
  this->store_.reset();
  const absl::Status told = Error(absl::StatusCode::kUnavailable, "ENDING", "the server ends");
  int looks_left = std::numeric_limits<int>::max();
  this->store_ =
      SqliteStore::OpenDirectory(this->directory_.path(),
                                 {.interruption = [&] { return looks_left-- > 0 ? absl::OkStatus() : told; }})
          .value();
  // In each of the places where it looks.
  int place = 0;
  for (bool ended = false; !ended; ++place) {
    looks_left = place;
    const absl::StatusOr<std::string> text = StoredText(this->store_.get(), "a");
    ended = text.ok();
    if (!ended) {
      EXPECT_EQ(text.status(), told);
    }
  }
  EXPECT_GT(place, 10);
  looks_left = std::numeric_limits<int>::max();
  EXPECT_TRUE(StoredText(this->store_.get(), "a").value_or("none") == ExpectedText(workload));
}

TYPED_TEST(SqliteStoreTest, ACopyThatIsGivenUpIsNone) {
  this->Keep(ReferenceWorkload<TypeParam>("a"));
  const std::string path = this->directory_.PathOf("backup");
  int place = 0;
  for (bool ended = false; !ended; ++place) {
    ASSERT_TRUE(this->log_->BeginCopy(path).ok());
    ASSERT_EQ(this->log_->CopyPart().value(), 0);
    int looks_left = place;
    const absl::Status status = this->store_->FinishCopy(path, [&] { return looks_left-- <= 0; });
    ended = status.ok();
    EXPECT_EQ(std::filesystem::exists(path), ended);
    if (!ended) {
      EXPECT_TRUE(absl::IsCancelled(status)) << status;
      std::filesystem::remove(path);
    }
  }
  EXPECT_GT(place, 10);
}

TYPED_TEST(SqliteStoreTest, MemoryForReadingASessionIsTakenBeforeItIsRead) {
  this->Keep(ReferenceWorkload<TypeParam>("a"));
  const std::string path = this->directory_.PathOf("backup");
  ASSERT_TRUE(this->log_->BeginCopy(path).ok());
  ASSERT_EQ(this->log_->CopyPart().value(), 0);
  ASSERT_TRUE(this->store_->FinishCopy(path, NeverStop).ok());
  this->log_.reset();
  // The least limit that is enough, by halving: a byte less is refused.
  const auto enough_for = [&](const auto& call) {
    int64_t refused = 0, enough = 1 << 20;
    while (enough - refused > 1) {
      const int64_t limit = (refused + enough) / 2;
      MemoryBudget budget(limit);
      this->store_.reset();
      this->store_ = SqliteStore::OpenDirectory(this->directory_.path(), {.budget = &budget}).value();
      const absl::Status status = call();
      EXPECT_EQ(budget.used_bytes(), 0);
      EXPECT_TRUE(status.ok() || ReasonOf(status) == "MEMORY_LIMIT") << status;
      this->store_->Delete("b", nullptr).IgnoreError();
      (status.ok() ? enough : refused) = limit;
    }
    return enough;
  };
  const int64_t enough = enough_for([&] { return this->store_->Open("a").status(); });
  EXPECT_EQ(enough_for([&] { return this->store_->Import(path, "b"); }), enough);
  const auto first = FirstChange<TypeParam>("a");
  EXPECT_GT(enough, first.description->spec.parameter_count() * int64_t{sizeof(TypeParam)});
}

TEST(TransferTest, NoSessionIsInTheWayOfATransfer) {
  const TemporaryDirectory directory;
  auto store = SqliteStore::OpenDirectory(directory.path()).value();
  const auto transfer = store->NewTransfer().value();
  ASSERT_TRUE(transfer->Append("bytes").ok());
  Store(store.get(), "transfer-1", std::vector{FirstChange<double>("transfer-1")});
  EXPECT_EQ(transfer->Read(100).value(), "bytes");
  EXPECT_TRUE(std::filesystem::exists(transfer->path()));
}

}  // namespace
}  // namespace backprop::server
