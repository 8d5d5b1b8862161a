#include "server/storage/ephemeral_store.h"

#include "core/error.h"
#include "server/sessions/resource_name.h"

namespace backprop::server {
namespace {

absl::Status NoFiles() {
  return Error(absl::StatusCode::kFailedPrecondition, "EPHEMERAL",
               "--ephemeral keeps no files; start the server with --data-dir to back up and restore sessions");
}

template <typename Scalar>
class EphemeralLog final : public SessionLog<Scalar> {
 public:
  absl::Status Commit(const SessionChange<Scalar>&) override { return absl::OkStatus(); }
  absl::Status ReadPatterns(const std::function<absl::Status(int64_t, const Patterns<Scalar>&)>&) override {
    return absl::OkStatus();
  }
  absl::Status BeginCopy(const std::string&) override { return NoFiles(); }
  absl::StatusOr<int64_t> CopyPart() override { return NoFiles(); }
  void EndCopy() override {}
};

}  // namespace

absl::StatusOr<std::unique_ptr<SessionLog<float>>> EphemeralStore::Create(const std::string&,
                                                                          const SessionChange<float>&) {
  return std::make_unique<EphemeralLog<float>>();
}

absl::StatusOr<std::unique_ptr<SessionLog<double>>> EphemeralStore::Create(const std::string&,
                                                                           const SessionChange<double>&) {
  return std::make_unique<EphemeralLog<double>>();
}

absl::StatusOr<AnyOpenedSession> EphemeralStore::Open(const std::string& id) { return SessionNotFound(id); }

absl::StatusOr<SessionState> EphemeralStore::Describe(const std::string& id) { return SessionNotFound(id); }

absl::Status EphemeralStore::Delete(const std::string&, const RequestAnswer*) { return absl::OkStatus(); }

absl::StatusOr<std::optional<RequestAnswer>> EphemeralStore::FindDeletion(const std::string&) {
  return std::optional<RequestAnswer>();
}

absl::StatusOr<std::unique_ptr<TransferFile>> EphemeralStore::NewTransfer() { return NoFiles(); }

absl::Status EphemeralStore::FinishCopy(const std::string&, const StopCheck&) { return NoFiles(); }

absl::Status EphemeralStore::Import(const std::string&, const std::string&) { return NoFiles(); }

absl::StatusOr<std::vector<std::string>> EphemeralStore::List() { return std::vector<std::string>(); }

absl::StatusOr<std::vector<std::string>> EphemeralStore::ListUnfinished() { return std::vector<std::string>(); }

}  // namespace backprop::server
