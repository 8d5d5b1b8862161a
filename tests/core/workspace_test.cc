// Computations large enough for several threads: their bits and their bytes.
#include <malloc.h>

#include <algorithm>
#include <utility>

#include "core/initial_parameters.h"
#include "core/trainer.h"
#include "gtest/gtest.h"
#include "tests/support/random_network.h"
#include "tests/support/run_trainer.h"
#include "tests/support/scalar_conversion.h"
#include "tests/support/thread_for.h"
#include "tests/support/training_sets.h"

namespace backprop {
namespace {

class LargeTrainerTest : public testing::Test {
 protected:
  const NetworkSpec spec_ = MakeSpec({.input_unit_count = 100,
                                      .hidden_layers = {{.unit_count = 60}},
                                      .output_unit_count = 10,
                                      .task = Task::kMultiwayClassification});
  const PatternSequence<float> patterns_ = PatternSequence(Cast<float>(MakePatterns(spec_, 5000, /*seed=*/1)));
  const TrainingTask<float> task_{.spec = spec_,
                                  .scalings = {},
                                  .options = {.batch_size = 3000,
                                              .optimizer = Adam{},
                                              .shuffle = true,
                                              .early_stopping = EarlyStopping{.restore_best = true}},
                                  .epoch_count = 2,
                                  .patterns = patterns_,
                                  .validation = patterns_};
  const Parameters<float> parameters_ = InitialParameters<float>(spec_);
};

TEST_F(LargeTrainerTest, GivesTheSameBitsWithAnyNumberOfThreads) {
  int most_tasks = 0;
  const auto run = RunToEnd(task_, parameters_, [&](int count, const std::function<void(int)>& task) {
    most_tasks = std::max(most_tasks, count);
    SequentialFor(count, task);
  });
  EXPECT_GT(most_tasks, 4);
  for (const int threads : {2, 3, 7}) {
    const auto threaded = RunToEnd(task_, parameters_, ThreadFor(threads));
    EXPECT_EQ(threaded.parameters, run.parameters);
    EXPECT_EQ(threaded.epochs.back().validation->log_likelihood, run.epochs.back().validation->log_likelihood);
  }
}

// Pointers, sizes and the allocator's own: some hundred bytes for each of up to 16 shards.
constexpr int64_t kBookkeepingBytes = 16 * 1024;

int64_t AllocatedBytes() {
  const struct mallinfo2 info = mallinfo2();
  return static_cast<int64_t>(info.uordblks + info.hblkhd);
}

// `promised` is no less than was taken since `before`, and no more than `slack` times that: truthful, not only safe.
void ExpectTruth(int64_t promised, int64_t before, [[maybe_unused]] int64_t slack) {
  const int64_t taken = AllocatedBytes() - before;
  EXPECT_LE(taken, promised);
  // Sanitizers bring an allocator of their own, of which this one sees nothing.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  EXPECT_GE(slack * taken, promised);
#endif
}

TEST_F(LargeTrainerTest, TakesNoMoreThanItSays) {
  TrainingTask<float> task = task_;
  const int64_t before = AllocatedBytes();
  Trainer<float> trainer(std::move(task), parameters_);
  RunToEnd(&trainer);
  // For a validation set of any size: 16 shards, where this one has 8, and the batch's workspace is counted beside.
  ExpectTruth(Trainer<float>::WorkspaceBytes(spec_, task_.options, patterns_.count()), before, /*slack=*/4);
}

TEST_F(LargeTrainerTest, TakesNoMoreThanItSaysOnWholeSets) {
  for (const OptimizerOptions& optimizer : {OptimizerOptions(Lbfgs{.history_size = 3}), OptimizerOptions(NewtonCg{})}) {
    TrainingTask<float> task = task_;
    task.options = {.step_size = 1, .optimizer = optimizer};
    task.epoch_count = 5;  // L-BFGS' history is full.
    task.validation.reset();
    const TrainingOptions options = task.options;
    const int64_t before = AllocatedBytes();
    Trainer<float> trainer(std::move(task), parameters_);
    while (!trainer.finished()) trainer.Step(SequentialFor, NeverStop);
    // A validation set of any size is in the promise.
    ExpectTruth(Trainer<float>::WorkspaceBytes(spec_, options, patterns_.count()), before, /*slack=*/4);
  }
}

TEST(BatchWorkspaceTest, TakesNoMoreThanItSaysWithAndWithoutGradient) {
  const NetworkSpec spec =
      MakeSpec({.input_unit_count = 300, .hidden_layers = {{.unit_count = 300}}, .output_unit_count = 1});
  const Parameters<float> parameters = InitialParameters<float>(spec);
  const Patterns<float> patterns = Cast<float>(MakePatterns(spec, 2000, /*seed=*/1));
  for (const Ways ways : {Ways::kForward, Ways::kBoth}) {
    const BatchRequest<float> request{
        .pattern_count = patterns.count(), .source = SourceOf(patterns), .gradient = ways == Ways::kBoth};
    const int64_t before = AllocatedBytes();
    BatchComputation<float> computation(spec, {});
    EXPECT_TRUE(computation.Run(parameters, request, SequentialFor, NeverStop));
    ExpectTruth(BatchComputation<float>::WorkspaceBytes(spec, patterns.count(), ways) + kBookkeepingBytes, before,
                /*slack=*/2);
  }
}

}  // namespace
}  // namespace backprop
