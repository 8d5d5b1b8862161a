// A file system for SQLite that stops, or runs out of room, in the middle of something.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace backprop::server {

enum class Fault {
  kStop,           // The call does nothing.
  kTornWrite,      // A write writes its first half; another call does nothing.
  kLoseUnsynced,   // What was not synced is gone.
  kShuffleWrites,  // Of what was not synced a random part is there.
  kFull,           // A write fails for want of room.
};

// Stands over the default file system, under a name of its own. Counts the writes, syncs, truncations and deletions
// of files; when it comes to the k-th it acts out a fault, and from then on all calls fail as after the loss of power;
// but for kFull, which lasts until Recover. Not thread-safe; no file may be open when it is destroyed.
class FaultyVfs {
 public:
  FaultyVfs();
  ~FaultyVfs();
  FaultyVfs(const FaultyVfs&) = delete;
  FaultyVfs& operator=(const FaultyVfs&) = delete;

  const std::string& name() const { return name_; }
  // The `k`-th call from now on, from 1, meets the fault.
  void FailAt(int64_t k, Fault fault);
  void Recover() { failed_ = false; }
  // Power is lost now: what was not synced is gone, and all calls fail.
  void LosePower();
  bool failed() const { return failed_; }
  int64_t call_count() const { return call_count_; }

 private:
  struct File;
  struct Methods;
  // A change of a file since it was last synced: bytes at an offset, or its new size.
  struct Change {
    int64_t offset = 0;
    std::string bytes = {};
    bool truncation = false;
  };
  // What the disk has of a file for certain, and what was done since.
  struct Disk {
    bool exists = false;  // With its directory's entry.
    std::string synced = {};
    std::vector<Change> changes = {};
  };

  // Counts a call; what it is to return, or SQLITE_OK for going on.
  int Count(int error);
  void Break();
  Disk& DiskOf(const std::string& path);

  const std::string name_;
  sqlite3_vfs* const real_;
  sqlite3_vfs vfs_;
  int64_t call_count_ = 0;
  int64_t fail_at_ = INT64_MAX;
  Fault fault_ = Fault::kStop;
  bool failed_ = false;
  bool tear_ = false;  // The write under way is to be torn.
  std::map<std::string, Disk> disks_;
};

}  // namespace backprop::server
