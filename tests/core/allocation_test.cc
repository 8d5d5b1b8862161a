// A batch after the first allocates nothing. Counted where all allocations meet: in malloc, which operator new and
// Eigen call, or under a sanitizer, which has its own, in its hook.
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "core/initial_parameters.h"
#include "core/trainer.h"
#include "gtest/gtest.h"
#include "tests/support/random_network.h"
#include "tests/support/scalar_conversion.h"
#include "tests/support/training_sets.h"

namespace {
std::atomic<int64_t> allocation_count = 0;
}  // namespace

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
// Of sanitizer/allocator_interface.h, which GCC does not bring.
extern "C" int __sanitizer_install_malloc_and_free_hooks(void (*malloc_hook)(const volatile void*, size_t),
                                                         void (*free_hook)(const volatile void*));
const int hooks_installed = __sanitizer_install_malloc_and_free_hooks(
    [](const volatile void*, size_t) { ++allocation_count; }, [](const volatile void*) {});
#else
extern "C" void* __libc_malloc(size_t size);
extern "C" void* malloc(size_t size) {
  ++allocation_count;
  return __libc_malloc(size);
}
#endif

namespace backprop {
namespace {

struct Case {
  const char* name;
  int batch_size;
  OptimizerOptions optimizer = GradientAscent{};
};

class AllocationTest : public testing::TestWithParam<Case> {};

INSTANTIATE_TEST_SUITE_P(EveryKindOfStep, AllocationTest,
                         testing::Values(Case{"Online", 1}, Case{"OnlineMomentum", 1, GradientAscent{.momentum = 0.9}},
                                         Case{"MiniBatch", 32}, Case{"SeveralSlices", 256, Adam{}},
                                         Case{"Rprop", 100, Rprop{}}),
                         [](const auto& info) { return info.param.name; });

TEST_P(AllocationTest, IsAtTheFirstBatchesOnly) {
  const NetworkSpec spec = MakeSpec({.input_unit_count = 100,
                                     .hidden_layers = {{.unit_count = 60}, {.unit_count = 30}},
                                     .output_unit_count = 10,
                                     .task = Task::kMultiwayClassification});
  const TrainingTask<float> task{
      .spec = spec,
      .scalings = {},
      .options = {.batch_size = GetParam().batch_size, .optimizer = GetParam().optimizer, .shuffle = true},
      .epoch_count = 2,
      .patterns = PatternSequence(Cast<float>(MakePatterns(spec, 1024 + 50, /*seed=*/1)))};
  Trainer<float> trainer(task, InitialParameters<float>(spec));
  const ParallelFor parallel_for = SequentialFor;
  const StopCheck stopped = NeverStop;
  using Outcome = Trainer<float>::Outcome;
  while (trainer.Step(parallel_for, stopped) != Outcome::kEpochDone) {
  }
  const int64_t before = allocation_count;
  int64_t steps = 1;
  for (; trainer.Step(parallel_for, stopped) == Outcome::kBatchDone; ++steps) {
  }
  EXPECT_EQ(allocation_count - before, 0);
  EXPECT_GE(steps, 5);
  // The count counts.
  const auto memory = std::make_unique<Vector<float>>(1000);
  EXPECT_GT(allocation_count, before);
}

}  // namespace
}  // namespace backprop
