#include "server/storage/record_file.h"

#include <SQLiteCpp/Column.h>
#include <SQLiteCpp/Exception.h>
#include <libdeflate.h>
#include <sqlite3.h>

#include <cereal/types/array.hpp>
#include <cereal/types/chrono.hpp>
#include <cerrno>
#include <new>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "core/error.h"
#include "server/storage/byte_archive.h"
#include "server/storage/journal_end.h"
#include "server/storage/storage_error.h"

namespace backprop::server {
namespace {

uint32_t ChecksumOf(RecordKind kind, int64_t key, std::string_view data) {
  const int64_t names[] = {static_cast<int64_t>(kind), key};
  const uint32_t start = libdeflate_crc32(0, names, sizeof(names));
  // A null pointer, which no bytes at all may have, would begin anew.
  return data.empty() ? start : libdeflate_crc32(start, data.data(), data.size());
}

int FlagsOf(RecordFile::Mode mode) {
  const int create = mode == RecordFile::Mode::kCreate ? SQLITE_OPEN_CREATE : 0;
  return SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | create;
}

// Ends the use of a statement whose rows were not all read, or that threw.
class ResetAtEnd {
 public:
  explicit ResetAtEnd(SQLite::Statement* statement) : statement_(statement) {}
  ~ResetAtEnd() { statement_->tryReset(); }

 private:
  SQLite::Statement* const statement_;
};

// Good until the statement is stepped or reset.
std::string_view BlobOf(const SQLite::Statement& row, int column) {
  const SQLite::Column value = row.getColumn(column);
  const void* const blob = value.getBlob();
  const size_t size = static_cast<size_t>(value.getBytes());
  // A blob that there is no memory for is null.
  if (blob == nullptr && size > 0) throw std::bad_alloc();
  return {static_cast<const char*>(blob), size};
}

}  // namespace

template <typename Archive>
void RecordFile::Head::serialize(Archive& archive) {
  archive(commit_number, time, digests);
}

RecordFile::RecordFile(std::string path, Mode mode, const RecordFileOptions& options)
    : path_(std::move(path)),
      application_id_(options.application_id),
      interruption_(options.interruption),
      database_(path_, FlagsOf(mode), /*aBusyTimeoutMs=*/0, options.vfs) {
  const Migrations& migrations = options.migrations == nullptr ? SessionMigrations() : *options.migrations;
  Configure(mode);
  if (mode == Mode::kCreate) {
    Begin();
    Migrate(migrations, 0);
    return;
  }
  if (database_.execAndGet("PRAGMA application_id").getInt() != application_id_) {
    ThrowDamaged("it is not a file of backpropd");
  }
  const int version = database_.execAndGet("PRAGMA user_version").getInt();
  if (version < 1) ThrowDamaged("it has no version");
  if (static_cast<size_t>(version) > migrations.size()) {
    throw StorageException(
        Error(absl::StatusCode::kFailedPrecondition, kSessionFormatTooNew,
              absl::StrCat(path_, " was written by a newer server, in format ", version,
                           "; this one reads up to format ", migrations.size(), ": use that server, or newer")));
  }
  const bool old = static_cast<size_t>(version) < migrations.size();
  CheckSchema(migrations, static_cast<size_t>(version));
  if (mode != Mode::kPeek || old) CheckPages();
  head_ = kept_head_ = ReadHead();
  if (old) {
    Begin();
    Migrate(migrations, static_cast<size_t>(version));
    Commit(head_.time);
  } else if (mode == Mode::kOpen) {
    MakeJournalEndLast(path_, options.vfs);
  }
}

void RecordFile::Configure(Mode mode) {
  database_.exec("PRAGMA trusted_schema = OFF");
  database_.exec("PRAGMA cell_size_check = ON");
  database_.exec("PRAGMA locking_mode = EXCLUSIVE");
  database_.exec("PRAGMA synchronous = FULL");
  database_.exec("PRAGMA temp_store = MEMORY");
  // Debian's default is to write zeros over all that is erased.
  database_.exec("PRAGMA secure_delete = OFF");
  if (mode == Mode::kCreate) database_.exec(absl::StrCat("PRAGMA page_size = ", kPageBytes));
  // PERSIST: a journal whose size stays is synced faster than one that grows anew in each commit.
  const std::string journal = mode == Mode::kOpen || mode == Mode::kPeek ? "persist" : "off";
  const std::string taken = database_.execAndGet("PRAGMA journal_mode = " + journal).getString();
  if (taken != journal && path_ != ":memory:") ThrowDamaged("its journal is of another kind");
  // A journal that one large commit made does not stay large.
  database_.exec("PRAGMA journal_size_limit = 1048576");
}

void RecordFile::CheckSchema(const Migrations& migrations, size_t version) {
  const Migrations first(migrations.begin(), migrations.begin() + static_cast<std::ptrdiff_t>(version));
  RecordFile expected(":memory:", Mode::kCreate, {.migrations = &first});
  if (SchemaText() != expected.SchemaText()) ThrowDamaged("its tables are not those of a session");
}

std::string RecordFile::SchemaText() {
  SQLite::Statement rows(database_, "SELECT type, name, tbl_name, ifnull(sql, '') FROM sqlite_schema ORDER BY name");
  std::string text;
  while (rows.executeStep()) {
    for (int i = 0; i < 4; ++i) absl::StrAppend(&text, rows.getColumn(i).getString(), "\n");
  }
  return text;
}

void RecordFile::Migrate(const Migrations& migrations, size_t version) {
  if (version == 0) Execute(absl::StrCat("PRAGMA application_id = ", application_id_));
  for (size_t i = version; i < migrations.size(); ++i) migrations[i](this);
  Execute(absl::StrCat("PRAGMA user_version = ", migrations.size()));
}

void RecordFile::CheckPages() {
  // Among others that no page is used twice: the next commit would overwrite what others stand on.
  const std::string result = database_.execAndGet("PRAGMA quick_check(1)").getString();
  // Its first line says in which database of the connection.
  if (result != "ok") ThrowDamaged(absl::StrReplaceAll(result, {{"*** in database main ***\n", ""}, {"\n", "; "}}));
}

void RecordFile::ThrowDamaged(const std::string& what) const { throw StorageException(DamagedError(path_, what)); }

void RecordFile::Begin() {
  // Else what is committed would be gone when the file is closed. File systems that cannot tell leave it at 0.
  int moved = 0;
  sqlite3_file_control(connection(), nullptr, SQLITE_FCNTL_HAS_MOVED, &moved);
  if (moved != 0) throw StorageException(SystemError(path_, "it was removed, or replaced, while it was open", ENOENT));
  database_.exec("BEGIN IMMEDIATE");
}

void RecordFile::Commit(Time time) {
  ++head_.commit_number;
  head_.time = time;
  ByteWriter writer;
  writer(head_);
  SQLite::Statement& put =
      Use(&put_record_, "INSERT OR REPLACE INTO record (kind, key, data, checksum) VALUES (?, ?, ?, ?)");
  const ResetAtEnd reset(&put);
  put.bind(1, int64_t{0});
  put.bind(2, int64_t{0});
  put.bindNoCopy(3, writer.bytes().data(), static_cast<int>(writer.bytes().size()));
  put.bind(4, int64_t{ChecksumOf(RecordKind::kHead, 0, writer.bytes())});
  put.exec();
  put.reset();
  database_.exec("COMMIT");
  kept_head_ = head_;
}

void RecordFile::Rollback() {
  // SQLite may have done it on its own.
  if (sqlite3_get_autocommit(connection()) == 0) database_.exec("ROLLBACK");
  if (ReadHead().commit_number != kept_head_.commit_number) ThrowDamaged("a commit cannot be undone");
  head_ = kept_head_;
}

RecordFile::Head RecordFile::ReadHead() {
  const std::optional<std::string> data = Get(RecordKind::kHead, 0);
  if (!data) ThrowDamaged("it has no head");
  Head head;
  ByteReader reader(*data);
  reader(head);
  reader.CheckAtEnd();
  return head;
}

SQLite::Statement& RecordFile::Use(Cached* cached, const char* sql) {
  if (*cached == nullptr) *cached = std::make_unique<SQLite::Statement>(database_, sql);
  return **cached;
}

void RecordFile::Put(RecordKind kind, int64_t key, std::string_view data) {
  Erase(kind, key);
  const bool patterns = kind == RecordKind::kPatterns;
  SQLite::Statement& put =
      patterns ? Use(&put_patterns_, "INSERT INTO patterns (key, data, checksum) VALUES (?2, ?3, ?4)")
               : Use(&put_record_, "INSERT OR REPLACE INTO record (kind, key, data, checksum) VALUES (?, ?, ?, ?)");
  const uint32_t checksum = ChecksumOf(kind, key, data);
  const ResetAtEnd reset(&put);
  if (!patterns) put.bind(1, static_cast<int64_t>(kind));
  put.bind(2, key);
  put.bindNoCopy(3, data.empty() ? "" : data.data(), static_cast<int>(data.size()));
  put.bind(4, int64_t{checksum});
  put.exec();
  Digest& digest = head_.digests[static_cast<size_t>(kind)];
  ++digest.count;
  digest.checksum_sum += checksum;
}

void RecordFile::Erase(RecordKind kind, int64_t first, int64_t last) {
  const bool patterns = kind == RecordKind::kPatterns;
  SQLite::Statement& erase =
      patterns ? Use(&erase_patterns_, "DELETE FROM patterns WHERE key BETWEEN ?2 AND ?3 RETURNING checksum")
               : Use(&erase_record_, "DELETE FROM record WHERE kind = ?1 AND key BETWEEN ?2 AND ?3 RETURNING checksum");
  const ResetAtEnd reset(&erase);
  if (!patterns) erase.bind(1, static_cast<int64_t>(kind));
  erase.bind(2, first);
  erase.bind(3, last);
  Digest& digest = head_.digests[static_cast<size_t>(kind)];
  while (erase.executeStep()) {
    --digest.count;
    digest.checksum_sum -= static_cast<uint64_t>(erase.getColumn(0).getInt64());
  }
}

std::string_view RecordFile::CheckedData(const SQLite::Statement& row, int first_column, RecordKind kind, int64_t key) {
  const std::string_view data = BlobOf(row, first_column);
  if (row.getColumn(first_column + 1).getInt64() != int64_t{ChecksumOf(kind, key, data)}) {
    ThrowDamaged(absl::StrCat("a checksum does not match, of kind ", static_cast<int64_t>(kind), ", key ", key));
  }
  return data;
}

std::optional<std::string> RecordFile::Get(RecordKind kind, int64_t key) {
  SQLite::Statement& get = Use(&get_, "SELECT data, checksum FROM record WHERE kind = ? AND key = ?");
  const ResetAtEnd reset(&get);
  get.bind(1, static_cast<int64_t>(kind));
  get.bind(2, key);
  if (!get.executeStep()) return std::nullopt;
  return std::string(CheckedData(get, 0, kind, key));
}

std::optional<RecordFile::Record> RecordFile::Last(RecordKind kind) {
  SQLite::Statement last(database_, "SELECT key, data, checksum FROM record WHERE kind = ? ORDER BY key DESC LIMIT 1");
  last.bind(1, static_cast<int64_t>(kind));
  if (!last.executeStep()) return std::nullopt;
  const int64_t key = last.getColumn(0).getInt64();
  return Record{key, std::string(CheckedData(last, 1, kind, key))};
}

void RecordFile::CheckGoOn() const {
  if (absl::Status status = interruption_(); !status.ok()) throw StorageException(std::move(status));
}

void RecordFile::VisitRecords(const Visit& visit) {
  VisitRows("SELECT kind, key, data, checksum FROM record WHERE kind <> 0 ORDER BY kind, key", RecordKind::kDescription,
            RecordKind::kAnswer, visit);
}

void RecordFile::VisitKind(RecordKind kind, const Visit& visit) {
  const std::string from =
      kind == RecordKind::kPatterns
          ? absl::StrCat("SELECT ", static_cast<int64_t>(kind), ", key, data, checksum FROM patterns")
          : absl::StrCat("SELECT kind, key, data, checksum FROM record WHERE kind = ", static_cast<int64_t>(kind));
  VisitRows(from + " ORDER BY key", kind, kind, visit);
}

void RecordFile::VisitRows(const std::string& sql, RecordKind first, RecordKind last, const Visit& visit) {
  std::array<Digest, kRecordKindCount> found;
  std::pair<RecordKind, int64_t> before(RecordKind::kHead, 0);
  SQLite::Statement rows(database_, sql);
  while (rows.executeStep()) {
    CheckGoOn();
    const RecordKind kind{rows.getColumn(0).getInt64()};
    const int64_t key = rows.getColumn(1).getInt64();
    if (kind < first || kind > last) ThrowDamaged("it has a record of an unknown kind");
    const std::pair<RecordKind, int64_t> name(kind, key);
    if (name <= before) ThrowDamaged("its records are not in order");
    before = name;
    const std::string_view data = CheckedData(rows, 2, kind, key);
    Digest& digest = found[static_cast<size_t>(kind)];
    ++digest.count;
    digest.checksum_sum += static_cast<uint64_t>(rows.getColumn(3).getInt64());
    visit(kind, key, data);
  }
  for (size_t kind = static_cast<size_t>(first); kind <= static_cast<size_t>(last); ++kind) {
    if (found[kind] != head_.digests[kind]) {
      ThrowDamaged(absl::StrCat("records are missing, or too many, of kind ", kind));
    }
  }
}

}  // namespace backprop::server
