#include "bench/write_roof.h"

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <random>
#include <vector>

#include "absl/strings/str_cat.h"

namespace backprop::bench {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

std::vector<char> RandomBytes(int64_t count) {
  std::vector<char> bytes(static_cast<size_t>(count));
  std::minstd_rand random(1);
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

bool WriteAll(int file, const std::vector<char>& bytes) {
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t n = write(file, bytes.data() + done, bytes.size() - done);
    if (n <= 0) return false;
    done += static_cast<size_t>(n);
  }
  return true;
}

}  // namespace

absl::StatusOr<double> MeasureWrites(const std::string& directory, int64_t group_bytes, double seconds,
                                     int64_t byte_limit) {
  const std::string path = absl::StrCat(directory, "/write_roof");
  const std::vector<char> group = RandomBytes(group_bytes);
  const int file = open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);
  if (file < 0) return absl::UnavailableError(absl::StrCat("cannot write ", path));
  int64_t written = 0;
  bool good = true;
  const Clock::time_point start = Clock::now();
  double elapsed = 0;
  while (good && elapsed < seconds && written < byte_limit) {
    good = WriteAll(file, group) && fsync(file) == 0;
    written += group_bytes;
    elapsed = SecondsSince(start);
  }
  close(file);
  unlink(path.c_str());
  if (!good) return absl::UnavailableError(absl::StrCat("cannot write ", path));
  return static_cast<double>(written) / elapsed;
}

void Settle(const std::string& directory) {
  const int descriptor = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;
  syncfs(descriptor);
  close(descriptor);
}

}  // namespace backprop::bench
