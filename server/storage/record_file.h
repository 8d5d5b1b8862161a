// A file as a set of records with checksums, changed by transactions; its format is in session_schema.h.
#pragma once

#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Statement.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "server/storage/session_schema.h"

namespace backprop::server {

// What ends a long read: the error that it then fails with, or OK as long as it may go on.
using Interruption = std::function<absl::Status()>;

// How a file is opened.
struct RecordFileOptions {
  std::string vfs = {};                    // SQLite's name of a file system; empty: the default.
  const Migrations* migrations = nullptr;  // Null: SessionMigrations().
  int32_t application_id = kSessionApplicationId;
  Interruption interruption = [] { return absl::OkStatus(); };
};

// Owns the only connection to the file. Every function throws: SQLite::Exception, StorageException, or what its
// callbacks throw; a transaction under way is then to be rolled back. Not thread-safe.
class RecordFile {
 public:
  enum class Mode {
    kCreate,     // A new file, without a journal: of use once all of it is written.
    kOpen,       // All pages are checked, and what is there is made to last.
    kOpenAside,  // The same, without a journal.
    kPeek,       // Pages are checked as they are read.
  };
  // Of a new file. Messages of 1 MB are stored 1.15 times as fast as with 16 KiB, and one pattern as fast; with 64 KiB
  // that is slower, and the smallest file twice as large.
  static constexpr int64_t kPageBytes = 32768;
  using Time = std::chrono::system_clock::time_point;
  // `data` is good until the callback returns.
  using Visit = std::function<void(RecordKind kind, int64_t key, std::string_view data)>;

  RecordFile(std::string path, Mode mode, const RecordFileOptions& options);

  const std::string& path() const { return path_; }
  SQLite::Database& database() { return database_; }
  sqlite3* connection() const { return database_.getHandle(); }
  // Of the last commit.
  Time update_time() const { return head_.time; }
  int64_t commit_number() const { return head_.commit_number; }

  void Begin();
  void Commit(Time time);
  // Leaves what the last Commit left; throws when it cannot be sure of that.
  void Rollback();

  // Of two parts: the range [first, last] of keys.
  void Put(RecordKind kind, int64_t key, std::string_view data);
  void Erase(RecordKind kind, int64_t first, int64_t last);
  void Erase(RecordKind kind, int64_t key) { Erase(kind, key, key); }
  std::optional<std::string> Get(RecordKind kind, int64_t key);
  // The record of the largest key.
  struct Record {
    int64_t key;
    std::string data;
  };
  std::optional<Record> Last(RecordKind kind);

  // All records of a session but its head and patterns, or those of one kind, by kind and key. Throws behind the last
  // when they are not all those, and only those, that were put.
  void VisitRecords(const Visit& visit);
  void VisitKind(RecordKind kind, const Visit& visit);

  int64_t page_bytes() { return database_.execAndGet("PRAGMA page_size").getInt64(); }
  // Pages of the file that are in no use.
  int FreePageCount() { return database_.execAndGet("PRAGMA freelist_count").getInt(); }
  // Throws what is to end a long read, if anything.
  void CheckGoOn() const;
  // A statement without results; for migrations.
  void Execute(const std::string& sql) { database_.exec(sql); }
  [[noreturn]] void ThrowDamaged(const std::string& what) const;

 private:
  // Of the records of a kind.
  struct Digest {
    int64_t count = 0;
    uint64_t checksum_sum = 0;
    bool operator==(const Digest&) const = default;
    template <typename Archive>
    void serialize(Archive& archive) {
      archive(count, checksum_sum);
    }
  };
  struct Head {
    int64_t commit_number = 0;
    Time time;
    std::array<Digest, kRecordKindCount> digests;
    template <typename Archive>
    void serialize(Archive& archive);
  };
  // A statement that is compiled when it is first used.
  using Cached = std::unique_ptr<SQLite::Statement>;

  void Configure(Mode mode);
  void CheckSchema(const Migrations& migrations, size_t version);
  void Migrate(const Migrations& migrations, size_t version);
  Head ReadHead();
  void CheckPages();
  SQLite::Statement& Use(Cached* cached, const char* sql);
  void VisitRows(const std::string& sql, RecordKind first, RecordKind last, const Visit& visit);
  std::string SchemaText();
  std::string_view CheckedData(const SQLite::Statement& row, int first_column, RecordKind kind, int64_t key);

  const std::string path_;
  const int32_t application_id_;
  const Interruption interruption_;
  SQLite::Database database_;
  Head head_;       // With the changes of the transaction under way.
  Head kept_head_;  // Of the last commit.
  Cached put_record_, put_patterns_, erase_record_, erase_patterns_, get_;
};

}  // namespace backprop::server
