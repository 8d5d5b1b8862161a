#include "server/process/machine_memory.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#ifdef BACKPROP_TCMALLOC
#include <gperftools/malloc_extension.h>
#endif

namespace backprop::server {
namespace {

namespace fs = std::filesystem;

// The number in a file of a limit; `none` where there is no such file or no number, but `max`.
int64_t LimitIn(const fs::path& file, int64_t none) {
  std::ifstream in(file);
  int64_t limit = 0;
  return in >> limit && limit > 0 ? limit : none;
}

// The least limit of the group `path` and of those that it is in; `path` is below the mount, which is the root of all.
int64_t LeastLimit(const fs::path& mount, const fs::path& path, const char* file, int64_t most) {
  int64_t least = LimitIn(mount / file, most);
  fs::path group = mount;
  for (const fs::path& part : path.relative_path()) {
    group /= part;
    least = std::min(least, LimitIn(group / file, most));
  }
  return least;
}

}  // namespace

int64_t MachineMemoryBytes(const std::string& root) {
  int64_t least = int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGESIZE);
  const fs::path mount(root + "/sys/fs/cgroup");
  least = std::min(least, LeastLimit(mount, "", "memory.max", least));
  least = std::min(least, LeastLimit(mount / "memory", "", "memory.limit_in_bytes", least));
  // Lines of number:controllers:path; `0::` is the one group of version 2. In a container the paths may be those of the
  // host, which are not there, and the limit stands at the mount.
  std::ifstream groups(root + "/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1), path = line.substr(second + 1);
    if (controllers.empty()) least = std::min(least, LeastLimit(mount, path, "memory.max", least));
    if (("," + controllers + ",").find(",memory,") != std::string::npos) {
      least = std::min(least, LeastLimit(mount / "memory", path, "memory.limit_in_bytes", least));
    }
  }
  return least;
}

int64_t ResidentBytes() {
  std::ifstream statm("/proc/self/statm");
  int64_t all = 0, resident = 0;
  statm >> all >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

void GiveFreedMemoryBack() {
#ifdef BACKPROP_TCMALLOC
  // All: asked for a part, it gives back whole runs of pages, and counts what was too much for the next time.
  MallocExtension::instance()->ReleaseFreeMemory();
#endif
}

int64_t WindowMinimum::Add(int64_t number) {
  least_ = seen_ == 0 ? number : std::min(least_, number);
  if (++seen_ < count_) return 0;
  seen_ = 0;
  return least_;
}

}  // namespace backprop::server
