// The store of `backpropd --ephemeral`: sessions live in memory alone and end with the process.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "server/sessions/session_store.h"

namespace backprop::server {

// Keeps nothing, and so never fails where nothing is asked back. Thread-safe.
class EphemeralStore final : public SessionStore {
 public:
  absl::StatusOr<std::unique_ptr<SessionLog<float>>> Create(const std::string& id,
                                                            const SessionChange<float>& first) override;
  absl::StatusOr<std::unique_ptr<SessionLog<double>>> Create(const std::string& id,
                                                             const SessionChange<double>& first) override;
  absl::StatusOr<AnyOpenedSession> Open(const std::string& id) override;
  absl::StatusOr<SessionState> Describe(const std::string& id) override;
  absl::Status Delete(const std::string& id, const RequestAnswer* answer) override;
  absl::StatusOr<std::optional<RequestAnswer>> FindDeletion(const std::string& request_id) override;
  // FAILED_PRECONDITION, reason EPHEMERAL, as is BeginCopy of a log.
  absl::Status FinishCopy(const std::string& path, const StopCheck& given_up) override;
  absl::Status Import(const std::string& path, const std::string& id) override;
  absl::StatusOr<std::unique_ptr<TransferFile>> NewTransfer() override;
  bool durable() const override { return false; }
  absl::StatusOr<std::vector<std::string>> List() override;
  absl::StatusOr<std::vector<std::string>> ListUnfinished() override;
};

}  // namespace backprop::server
