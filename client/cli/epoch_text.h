#pragma once

#include <cstdint>
#include <string>

#include "backprop/v1/training_run.pb.h"

namespace backprop::client {

// One epoch's measures in a line without a line end, for instance `epoch 3/10  log likelihood -0.0512  accuracy 0.9871
// validation log likelihood -0.0734  validation accuracy 0.9782  61234 patterns/s`. Log likelihoods are means over the
// patterns.
[[nodiscard]] std::string EpochText(const v1::EpochReport& report, int64_t epoch_count);

// The same with the time remaining, behind a bar of the epochs done, for instance `[######..............] epoch 3/10
// ETA 1m15s  log likelihood -0.0512 val -0.0734  accuracy 0.9871 val 0.9782  61234 patterns/s`, in at most `width`
// characters: where they are few the words become shorter, then measures are left out, but no number is cut.
[[nodiscard]] std::string EpochBar(const v1::EpochReport& report, int64_t epoch_count, int width);

// How a run ended: `NAME succeeded after 10 epochs, model version 10`, or which epoch's parameters it restored.
[[nodiscard]] std::string EndText(const v1::TrainingRun& run);

// The state in lower case: `running`, `succeeded`.
[[nodiscard]] std::string StateText(v1::TrainingRun::State state);

}  // namespace backprop::client
