// A session's file on its way to or from a caller, in the directory of the sessions.
#pragma once

#include <fstream>
#include <memory>
#include <string>

#include "server/sessions/session_store.h"

namespace backprop::server {

class DirectoryTransferFile final : public TransferFile {
 public:
  // `path` is free, and a leftover for DataDirectory::TakeUp should the process be killed.
  explicit DirectoryTransferFile(std::string path) : path_(std::move(path)) {}
  ~DirectoryTransferFile() override;

  const std::string& path() const override { return path_; }
  absl::Status Append(const std::string& bytes) override;
  absl::StatusOr<std::string> Read(size_t most) override;

 private:
  const std::string path_;
  std::ofstream out_;
  std::ifstream in_;
};

}  // namespace backprop::server
