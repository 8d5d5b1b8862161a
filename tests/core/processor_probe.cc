// Trains a little, and prints which build of the core the dynamic loader took and what came of it:
// for processor_test.py.
#include <dlfcn.h>

#include <cstdio>

#include "core/initial_parameters.h"
#include "core/trainer.h"
#include "tests/support/random_network.h"
#include "tests/support/run_trainer.h"
#include "tests/support/scalar_conversion.h"
#include "tests/support/training_sets.h"

int main() {
  using namespace backprop;
  Dl_info info{};
  // Any function of the library.
  dladdr(reinterpret_cast<void*>(&DefaultStepSize), &info);
  std::printf("%s\n", info.dli_fname);
  for (const int batch_size : {1, 8, 64}) {
    const NetworkSpec spec = MakeSpec({.input_unit_count = 50,
                                       .hidden_layers = {{.unit_count = 40}, {20, Activation::kTanh}},
                                       .output_unit_count = 6,
                                       .task = Task::kMultiwayClassification});
    const TrainingTask<float> task{.spec = spec,
                                   .scalings = {},
                                   .options = {.batch_size = batch_size, .shuffle = true},
                                   .epoch_count = 2,
                                   .patterns = PatternSequence(Cast<float>(MakePatterns(spec, 500, /*seed=*/1)))};
    const auto run = RunToEnd(task, InitialParameters<float>(spec));
    for (const float x : run.parameters.back().flat()) std::printf("%.9g\n", double{x});
  }
}
