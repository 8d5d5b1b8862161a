#include "tests/server/storage/faulty_vfs.h"

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <new>

#include "absl/strings/str_cat.h"
#include "core/random.h"
#include "gtest/gtest.h"

namespace backprop::server {
namespace {

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

// SQLite gives the room for it, and for the real file behind it.
struct FaultyVfs::File {
  sqlite3_file base;
  FaultyVfs* vfs;
  std::string* path;  // Null: a temporary file, which meets no faults.

  sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};

struct FaultyVfs::Methods {
  static File* Of(sqlite3_file* file) { return reinterpret_cast<File*>(file); }
  static FaultyVfs* Of(sqlite3_vfs* vfs) { return static_cast<FaultyVfs*>(vfs->pAppData); }
  static sqlite3_file* Real(sqlite3_file* file) { return Of(file)->real(); }
  static bool Gone(sqlite3_file* file) { return Of(file)->vfs->failed_ && Of(file)->vfs->fault_ != Fault::kFull; }

  static int Open(sqlite3_vfs* vfs, const char* path, sqlite3_file* opened, int flags, int* out_flags) {
    FaultyVfs* const self = Of(vfs);
    File* const file = new (opened) File{.base = {nullptr}, .vfs = self, .path = nullptr};
    if (self->failed_ && self->fault_ != Fault::kFull) return SQLITE_CANTOPEN;
    if (path != nullptr) self->DiskOf(path);
    const int result = self->real_->xOpen(self->real_, path, file->real(), flags, out_flags);
    if (result != SQLITE_OK) return result;
    if (path != nullptr) file->path = new std::string(path);
    file->base.pMethods = &kIoMethods;
    return SQLITE_OK;
  }
  static int Delete(sqlite3_vfs* vfs, const char* path, int sync_directory) {
    FaultyVfs* const self = Of(vfs);
    if (const int error = self->Count(SQLITE_IOERR_DELETE); error != SQLITE_OK) return error;
    self->disks_.erase(path);
    return self->real_->xDelete(self->real_, path, sync_directory);
  }
  static int Access(sqlite3_vfs* vfs, const char* path, int flags, int* result) {
    return Of(vfs)->real_->xAccess(Of(vfs)->real_, path, flags, result);
  }
  static int FullPathname(sqlite3_vfs* vfs, const char* path, int size, char* out) {
    return Of(vfs)->real_->xFullPathname(Of(vfs)->real_, path, size, out);
  }

  static int Close(sqlite3_file* file) {
    delete Of(file)->path;
    return Real(file)->pMethods->xClose(Real(file));
  }
  static int Read(sqlite3_file* file, void* data, int size, sqlite3_int64 offset) {
    if (Gone(file)) return SQLITE_IOERR_READ;
    return Real(file)->pMethods->xRead(Real(file), data, size, offset);
  }
  static int Write(sqlite3_file* file, const void* data, int size, sqlite3_int64 offset) {
    FaultyVfs* const self = Of(file)->vfs;
    if (Of(file)->path == nullptr) return Real(file)->pMethods->xWrite(Real(file), data, size, offset);
    const int error = self->Count(SQLITE_IOERR_WRITE);
    if (self->tear_) {
      self->tear_ = false;
      Real(file)->pMethods->xWrite(Real(file), data, size / 2, offset);
    }
    if (error != SQLITE_OK) return error;
    self->DiskOf(*Of(file)->path)
        .changes.push_back({.offset = offset, .bytes = {static_cast<const char*>(data), static_cast<size_t>(size)}});
    return Real(file)->pMethods->xWrite(Real(file), data, size, offset);
  }
  static int Truncate(sqlite3_file* file, sqlite3_int64 size) {
    FaultyVfs* const self = Of(file)->vfs;
    if (const int error = self->Count(SQLITE_IOERR_TRUNCATE); error != SQLITE_OK) return error;
    if (Of(file)->path != nullptr) {
      self->DiskOf(*Of(file)->path).changes.push_back({.offset = size, .truncation = true});
    }
    return Real(file)->pMethods->xTruncate(Real(file), size);
  }
  static int Sync(sqlite3_file* file, int flags) {
    FaultyVfs* const self = Of(file)->vfs;
    if (const int error = self->Count(SQLITE_IOERR_FSYNC); error != SQLITE_OK) return error;
    if (Of(file)->path != nullptr) {
      self->DiskOf(*Of(file)->path) = {.exists = true, .synced = ReadFile(*Of(file)->path)};
    }
    return Real(file)->pMethods->xSync(Real(file), flags);
  }
  static int FileSize(sqlite3_file* file, sqlite3_int64* size) {
    if (Gone(file)) return SQLITE_IOERR_FSTAT;
    return Real(file)->pMethods->xFileSize(Real(file), size);
  }
  static int Lock(sqlite3_file* file, int level) { return Real(file)->pMethods->xLock(Real(file), level); }
  static int Unlock(sqlite3_file* file, int level) { return Real(file)->pMethods->xUnlock(Real(file), level); }
  static int CheckLock(sqlite3_file* file, int* out) {
    return Real(file)->pMethods->xCheckReservedLock(Real(file), out);
  }
  static int FileControl(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }
  static int SectorSize(sqlite3_file* file) { return Real(file)->pMethods->xSectorSize(Real(file)); }
  static int Characteristics(sqlite3_file* file) { return Real(file)->pMethods->xDeviceCharacteristics(Real(file)); }

  // Version 1: no memory mapping, whose writes would go past this.
  static constexpr sqlite3_io_methods kIoMethods = {
      1,       Close,     Read,        Write,      Truncate,        Sync,    FileSize, Lock,
      Unlock,  CheckLock, FileControl, SectorSize, Characteristics, nullptr, nullptr,  nullptr,
      nullptr, nullptr,   nullptr};
};

FaultyVfs::FaultyVfs()
    : name_(absl::StrCat("faulty-", reinterpret_cast<uintptr_t>(this))),
      real_(sqlite3_vfs_find(nullptr)),
      vfs_(*real_) {
  vfs_.iVersion = 2;
  vfs_.szOsFile += static_cast<int>(sizeof(File));
  vfs_.zName = name_.c_str();
  vfs_.pAppData = this;
  vfs_.pNext = nullptr;
  vfs_.xOpen = Methods::Open;
  vfs_.xDelete = Methods::Delete;
  vfs_.xAccess = Methods::Access;
  vfs_.xFullPathname = Methods::FullPathname;
  EXPECT_EQ(sqlite3_vfs_register(&vfs_, /*makeDflt=*/0), SQLITE_OK);
}

FaultyVfs::~FaultyVfs() { sqlite3_vfs_unregister(&vfs_); }

void FaultyVfs::FailAt(int64_t k, Fault fault) {
  fail_at_ = call_count_ + k;
  fault_ = fault;
}

void FaultyVfs::LosePower() {
  fault_ = Fault::kLoseUnsynced;
  failed_ = true;
  Break();
}

FaultyVfs::Disk& FaultyVfs::DiskOf(const std::string& path) {
  const auto [disk, is_new] = disks_.try_emplace(path);
  // A file that was moved here, or that another process made, was synced before.
  if (is_new && std::filesystem::exists(path)) disk->second = {.exists = true, .synced = ReadFile(path)};
  return disk->second;
}

int FaultyVfs::Count(int error) {
  if (failed_) return fault_ == Fault::kFull ? (error == SQLITE_IOERR_WRITE ? SQLITE_FULL : SQLITE_OK) : error;
  if (++call_count_ != fail_at_) return SQLITE_OK;
  failed_ = true;
  if (fault_ == Fault::kFull) return error == SQLITE_IOERR_WRITE ? SQLITE_FULL : SQLITE_OK;
  tear_ = fault_ == Fault::kTornWrite && error == SQLITE_IOERR_WRITE;
  if (fault_ == Fault::kLoseUnsynced || fault_ == Fault::kShuffleWrites) Break();
  return error;
}

void FaultyVfs::Break() {
  Random random(call_count_);
  for (const auto& [path, disk] : disks_) {
    if (!std::filesystem::exists(path)) continue;  // It was moved, and all of it synced before.
    std::string left = disk.synced;
    bool any = disk.exists;
    for (const Change& change : disk.changes) {
      if (fault_ == Fault::kLoseUnsynced || random.Uniform() < 0.5) continue;
      any = true;
      if (change.truncation) {
        left.resize(static_cast<size_t>(change.offset));
      } else {
        left.resize(std::max(left.size(), static_cast<size_t>(change.offset) + change.bytes.size()));
        std::memcpy(left.data() + change.offset, change.bytes.data(), change.bytes.size());
      }
    }
    std::filesystem::remove(path);
    if (any) std::ofstream(path, std::ios::binary) << left;
  }
}

}  // namespace backprop::server
