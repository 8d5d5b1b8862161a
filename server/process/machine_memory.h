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

// Has the allocator keep freed memory for the next batch of patterns rather than give it back to the kernel at once,
// which then clears it page by page for the next one: with batches of 1 MB ingest is twice as fast. It keeps at most
// about 32 MiB a core. To be called before there are other threads.
void KeepFreedMemory();

// Gives the kernel the freed memory that lies between what is in use. Thread-safe; takes milliseconds a GiB.
void GiveFreedMemoryBack();

}  // namespace backprop::server
