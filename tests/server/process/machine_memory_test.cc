#include "server/process/machine_memory.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace backprop::server {
namespace {

namespace fs = std::filesystem;

// A root directory that says what a kernel would.
class MachineMemoryTest : public testing::Test {
 protected:
  MachineMemoryTest() {
    root_ = testing::TempDir() + "machine-memory-XXXXXX";
    EXPECT_NE(mkdtemp(root_.data()), nullptr);
  }
  ~MachineMemoryTest() override { fs::remove_all(root_); }
  void Write(const std::string& path, const std::string& text) {
    fs::create_directories(fs::path(root_ + path).parent_path());
    std::ofstream(root_ + path) << text;
  }
  int64_t Bytes() const { return MachineMemoryBytes(root_); }

  const int64_t physical_ = int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGESIZE);
  std::string root_;
};

TEST_F(MachineMemoryTest, IsTheMachinesWithoutControlGroups) { EXPECT_EQ(Bytes(), physical_); }

TEST_F(MachineMemoryTest, IsTheMachinesWhereGroupsHaveNoLimit) {
  Write("/proc/self/cgroup", "0::/unit\n");
  Write("/sys/fs/cgroup/unit/memory.max", "max\n");
  EXPECT_EQ(Bytes(), physical_);
  Write("/sys/fs/cgroup/unit/memory.max", "9223372036854771712\n");
  EXPECT_EQ(Bytes(), physical_);
}

TEST_F(MachineMemoryTest, IsTheLimitOfAContainer) {
  Write("/proc/self/cgroup", "0::/\n");
  Write("/sys/fs/cgroup/memory.max", "1048576\n");
  EXPECT_EQ(Bytes(), 1048576);
}

TEST_F(MachineMemoryTest, IsTheLeastLimitOfAllGroupsAroundIt) {
  Write("/proc/self/cgroup", "0::/slice/unit/part\n");
  Write("/sys/fs/cgroup/slice/memory.max", "3000000\n");
  Write("/sys/fs/cgroup/slice/unit/memory.max", "2000000\n");
  Write("/sys/fs/cgroup/slice/unit/part/memory.max", "max\n");
  EXPECT_EQ(Bytes(), 2000000);
}

TEST_F(MachineMemoryTest, IsTheLimitOfGroupsOfVersionOne) {
  Write("/proc/self/cgroup", "5:cpu,cpuacct:/other\n4:memory:/docker/abc\n");
  Write("/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "5000000\n");
  EXPECT_EQ(Bytes(), 5000000);
  Write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "4000000\n");  // As a container of version 1 sees its own.
  EXPECT_EQ(Bytes(), 4000000);
}

TEST_F(MachineMemoryTest, LinesOfNoMeaningAreSkipped) {
  Write("/proc/self/cgroup", "\n:\nnonsense\n0::\n");
  EXPECT_EQ(Bytes(), physical_);
}

TEST(ResidentBytesTest, HasWhatIsTouchedUntilItIsGone) {
  constexpr size_t kBytes = 64 << 20;
  const int64_t before = ResidentBytes();
  void* const memory = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  std::memset(memory, 'x', kBytes);
  EXPECT_GT(ResidentBytes(), before + int64_t{kBytes} / 2);
  munmap(memory, kBytes);
  EXPECT_LT(ResidentBytes(), before + int64_t{kBytes} / 2);
}

TEST(WindowMinimumTest, IsKnownOnceAllAreSeen) {
  WindowMinimum minimum(3);
  for (const int64_t number : {7, 5}) EXPECT_EQ(minimum.Add(number), 0);
  EXPECT_EQ(minimum.Add(9), 5);
  for (const int64_t number : {8, 9}) EXPECT_EQ(minimum.Add(number), 0);  // Those before count no more.
  EXPECT_EQ(minimum.Add(8), 8);
  EXPECT_EQ(WindowMinimum(1).Add(-4), -4);
}

#ifdef BACKPROP_TCMALLOC
TEST(GiveFreedMemoryBackTest, WhatWasFreedIsKeptUntilItIsGivenBack) {
  constexpr int64_t kBytes = 64 << 20, kBlock = 1 << 20;
  const int64_t before = ResidentBytes();
  for (int round = 0; round < 3; ++round) {
    std::vector<std::string> blocks(kBytes / kBlock);
    for (std::string& block : blocks) block.assign(kBlock, 'x');
    blocks.clear();
    EXPECT_GT(ResidentBytes(), before + kBytes / 2);
    GiveFreedMemoryBack();
    EXPECT_LT(ResidentBytes(), before + kBytes / 2);
  }
}
#endif

}  // namespace
}  // namespace backprop::server
