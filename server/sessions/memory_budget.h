// The memory that sessions may use: counted where it is taken, refused where it would be too much.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace backprop::server {

// Thread-safe. Outlives every charge.
class MemoryBudget {
 public:
  explicit MemoryBudget(int64_t limit_bytes) : limit_(limit_bytes) {}
  MemoryBudget(const MemoryBudget&) = delete;
  MemoryBudget& operator=(const MemoryBudget&) = delete;

  // `reclaim` is called where a charge would not fit: true when it has freed memory. Set before the first charge.
  void SetReclaim(std::function<bool()> reclaim) { reclaim_ = std::move(reclaim); }

  int64_t limit_bytes() const { return limit_; }
  int64_t used_bytes() const { return used_; }

 private:
  friend class MemoryCharge;

  const int64_t limit_;
  std::atomic<int64_t> used_ = 0;
  std::function<bool()> reclaim_;
};

// A part of a budget, given back when it goes out of scope. Not thread-safe; moved, not copied.
class MemoryCharge {
 public:
  explicit MemoryCharge(MemoryBudget* budget) : budget_(budget) {}
  MemoryCharge(MemoryCharge&& other) noexcept;
  MemoryCharge& operator=(MemoryCharge&&) = delete;
  ~MemoryCharge();

  // Takes `bytes` more for `purpose` ("the patterns of sessions/x"), or RESOURCE_EXHAUSTED, reason MEMORY_LIMIT.
  absl::Status Grow(int64_t bytes, absl::string_view purpose);
  // Takes over what `other`, of the same budget, has.
  void Absorb(MemoryCharge other);

 private:
  MemoryBudget* budget_;
  int64_t bytes_ = 0;
};

}  // namespace backprop::server
