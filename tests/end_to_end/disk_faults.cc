// Preloaded into a server: a disk that fails, or hangs, for one session and no other. Before the file of session NAME
// is synced, $DISK_FAULTS/NAME is read, if it is there. With `fail` in it the sync fails; a pipe hangs until somebody
// has it open for writing.
#include <dlfcn.h>
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
  if (FaultOf(file) == "fail") {
    errno = EIO;
    return -1;
  }
  return reinterpret_cast<int (*)(int)>(dlsym(RTLD_NEXT, call))(file);
}

}  // namespace

extern "C" int fdatasync(int file) { return SyncUnlessFaulty("fdatasync", file); }
extern "C" int fsync(int file) { return SyncUnlessFaulty("fsync", file); }
