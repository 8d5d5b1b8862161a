// Training options, runs and reports of the wire from and to those of the domain.
#pragma once

#include <string>

#include "backprop/v1/training_options.pb.h"
#include "backprop/v1/training_run.pb.h"
#include "core/error.h"
#include "core/network_spec.h"
#include "core/training_options.h"
#include "server/sessions/training_run.h"

namespace backprop::server {

// Checked options; what is not given gets its default. Violations name fields below `field`.
TrainingOptions DecodeTrainingOptions(const v1::TrainingOptions& wire, const std::string& field,
                                      Violations* violations);
// The same for TrainOnline and ApplyGradient, which take less.
TrainingOptions DecodeOnlineOptions(const v1::TrainingOptions& wire, const std::string& field, Violations* violations);

v1::TrainingRun EncodeTrainingRun(const std::string& session_id, const NetworkSpec& spec, const TrainingRun& run);
v1::EpochReport EncodeEpochReport(const std::string& training_run_name, Task task, const EpochReport& report);

// True when DecodeReduction knows the value; UNSPECIFIED becomes `fallback`.
bool DecodeReduction(v1::Reduction wire, Reduction fallback, Reduction* reduction);

}  // namespace backprop::server
