#include "server/sessions/memory_budget.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "core/error.h"

namespace backprop::server {

MemoryCharge::MemoryCharge(MemoryCharge&& other) noexcept
    : budget_(other.budget_), bytes_(std::exchange(other.bytes_, 0)) {}

MemoryCharge::~MemoryCharge() { budget_->used_ -= bytes_; }

absl::Status MemoryCharge::Grow(int64_t bytes, absl::string_view purpose) {
  int64_t used = budget_->used_;
  do {
    while (bytes <= budget_->limit_ && bytes > budget_->limit_ - used && budget_->reclaim_ && budget_->reclaim_())
      used = budget_->used_;
    if (bytes > budget_->limit_ - used) {
      return WithMetadata(
          Error(absl::StatusCode::kResourceExhausted, "MEMORY_LIMIT",
                absl::StrCat(purpose, " would take ", bytes, " bytes, but of the server's ", budget_->limit_, " bytes ",
                             used, " are in use; delete sessions or pattern sets, or raise --memory-limit")),
          "limit", budget_->limit_);
    }
  } while (!budget_->used_.compare_exchange_weak(used, used + bytes));
  bytes_ += bytes;
  return absl::OkStatus();
}

void MemoryCharge::Absorb(MemoryCharge other) { bytes_ += std::exchange(other.bytes_, 0); }

}  // namespace backprop::server
