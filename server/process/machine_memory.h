// The memory that this process has, and how it holds on to it.
#pragma once

#include <cstdint>
#include <string>

namespace backprop::server {

// Bytes of memory that this process may use before the kernel ends it: the machine's, or less where a control group
// (a container, a systemd unit) has a limit. `root` is where /proc and /sys are found.
int64_t MachineMemoryBytes(const std::string& root = "");

// Bytes that it has in memory now.
int64_t ResidentBytes();

// Gives the kernel the memory that was freed. Thread-safe; takes milliseconds a GiB. By itself the allocator, TCMalloc,
// keeps most of it for the next batch of patterns: the kernel, or the machine below it, would have to clear it page by
// page, and ingest be half as fast. A sanitizer's allocator gives back what it will.
void GiveFreedMemoryBack();

// The least of each `count` numbers: of memory that is looked at now and then, what nobody needed meanwhile. Who
// deletes a session often fills another one next.
class WindowMinimum {
 public:
  explicit WindowMinimum(int count) : count_(count) {}

  // Takes the next number. The least of them when they are `count`, and begins anew; 0 until then.
  int64_t Add(int64_t number);

 private:
  const int count_;
  int seen_ = 0;
  int64_t least_ = 0;  // Of those seen.
};

}  // namespace backprop::server
