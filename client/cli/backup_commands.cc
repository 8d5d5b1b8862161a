// backup and restore: a session as one file. rollback and pin: its earlier model versions.
#include <fcntl.h>
#include <unistd.h>

#include <CLI/App.hpp>
#include <CLI/Validators.hpp>
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/names.h"
#include "client/cli/whole_number.h"

namespace backprop::client {
namespace {

constexpr size_t kPartBytes = 1 << 20;

absl::Status CannotWrite(const std::string& path) {
  return absl::FailedPreconditionError(absl::StrCat("cannot write ", path));
}

// Whether the file is on the disk: what gets its final name is whole after a loss of power too.
bool Synced(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return false;
  const bool synced = fsync(descriptor) == 0;
  return close(descriptor) == 0 && synced;
}

// Under another name until it is whole: a backup that broke off must not look like one.
absl::Status RunBackup(CommandContext& context, const std::string& name, const std::string& path) {
  v1::ExportSessionRequest request;
  request.set_name(SessionName(name));
  const std::string part_path = path + ".part";
  std::ofstream file(part_path, std::ios::binary | std::ios::trunc);
  if (!file) return CannotWrite(part_path);
  const std::unique_ptr<SessionFile> parts = context.client().ExportSession(request);
  int64_t byte_count = 0;
  for (v1::ExportSessionResponse part; parts->Read(&part);) {
    file.write(part.data().data(), static_cast<std::streamsize>(part.data().size()));
    byte_count += static_cast<int64_t>(part.data().size());
  }
  absl::Status status = parts->Finish();
  file.close();
  if (status.ok() && !file) status = CannotWrite(part_path);
  if (status.ok() && !Synced(part_path)) status = CannotWrite(part_path);
  std::error_code error;
  if (status.ok()) std::filesystem::rename(part_path, path, error);
  if (status.ok() && error) status = CannotWrite(path);
  if (!status.ok()) {
    std::filesystem::remove(part_path, error);
    return status;
  }
  context.Print(request, absl::StrCat("wrote ", request.name(), " to ", path, ", ", byte_count, " bytes"));
  return absl::OkStatus();
}

absl::Status RunRestore(CommandContext& context, const std::string& path, const std::string& name) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(absl::StrCat("cannot read ", path));
  const auto next_part = [&]() -> absl::StatusOr<std::string> {
    std::string part(kPartBytes, '\0');
    file.read(part.data(), static_cast<std::streamsize>(part.size()));
    if (file.bad()) return absl::DataLossError(absl::StrCat("cannot read ", path));
    part.resize(static_cast<size_t>(file.gcount()));
    return part;
  };
  const absl::StatusOr<v1::Session> session = context.client().ImportSession(SessionId(name), next_part);
  if (!session.ok()) return session.status();
  context.Print(*session, absl::StrCat("restored ", session->name(), ", model version ", session->model_version()));
  return absl::OkStatus();
}

absl::Status RunRollback(CommandContext& context, const std::string& name, int64_t version) {
  v1::SetParametersRequest request;
  request.set_name(SessionName(name));
  request.set_from_model_version(version);
  const absl::StatusOr<v1::Parameters> parameters = context.client().SetParameters(request);
  if (!parameters.ok()) return parameters.status();
  context.Print(*parameters, absl::StrCat("rolled ", request.name(), " back to version ", version,
                                          ", which is now model version ", parameters->model_version()));
  return absl::OkStatus();
}

absl::Status RunPin(CommandContext& context, const std::string& name, int64_t version, bool remove) {
  v1::GetSessionRequest get;
  get.set_name(SessionName(name));
  absl::StatusOr<v1::Session> session = context.client().GetSession(get);
  if (!session.ok()) return session.status();
  v1::UpdateSessionRequest request;
  request.mutable_update_mask()->add_paths("pinned_model_versions");
  request.mutable_session()->set_name(session->name());
  auto& pinned = *request.mutable_session()->mutable_pinned_model_versions();
  pinned = session->pinned_model_versions();
  pinned.erase(std::remove(pinned.begin(), pinned.end(), version), pinned.end());
  if (!remove) pinned.Add(version);
  session = context.client().UpdateSession(request);
  if (!session.ok()) return session.status();
  context.Print(*session, absl::StrCat(remove ? "unpinned" : "pinned", " version ", version, " of ", session->name()));
  return absl::OkStatus();
}

struct BackupFlags {
  std::string name;
  std::string path;
  int64_t version = 0;
  bool remove = false;
};

}  // namespace

void AddBackupCommands(CLI::App& app, CommandContext& context) {
  const auto add = [&](const char* name, const char* help, auto run) {
    CLI::App* command = app.add_subcommand(name, help);
    const auto flags = std::make_shared<BackupFlags>();
    command->callback(
        [&context, flags, run] { context.command = [&context, flags, run] { return run(context, *flags); }; });
    return std::pair(command, flags);
  };
  const auto [backup, backup_flags] =
      add("backup", "Write a session to a file, while it trains",
          [](CommandContext& c, const BackupFlags& f) { return RunBackup(c, f.name, f.path); });
  backup->add_option("name", backup_flags->name, "The session")->required();
  backup->add_option("file", backup_flags->path, "The file; replaced if there is one")->required();
  const auto [restore, restore_flags] =
      add("restore", "Make a new session from a file that backup wrote",
          [](CommandContext& c, const BackupFlags& f) { return RunRestore(c, f.path, f.name); });
  restore->add_option("file", restore_flags->path, "The file")->required();
  restore->add_option("name", restore_flags->name, "The new session")->required();
  const auto [rollback, rollback_flags] =
      add("rollback", "Publish an earlier model version again",
          [](CommandContext& c, const BackupFlags& f) { return RunRollback(c, f.name, f.version); });
  rollback->add_option("name", rollback_flags->name, "The session")->required();
  rollback->add_option("version", rollback_flags->version, "The model version to go back to")
      ->required()
      ->check(WholeNumber());
  const auto [pin, pin_flags] =
      add("pin", "Keep a model version however old it becomes",
          [](CommandContext& c, const BackupFlags& f) { return RunPin(c, f.name, f.version, f.remove); });
  pin->add_option("name", pin_flags->name, "The session")->required();
  pin->add_option("version", pin_flags->version, "The model version")->required()->check(WholeNumber());
  pin->add_flag("--remove", pin_flags->remove, "Keep it no longer than others");
}

}  // namespace backprop::client
