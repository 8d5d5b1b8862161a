// What goes wrong with files, as absl::Status. SQLite and cereal throw, and so does the code of this folder that calls
// them; Protect is where that ends.
#pragma once

#include <exception>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

struct sqlite3;

namespace backprop::server {

inline constexpr char kStorageFull[] = "STORAGE_FULL";
inline constexpr char kStorageFailed[] = "STORAGE_FAILED";
inline constexpr char kSessionDamaged[] = "SESSION_DAMAGED";
inline constexpr char kSessionFormatTooNew[] = "SESSION_FORMAT_TOO_NEW";

// Carries a status to the Protect around it.
class StorageException final : public std::exception {
 public:
  explicit StorageException(absl::Status status) : status_(std::move(status)) {}
  const absl::Status& status() const { return status_; }
  const char* what() const noexcept override { return "a storage error"; }

 private:
  absl::Status status_;
};

// DATA_LOSS, reason SESSION_DAMAGED: `path` does not hold what was stored, `what` says where.
absl::Status DamagedError(const std::string& path, absl::string_view what);
// A system call on `path` that failed to do `what`: RESOURCE_EXHAUSTED, reason STORAGE_FULL, or UNAVAILABLE, reason
// STORAGE_FAILED.
absl::Status SystemError(const std::string& path, absl::string_view what, int error_number);

// The exception that is being handled, thrown while `path` was read or written through `connection` (may be null).
absl::Status CurrentError(const std::string& path, sqlite3* connection);

// What `body`, which returns a Status or a StatusOr, returns or throws.
template <typename Body>
auto Protect(const std::string& path, Body body) -> decltype(body()) {
  try {
    return body();
  } catch (...) {
    return CurrentError(path, nullptr);
  }
}

}  // namespace backprop::server
