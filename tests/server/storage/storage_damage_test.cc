// Files that are not what was stored.
#include <sqlite3.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/error.h"
#include "core/random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/storage/record_codec.h"
#include "server/storage/sqlite_store.h"
#include "tests/server/storage/workload.h"

namespace backprop::server {
namespace {

using testing::HasSubstr;

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}
void WriteFile(const std::string& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

class StorageDamageTest : public testing::Test {
 protected:
  StorageDamageTest() : store_(SqliteStore::OpenDirectory(directory_.path()).value()) {}

  std::string path() const { return directory_.PathOf("a.session"); }
  // A session with something of everything.
  void Keep() { Store(store_.get(), "a", changes_); }
  absl::StatusOr<std::string> Open() { return StoredText(store_.get(), "a"); }
  // As somebody else's program would.
  void Execute(const std::string& sql) {
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open(path().c_str(), &database), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(database);
    sqlite3_close(database);
  }
  void ExpectDamaged(const std::string& why) {
    const absl::Status status = Open().status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << why << ": " << status;
    EXPECT_EQ(ReasonOf(status), "SESSION_DAMAGED") << why;
    EXPECT_THAT(std::string(status.message()), HasSubstr(path()));
  }

  const TemporaryDirectory directory_;
  std::unique_ptr<SqliteStore> store_;
  const std::vector<OwnedChange<double>> changes_ = ReferenceWorkload<double>("a");
};

TEST_F(StorageDamageTest, AFlippedBitIsFoundOrOfNoUse) {
  Keep();
  const std::string good = ReadFile(path()), text = ExpectedText(changes_);
  auto more = changes_;
  more.push_back({.time_ns = 60, .appends = {{1, 4, StoredPatterns<double>(700, 60)}}, .erased_sets = {3}});
  const std::string more_text = ExpectedText(more);
  Random random(20081);
  std::array<int, 2> outcomes = {};
  for (int i = 0; i < 1000; ++i) {
    const uint64_t bit = random.Below(good.size() * 8);
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    WriteFile(path(), bad);
    std::filesystem::remove(path() + "-journal");
    const absl::StatusOr<std::string> opened = Open();
    ++outcomes[opened.ok()];
    ASSERT_TRUE(opened.value_or(text) == text) << "bit " << bit << " is used silently";
    if (!opened.ok()) continue;
    // What is of no use to a reader may be to a writer: lists of free pages, of free room on a page.
    auto log = std::get<OpenedSession<double>>(store_->Open("a").value()).log;
    if (!log->Commit(more.back().View()).ok()) continue;
    log.reset();
    ASSERT_TRUE(Open().value_or("lost") == more_text) << "bit " << bit << " misleads a commit";
  }
  RecordProperty("found", outcomes[0]);
  RecordProperty("of_no_use", outcomes[1]);
  EXPECT_GT(outcomes[0], 50) << "of a file whose pages are half empty";
}

// Where records stand nearly every bit is of use.
TEST_F(StorageDamageTest, EveryByteOfTheDatabaseHeaderAndOfTheRecordsMayFlip) {
  Keep();
  const std::string good = ReadFile(path()), text = ExpectedText(changes_);
  Random random(7);
  int found = 0;
  for (size_t byte = 0; byte < good.size(); ++byte) {
    if (byte >= 100 && good[byte] == 0) continue;
    std::string bad = good;
    bad[byte] = static_cast<char>(bad[byte] ^ (1 << random.Below(8)));
    if (byte >= 100 && random.Below(10) > 0) continue;
    WriteFile(path(), bad);
    std::filesystem::remove(path() + "-journal");
    const absl::StatusOr<std::string> opened = Open();
    found += opened.ok() ? 0 : 1;
    ASSERT_EQ(opened.value_or(text), text) << "byte " << byte << " is used silently";
  }
  EXPECT_GT(found, 300);
}

TEST_F(StorageDamageTest, ACutFileIsDamaged) {
  Keep();
  const std::string good = ReadFile(path());
  constexpr size_t kPage = RecordFile::kPageBytes;
  for (const size_t size : {good.size() - 1, good.size() / 2, kPage, size_t{100}, size_t{1}, size_t{0}}) {
    WriteFile(path(), good.substr(0, size));
    ExpectDamaged(absl::StrCat("cut to ", size, " bytes"));
  }
}

TEST_F(StorageDamageTest, WhatIsNotASessionIsDamaged) {
  WriteFile(path(), "These are the times that try men's souls.");
  ExpectDamaged("not a database");
  std::filesystem::remove(path());
  Execute("CREATE TABLE t (x); INSERT INTO t VALUES (1);");
  ExpectDamaged("another program's database");
  std::filesystem::copy_file(directory_.PathOf("directory.sqlite"), path(),
                             std::filesystem::copy_options::overwrite_existing);
  ExpectDamaged("a database of ours, but no session");
}

// Everything a SQLite file can be made to say without SQLite finding anything wrong with it.
TEST_F(StorageDamageTest, ChangesThatSqliteCannotSeeAreFound) {
  const std::string changes[] = {
      "DELETE FROM record WHERE kind = 10 AND key = 1",  // An answer vanished.
      "DELETE FROM record WHERE kind = 0",               // The head.
      "DELETE FROM record WHERE kind = 1",               // The description.
      "DELETE FROM record WHERE kind = 2 AND key = 8",   // The newest snapshot.
      "DELETE FROM record WHERE kind = 9",               // The checkpoint.
      "DELETE FROM record",
      "DELETE FROM patterns WHERE key = (SELECT max(key) FROM patterns)",
      "DELETE FROM patterns",
      "UPDATE record SET key = key + 1 WHERE kind = 10 AND key = 4",
      "UPDATE record SET data = CAST(data || x'00' AS BLOB) WHERE kind = 1",
      "UPDATE record SET checksum = checksum + 1 WHERE kind = 4 AND key = 0",
      "UPDATE patterns SET key = key + 1 WHERE key = (SELECT max(key) FROM patterns)",
      "UPDATE patterns SET data = zeroblob(length(data))",
      "INSERT INTO record VALUES (12, 1, x'', 0)",  // Of a kind that no session has.
      "INSERT INTO record VALUES (-1, 1, x'', 0)",
      "INSERT INTO patterns VALUES (-5, x'', 0)",
      "CREATE TRIGGER t AFTER INSERT ON record BEGIN DELETE FROM patterns; END",
      "CREATE VIEW v AS SELECT * FROM record",
      "CREATE INDEX i ON record (checksum)",
      "DROP TABLE patterns",
      "PRAGMA application_id = 17",
      "PRAGMA user_version = 0",
      "PRAGMA auto_vacuum = 1; VACUUM; CREATE TABLE other (x)",
  };
  Keep();
  const std::string good = ReadFile(path());
  for (const std::string& sql : changes) {
    WriteFile(path(), good);
    Execute(sql);
    ExpectDamaged(sql);
  }
  WriteFile(path(), good);
  EXPECT_EQ(Open().value_or("lost"), ExpectedText(changes_));
}

// The next commit would write over what the page holds.
TEST_F(StorageDamageTest, AFreePageThatIsInUseIsFound) {
  auto changes = changes_;
  changes.push_back(NewSet<double>(9, 5000));
  changes.push_back({.time_ns = 61, .erased_sets = {9}});
  Store(store_.get(), "a", changes);
  std::string bytes = ReadFile(path());
  const auto number_at = [&](size_t offset) {
    uint32_t number = 0;
    for (size_t i = 0; i < 4; ++i) number = number << 8 | static_cast<uint8_t>(bytes[offset + i]);
    return number;
  };
  // SQLite's file format, 1.3.11 and 1.5: the header has the first page of the list, that has numbers of free pages.
  ASSERT_GT(number_at(36), 5U) << "free pages";
  const size_t list = size_t{number_at(32) - 1} * size_t{RecordFile::kPageBytes};
  bytes[list + 8 + 2] = 0;
  bytes[list + 8 + 3] = 2;  // The table of records.
  WriteFile(path(), bytes);
  ExpectDamaged("a free page that is in use");
}

// A row of an older state whose own checksum is right.
TEST_F(StorageDamageTest, ARecordThatCameBackIsFound) {
  Keep();
  Execute("CREATE TABLE old AS SELECT * FROM record WHERE kind = 5");
  Execute("DROP TABLE old");  // The schema is as before.
  EXPECT_TRUE(Open().ok());
  auto opened = std::get<OpenedSession<double>>(store_->Open("a").value());
  const std::string before = ReadFile(path());
  OwnedChange<double> more{.time_ns = 50, .appends = {{1, 4, StoredPatterns<double>(1, 50)}}};
  ASSERT_TRUE(opened.log->Commit(more.View()).ok());
  opened.log.reset();
  WriteFile(directory_.PathOf("before"), before);
  Execute(
      absl::StrCat("ATTACH '", directory_.PathOf("before"), "' AS b;",
                   "UPDATE record SET (data, checksum) = (SELECT data, checksum FROM b.record o WHERE o.kind = 5 AND "
                   "o.key = 1) WHERE kind = 5 AND key = 1"));
  ExpectDamaged("an older pattern set");
}

TEST_F(StorageDamageTest, OneDamagedSessionHarmsNoOther) {
  Keep();
  WriteFile(directory_.PathOf("b.session"), "not a database");
  EXPECT_EQ(StoredText(store_.get(), "b").status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(store_->Describe("b").status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(Open().value_or("lost"), ExpectedText(changes_));
  EXPECT_TRUE(store_->Delete("b", nullptr).ok());
}

TEST_F(StorageDamageTest, ADamagedBackupIsNotRestored) {
  Keep();
  const std::string good = ReadFile(path());
  std::string bad = good;
  const Patterns<double> patterns = StoredPatterns<double>(1, 3);  // Of set 1: at its offset 3.
  const size_t at = bad.find(std::string(reinterpret_cast<const char*>(patterns.inputs.data()), 16));
  ASSERT_NE(at, std::string::npos);
  bad[at] = static_cast<char>(bad[at] ^ 1);
  const std::string backup = directory_.PathOf("backup");
  WriteFile(backup, bad);
  EXPECT_EQ(store_->Import(backup, "b").code(), absl::StatusCode::kDataLoss);
  WriteFile(backup, "not a database");
  EXPECT_EQ(store_->Import(backup, "b").code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(store_->Import(directory_.PathOf("nothing"), "b").code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(store_->List().value(), std::vector<std::string>{"a"});
  WriteFile(backup, good);
  EXPECT_TRUE(store_->Import(backup, "b").ok());
}

// Bytes whose checksums match, because somebody meant them to.
TEST(RecordCodecTest, TakesAnyBytes) {
  const NetworkSpec spec = StoredSpec<double>();
  const SessionDescription description = *FirstChange<double>("a").description;
  const auto workload = ReferenceWorkload<double>("a");
  const std::string good[] = {EncodeDescription(description),           Encode(*workload[15].run),
                              Encode(workload[15].reports[0]),          Encode(*workload[9].online_step),
                              EncodeLearner(*workload[6].learner),      EncodeTrainerState(*workload[15].checkpoint),
                              Encode(workload[6].snapshots[0].scalings)};
  const auto decode = [&](const std::string& bytes, size_t as) {
    switch (as) {
      case 0:
        return void(DecodeDescription(bytes, "a"));
      case 1:
        return void(Decode<KeptTrainingRun>(bytes));
      case 2:
        return void(Decode<EpochReport>(bytes));
      case 3:
        return void(Decode<OnlineStep>(bytes));
      case 4:
        return void(DecodeLearner<double>(bytes, {}, {}));
      case 5:
        return void(DecodeTrainerState<double>(bytes, spec));
      case 6:
        return void(Decode<Scalings>(bytes));
    }
  };
  Random random(3);
  int64_t refused = 0, taken = 0;
  const auto attempt = [&](const std::string& bytes, size_t as) {
    try {
      decode(bytes, as);
      ++taken;
    } catch (const cereal::Exception&) {
      ++refused;
    }
  };
  for (size_t as = 0; as < std::size(good); ++as) {
    for (size_t size = 0; size < good[as].size(); ++size) {
      EXPECT_THROW(decode(good[as].substr(0, size), as), cereal::Exception);
    }
    EXPECT_THROW(decode(good[as] + '\0', as), cereal::Exception);
    for (int i = 0; i < 20000; ++i) {
      std::string bytes = good[as];
      for (uint64_t n = 1 + random.Below(4); n > 0; --n) {
        const char extreme[] = {'\0', '\1', '\x7f', '\x80', '\xff', static_cast<char>(random.Below(256))};
        bytes[random.Below(bytes.size())] = extreme[random.Below(6)];
      }
      attempt(bytes, as);
    }
  }
  EXPECT_GT(refused, 1000);
  EXPECT_GT(taken, 1000);
}

}  // namespace
}  // namespace backprop::server
