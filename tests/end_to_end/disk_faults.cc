// Preloaded into a server: a disk that fails, or hangs, for one session and no other. Before the file of session NAME
// is synced, the file $DISK_FAULTS/NAME says what happens: `fail` is an error of the disk, `hang` never ends.
#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace {

// What is to happen to the file; empty: nothing.
std::string FaultOf(int file) {
  const char* const folder = std::getenv("DISK_FAULTS");
  if (folder == nullptr) return "";
  std::error_code none;
  const std::string name = std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(file), none).filename();
  const size_t end = name.find(".session");
  std::string fault;
  if (end != std::string::npos) std::ifstream(std::filesystem::path(folder) / name.substr(0, end)) >> fault;
  return fault;
}

int SyncUnlessFaulty(const char* call, int file) {
  const std::string fault = FaultOf(file);
  while (fault == "hang") pause();
  if (fault == "fail") {
    errno = EIO;
    return -1;
  }
  return reinterpret_cast<int (*)(int)>(dlsym(RTLD_NEXT, call))(file);
}

}  // namespace

extern "C" int fdatasync(int file) { return SyncUnlessFaulty("fdatasync", file); }
extern "C" int fsync(int file) { return SyncUnlessFaulty("fsync", file); }
