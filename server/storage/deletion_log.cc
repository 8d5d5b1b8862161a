#include "server/storage/deletion_log.h"

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <utility>
#include <vector>

#include "core/error.h"
#include "server/storage/record_codec.h"
#include "server/storage/storage_error.h"

namespace backprop::server {
namespace {

constexpr char kFileName[] = "directory.sqlite";
// Free pages of the file, below which there are to be twice as many. A deletion takes one now and then.
constexpr int kReservedPages = 8;
constexpr int64_t kReserveKey = 0;  // Of a record that is there for a moment.

}  // namespace

template <typename Archive>
void DeletionLog::Deletion::serialize(Archive& archive) {
  archive(id, pending, answer);
}

DeletionLog::DeletionLog(const DataDirectory* directory, RecordFileOptions options)
    : directory_(directory), options_(std::move(options)) {}

absl::StatusOr<std::unique_ptr<DeletionLog>> DeletionLog::Open(const DataDirectory* directory,
                                                               RecordFileOptions options) {
  options.application_id = kDirectoryApplicationId;
  std::unique_ptr<DeletionLog> log(new DeletionLog(directory, std::move(options)));
  const std::lock_guard lock(log->mutex_);
  if (absl::Status status = log->Load(); !status.ok()) return status;
  if (absl::Status status = log->FinishAll(nullptr); !status.ok()) return status;
  return log;
}

absl::Status DeletionLog::Load() {
  if (file_ != nullptr) return absl::OkStatus();
  const std::string path = directory_->PathOf(kFileName);
  const std::string new_name = DataDirectory::NewFileName(kFileName);
  return Protect(path, [&]() -> absl::Status {
    if (!directory_->Has(kFileName)) {
      if (absl::Status status = directory_->Remove({new_name}); !status.ok()) return status;
      RecordFile(directory_->PathOf(new_name), RecordFile::Mode::kCreate, options_).Commit({});
      if (absl::Status status = directory_->Publish(new_name, kFileName); !status.ok()) return status;
    }
    auto file = std::make_unique<RecordFile>(path, RecordFile::Mode::kOpen, options_);
    std::map<int64_t, Deletion> deletions;
    file->VisitKind(RecordKind::kDeletion, [&](RecordKind, int64_t key, std::string_view data) {
      if (key != kReserveKey) deletions[key] = Decode<Deletion>(data);
    });
    file_ = std::move(file);
    deletions_ = std::move(deletions);
    in_doubt_.clear();
    Reserve();
    return file_ != nullptr ? absl::OkStatus() : SystemError(path, "a commit to it cannot be undone", EIO);
  });
}

void DeletionLog::Reserve() {
  if (file_->FreePageCount() >= kReservedPages) return;
  try {
    // In commits of their own: pages that are freed before they are committed are never written. The second has the
    // journal of a deletion, and the third that of one which makes room.
    for (const int64_t bytes : {2 * kReservedPages * file_->page_bytes(), int64_t{1}}) {
      file_->Begin();
      file_->Put(RecordKind::kDeletion, kReserveKey, std::string(static_cast<size_t>(bytes), '\0'));
      file_->Commit(file_->update_time());
    }
    file_->Begin();
    file_->Erase(RecordKind::kDeletion, kReserveKey);
    file_->Commit(file_->update_time());
  } catch (...) {
    // There is no room for it now.
    try {
      file_->Rollback();
    } catch (...) {
      file_.reset();  // Its journal says that it is to be undone.
    }
  }
}

absl::Status DeletionLog::Keep(int64_t number, const Deletion& deletion) {
  absl::Status status;
  try {
    file_->Begin();
    std::vector<int64_t> dropped;
    if (deletion.pending || deletion.answer) {
      file_->Put(RecordKind::kDeletion, number, Encode(deletion));
    } else {
      dropped.push_back(number);
    }
    for (const auto& [old, other] : deletions_) {
      if (!other.pending && old <= number - kMaxKeptAnswers) dropped.push_back(old);
    }
    for (const int64_t old : dropped) file_->Erase(RecordKind::kDeletion, old);
    file_->Commit(std::chrono::system_clock::now());
    deletions_[number] = deletion;
    for (const int64_t old : dropped) deletions_.erase(old);
    return absl::OkStatus();
  } catch (...) {
    status = CurrentError(file_->path(), file_->connection());
  }
  try {
    file_->Rollback();
    if (ReasonOf(status) == kStorageFull) return status;
  } catch (...) {
    // The first error says more.
  }
  file_.reset();
  in_doubt_.insert(deletion.id);
  return status;
}

absl::Status DeletionLog::FinishAll(const std::string* id) {
  std::map<int64_t, Deletion> pending;
  for (const auto& [number, deletion] : deletions_) {
    if (deletion.pending && (id == nullptr || deletion.id == *id)) pending[number] = deletion;
  }
  for (auto& [number, deletion] : pending) {
    absl::Status status =
        directory_->Remove({DataDirectory::MarkerFileName(deletion.id), DataDirectory::SessionFileName(deletion.id),
                            DataDirectory::JournalFileName(deletion.id)});
    if (!status.ok()) return status;
    if (status = directory_->Sync(); !status.ok()) return status;
    deletion.pending = false;
    if (status = Keep(number, deletion); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status DeletionLog::Delete(const std::string& id, const RequestAnswer* answer) {
  if (absl::Status status = Finish(id); !status.ok()) return status;
  const std::lock_guard lock(mutex_);
  if (absl::Status status = Load(); !status.ok()) return status;
  const int64_t number = deletions_.empty() ? 1 : deletions_.rbegin()->first + 1;
  Deletion deletion{.id = id, .pending = true, .answer = std::nullopt};
  if (answer != nullptr) deletion.answer = *answer;
  if (absl::Status status = Keep(number, deletion); !status.ok()) return status;
  // The session is deleted from here on: what cannot be removed now is removed before the id is used again.
  FinishAll(&id).IgnoreError();
  if (file_ != nullptr) Reserve();
  return absl::OkStatus();
}

absl::Status DeletionLog::Finish(const std::string& id) {
  const std::lock_guard lock(mutex_);
  if (!in_doubt_.contains(id) && !HasPending(id)) return absl::OkStatus();
  if (absl::Status status = Load(); !status.ok()) return status;
  return FinishAll(&id);
}

bool DeletionLog::IsPending(const std::string& id) {
  const std::lock_guard lock(mutex_);
  return HasPending(id);
}

bool DeletionLog::HasPending(const std::string& id) const {
  return std::any_of(deletions_.begin(), deletions_.end(),
                     [&](const auto& entry) { return entry.second.pending && entry.second.id == id; });
}

absl::StatusOr<std::optional<RequestAnswer>> DeletionLog::Find(const std::string& request_id) {
  const std::lock_guard lock(mutex_);
  if (absl::Status status = Load(); !status.ok()) return status;
  for (const auto& [number, deletion] : deletions_) {
    if (deletion.answer && deletion.answer->request_id == request_id) return deletion.answer;
  }
  return std::optional<RequestAnswer>();
}

}  // namespace backprop::server
