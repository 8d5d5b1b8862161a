#include "tests/client/temporary_file.h"

#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>

#include <cstdio>
#include <fstream>

namespace backprop::client {

TemporaryFile::TemporaryFile(const std::string& content, const std::string& ending)
    : path_(testing::TempDir() + "backprop-XXXXXX" + ending) {
  close(mkstemps(path_.data(), static_cast<int>(ending.size())));
  std::ofstream(path_, std::ios::binary) << content;
}

TemporaryFile::~TemporaryFile() { std::remove(path_.c_str()); }

std::string Gzip(const std::string& content) {
  const TemporaryFile file("");
  gzFile packed = gzopen(file.path().c_str(), "wb");
  gzwrite(packed, content.data(), static_cast<unsigned>(content.size()));
  gzclose(packed);
  std::ifstream stream(file.path(), std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

}  // namespace backprop::client
