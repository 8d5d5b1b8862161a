#include "server/storage/sqlite_store.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/error.h"
#include "server/sessions/resource_name.h"
#include "server/storage/change_writer.h"
#include "server/storage/session_loader.h"
#include "server/storage/sqlite_log.h"
#include "server/storage/storage_error.h"
#include "server/storage/transfer_file.h"

namespace backprop::server {
namespace {

bool HasUnfinishedRun(RecordFile* file) { return !LoadState(file, "").active_training_run.empty(); }

}  // namespace

SqliteStore::SqliteStore(std::unique_ptr<DataDirectory> directory, std::unique_ptr<DeletionLog> deletions,
                         MemoryBudget* budget, RecordFileOptions options)
    : directory_(std::move(directory)),
      deletions_(std::move(deletions)),
      budget_(budget),
      options_(std::move(options)) {}

absl::StatusOr<std::unique_ptr<SqliteStore>> SqliteStore::OpenDirectory(const std::string& directory,
                                                                        const SqliteStoreOptions& options) {
  absl::StatusOr<std::unique_ptr<DataDirectory>> opened = DataDirectory::Open(directory);
  if (!opened.ok()) return opened.status();
  if (absl::Status status = (*opened)->TakeUp(); !status.ok()) return status;
  absl::StatusOr<std::unique_ptr<DeletionLog>> deletions = DeletionLog::Open(opened->get(), {.vfs = options.vfs});
  if (!deletions.ok()) return deletions.status();
  return std::unique_ptr<SqliteStore>(
      new SqliteStore(*std::move(opened), *std::move(deletions), options.budget,
                      {.vfs = options.vfs, .migrations = options.migrations, .interruption = options.interruption}));
}

std::unique_ptr<RecordFile> SqliteStore::OpenFile(const std::string& id, RecordFile::Mode mode) const {
  const bool is_new = mode == RecordFile::Mode::kCreate || mode == RecordFile::Mode::kOpenAside;
  const std::string name = is_new ? DataDirectory::NewFileName(id) : DataDirectory::SessionFileName(id);
  return std::make_unique<RecordFile>(directory_->PathOf(name), mode, options_);
}

absl::Status SqliteStore::PrepareNew(const std::string& id) {
  if (absl::Status status = ValidateId(id, "session_id"); !status.ok()) return status;
  if (absl::Status status = deletions_->Finish(id); !status.ok()) return status;
  if (directory_->Has(DataDirectory::SessionFileName(id))) {
    return Error(absl::StatusCode::kAlreadyExists, "SESSION_ALREADY_EXISTS",
                 absl::StrCat("there is a session `", id, "` already; choose another id, or delete that session"));
  }
  return directory_->Remove({DataDirectory::NewFileName(id), DataDirectory::MarkerFileName(id)});
}

absl::Status SqliteStore::FinishNew(const std::string& id, bool unfinished_run, absl::Status status) {
  if (status.ok() && unfinished_run) status = directory_->CreateMarker(DataDirectory::MarkerFileName(id));
  if (status.ok()) status = directory_->Publish(DataDirectory::NewFileName(id), DataDirectory::SessionFileName(id));
  if (!status.ok()) {
    directory_
        ->Remove({DataDirectory::NewFileName(id), DataDirectory::SessionFileName(id), DataDirectory::MarkerFileName(id),
                  DataDirectory::JournalFileName(id)})
        .IgnoreError();
    directory_->Sync().IgnoreError();
  }
  return status;
}

template <typename Scalar>
absl::StatusOr<std::unique_ptr<SessionLog<Scalar>>> SqliteStore::CreateTyped(const std::string& id,
                                                                             const SessionChange<Scalar>& first) {
  if (first.description == nullptr || first.snapshots.empty()) {
    return absl::InternalError("a session begins with a description and a snapshot");
  }
  if (absl::Status status = PrepareNew(id); !status.ok()) return status;
  const NetworkSpec& spec = first.description->spec;
  const std::string path = directory_->PathOf(DataDirectory::SessionFileName(id));
  absl::Status status = Protect(path, [&] {
    const std::unique_ptr<RecordFile> file = OpenFile(id, RecordFile::Mode::kCreate);
    WriteChange(first, spec, file.get());
    file->Commit(first.time);
    return absl::OkStatus();
  });
  status = FinishNew(id, first.run != nullptr && !HasEnded(first.run->state), std::move(status));
  if (!status.ok()) return status;
  std::unique_ptr<SessionLog<Scalar>> log;
  status = Protect(path, [&] {
    log = std::make_unique<SqliteLog<Scalar>>(OpenFile(id, RecordFile::Mode::kOpen), directory_.get(), id, spec);
    return absl::OkStatus();
  });
  if (!status.ok()) return FinishNew(id, false, std::move(status));
  return log;
}

absl::StatusOr<std::unique_ptr<SessionLog<float>>> SqliteStore::Create(const std::string& id,
                                                                       const SessionChange<float>& first) {
  return CreateTyped(id, first);
}

absl::StatusOr<std::unique_ptr<SessionLog<double>>> SqliteStore::Create(const std::string& id,
                                                                        const SessionChange<double>& first) {
  return CreateTyped(id, first);
}

template <typename Scalar>
absl::StatusOr<AnyOpenedSession> SqliteStore::OpenTyped(std::unique_ptr<RecordFile> file,
                                                        const SessionDescription& description) {
  const std::string& id = description.id;
  // Until it is loaded: what is kept of it in memory its session charges, each part with its name.
  std::optional<MemoryCharge> charge = ChargeForLoad(file.get(), budget_);
  KeptSession<Scalar> kept = LoadSession<Scalar>(file.get(), description);
  charge.reset();
  const std::string marker = DataDirectory::MarkerFileName(id);
  const bool unfinished = !kept.runs.empty() && !HasEnded(kept.runs.back().run.state);
  // A file that was copied here by hand may lack its marker; one that is stale would be looked at at every start.
  if (unfinished != directory_->Has(marker)) {
    absl::Status status = unfinished ? directory_->CreateMarker(marker) : directory_->Remove({marker});
    if (!status.ok()) return status;
  }
  auto log = std::make_unique<SqliteLog<Scalar>>(std::move(file), directory_.get(), id, description.spec);
  return AnyOpenedSession(OpenedSession<Scalar>{.log = std::move(log), .kept = std::move(kept)});
}

absl::StatusOr<AnyOpenedSession> SqliteStore::Open(const std::string& id) {
  if (absl::Status status = deletions_->Finish(id); !status.ok()) return status;
  const std::string name = DataDirectory::SessionFileName(id);
  if (!IsValidId(id) || !directory_->Has(name)) return SessionNotFound(id);
  return Protect(directory_->PathOf(name), [&]() -> absl::StatusOr<AnyOpenedSession> {
    std::unique_ptr<RecordFile> file = OpenFile(id, RecordFile::Mode::kOpen);
    const SessionDescription description = LoadDescription(file.get(), id);
    return description.spec.fields().precision == Precision::kFloat32 ? OpenTyped<float>(std::move(file), description)
                                                                      : OpenTyped<double>(std::move(file), description);
  });
}

absl::StatusOr<SessionState> SqliteStore::Describe(const std::string& id) {
  if (absl::Status status = deletions_->Finish(id); !status.ok()) return status;
  const std::string name = DataDirectory::SessionFileName(id);
  if (!IsValidId(id) || !directory_->Has(name)) return SessionNotFound(id);
  return Protect(directory_->PathOf(name), [&]() -> absl::StatusOr<SessionState> {
    return LoadState(OpenFile(id, RecordFile::Mode::kPeek).get(), id);
  });
}

absl::Status SqliteStore::Delete(const std::string& id, const RequestAnswer* answer) {
  if (!IsValidId(id)) return SessionNotFound(id);
  return deletions_->Delete(id, answer);
}

absl::StatusOr<std::optional<RequestAnswer>> SqliteStore::FindDeletion(const std::string& request_id) {
  return deletions_->Find(request_id);
}

absl::Status SqliteStore::FinishCopy(const std::string& path, const StopCheck& given_up) {
  const auto interruption = [&given_up] {
    return given_up() ? absl::CancelledError("the copy was given up") : absl::OkStatus();
  };
  return server::FinishCopy(path, interruption, budget_);
}

absl::StatusOr<std::unique_ptr<TransferFile>> SqliteStore::NewTransfer() {
  // With a dot, which no id of a session has.
  return std::make_unique<DirectoryTransferFile>(
      directory_->PathOf(DataDirectory::NewFileName(absl::StrCat("transfer.", ++transfer_count_))));
}

absl::Status SqliteStore::Import(const std::string& path, const std::string& id) {
  if (absl::Status status = PrepareNew(id); !status.ok()) return status;
  bool unfinished_run = false;
  absl::Status status = CopyFile(path, directory_->PathOf(DataDirectory::NewFileName(id)));
  if (status.ok()) {
    status = Protect(path, [&] {
      const std::unique_ptr<RecordFile> file = OpenFile(id, RecordFile::Mode::kOpenAside);
      unfinished_run = HasUnfinishedRun(file.get());
      return CheckSession(file.get(), budget_);
    });
  }
  if (absl::IsDataLoss(status)) {
    // The caller knows nothing of our names of files.
    status = Error(absl::StatusCode::kDataLoss, kSessionDamaged,
                   "the file that came is not the whole file of a session, and no session was made of it; send it "
                   "again, or an earlier one");
  }
  return FinishNew(id, unfinished_run, std::move(status));
}

absl::StatusOr<std::vector<std::string>> SqliteStore::Present(absl::StatusOr<std::vector<std::string>> ids) const {
  if (ids.ok()) std::erase_if(*ids, [this](const std::string& id) { return deletions_->IsPending(id); });
  return ids;
}

absl::StatusOr<std::vector<std::string>> SqliteStore::List() { return Present(directory_->SessionIds()); }

absl::StatusOr<std::vector<std::string>> SqliteStore::ListUnfinished() { return Present(directory_->MarkedIds()); }

}  // namespace backprop::server
