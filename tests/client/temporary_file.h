#pragma once

#include <string>

namespace backprop::client {

// A file that lives as long as this does.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& content, const std::string& ending = "");
  ~TemporaryFile();
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// `content` compressed as gzip does.
std::string Gzip(const std::string& content);

}  // namespace backprop::client
