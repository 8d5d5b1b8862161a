#include "server/storage/sqlite_log.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "core/error.h"
#include "server/storage/change_writer.h"
#include "server/storage/session_loader.h"
#include "server/storage/storage_error.h"

namespace backprop::server {
namespace {

template <typename Scalar>
void CheckContents(RecordFile* file, const SessionDescription& description) {
  LoadSession<Scalar>(file, description);
  LoadPatterns<Scalar>(file, description.spec, [](int64_t, const Patterns<Scalar>&) {});
}

}  // namespace

absl::Status CheckSession(RecordFile* file, MemoryBudget* budget) {
  return Protect(file->path(), [&] {
    const std::optional<MemoryCharge> charge = ChargeForLoad(file, budget);
    const SessionDescription description = LoadDescription(file, "");
    description.spec.fields().precision == Precision::kFloat32 ? CheckContents<float>(file, description)
                                                               : CheckContents<double>(file, description);
    return absl::OkStatus();
  });
}

template <typename Scalar>
SqliteLog<Scalar>::SqliteLog(std::unique_ptr<RecordFile> file, const DataDirectory* directory, std::string id,
                             NetworkSpec spec)
    : file_(std::move(file)),
      directory_(directory),
      id_(std::move(id)),
      spec_(std::move(spec)),
      marked_(directory_->Has(DataDirectory::MarkerFileName(id_))) {}

template <typename Scalar>
absl::Status SqliteLog<Scalar>::Commit(const SessionChange<Scalar>& change) {
  if (absl::Status status = Prepare(); !status.ok()) return status;
  // Before the commit: a session with an unfinished run must never be without its marker.
  if (change.run != nullptr && !HasEnded(change.run->state)) {
    if (absl::Status status = Mark(); !status.ok()) return Abandon(status);
  }
  try {
    file_->Begin();
    WriteChange(change, spec_, file_.get());
    file_->Commit(change.time);
  } catch (...) {
    return Abandon(CurrentError(file_->path(), file_->connection()));
  }
  if (change.run != nullptr && HasEnded(change.run->state)) Unmark();
  return absl::OkStatus();
}

template <typename Scalar>
absl::Status SqliteLog<Scalar>::Abandon(const absl::Status& error) {
  undone_ = false;
  if (!absl::IsResourceExhausted(error)) failure_ = error;
  const absl::Status status = Prepare();
  // Where there is no room even to undo it, the file's journal says that it is to be undone.
  return status.ok() ? error : status;
}

template <typename Scalar>
absl::Status SqliteLog<Scalar>::Prepare() {
  if (!failure_.ok()) return failure_;
  if (undone_) return absl::OkStatus();
  absl::Status status = Protect(file_->path(), [this] {
    file_->Rollback();
    return absl::OkStatus();
  });
  undone_ = status.ok();
  if (!status.ok() && !absl::IsResourceExhausted(status)) failure_ = status;
  return status;
}

template <typename Scalar>
absl::Status SqliteLog<Scalar>::Mark() {
  if (marked_) return absl::OkStatus();
  absl::Status status = directory_->CreateMarker(DataDirectory::MarkerFileName(id_));
  marked_ = status.ok();
  return status;
}

template <typename Scalar>
void SqliteLog<Scalar>::Unmark() {
  // One that stays does no harm: it makes the next start of the server look into the session.
  if (marked_ && directory_->Remove({DataDirectory::MarkerFileName(id_)}).ok()) marked_ = false;
}

template <typename Scalar>
absl::Status SqliteLog<Scalar>::ReadPatterns(
    const std::function<absl::Status(int64_t pattern_set_key, const Patterns<Scalar>& patterns)>& visit) {
  if (absl::Status status = Prepare(); !status.ok()) return status;
  return Protect(file_->path(), [&] {
    LoadPatterns<Scalar>(file_.get(), spec_, [&](int64_t key, const Patterns<Scalar>& patterns) {
      if (absl::Status status = visit(key, patterns); !status.ok()) throw StorageException(std::move(status));
    });
    return absl::OkStatus();
  });
}

template <typename Scalar>
absl::Status SqliteLog<Scalar>::BeginCopy(const std::string& path) {
  copy_.reset();
  if (absl::Status status = Prepare(); !status.ok()) return status;
  return Protect(path, [&] {
    copy_ = std::make_unique<FileCopy>(file_.get(), path);
    return absl::OkStatus();
  });
}

template <typename Scalar>
absl::StatusOr<int64_t> SqliteLog<Scalar>::CopyPart() {
  absl::StatusOr<int64_t> left = 0;
  if (absl::Status status = Prepare(); !status.ok()) {
    left = status;
  } else {
    left = Protect(file_->path(), [this]() -> absl::StatusOr<int64_t> { return copy_->CopyPart(); });
  }
  if (!left.ok() || *left == 0) copy_.reset();
  return left;
}

template class SqliteLog<float>;
template class SqliteLog<double>;

}  // namespace backprop::server
