// What sessions stand on.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "server/scheduling/training_workers.h"
#include "server/sessions/memory_budget.h"
#include "server/sessions/model_versions.h"
#include "server/sessions/session_store.h"

namespace backprop::server {

// All outlive the sessions.
struct SessionEnvironment {
  SessionStore* store;
  TrainingWorkers* workers;
  MemoryBudget* budget;
  size_t kept_versions = kDefaultKeptVersions;
  std::chrono::milliseconds checkpoint_interval{1000};  // Between two checkpoints of a session, at least.
  // Called with how the store does for a session: at each opening, when a commit fails, when one works again, and with
  // NOT_FOUND when it is deleted. Thread-safe.
  std::function<void(const std::string& id, const absl::Status& status)> report_storage = nullptr;
};

}  // namespace backprop::server
