// Sessions and all that they stand on.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "gtest/gtest.h"
#include "server/sessions/session_registry.h"
#include "server/storage/ephemeral_store.h"
#include "tests/support/random_network.h"

namespace backprop::server {

// From behind `after` on, at most `limit` of those that `matches`.
inline std::vector<SessionState> ListSessions(
    SessionRegistry& registry, const std::string& after = "", size_t limit = 1000,
    const std::function<bool(const SessionState&)>& matches = [](const SessionState&) { return true; }) {
  std::vector<SessionState> list;
  registry.Visit(after, [&](const std::string&, const absl::StatusOr<SessionState>& state) {
    if (state.ok() && matches(*state)) list.push_back(*state);
    return list.size() < limit;
  });
  return list;
}

struct WorldOptions {
  int worker_count = 2;
  int queue_limit = 64;
  size_t max_sessions = 100;
  int64_t memory_bytes = int64_t{1} << 30;
  SessionStore* store = nullptr;  // None: an EphemeralStore.
  size_t max_open_sessions = 100;
  std::chrono::milliseconds checkpoint_interval{1000};
};

struct World {
  explicit World(const WorldOptions& options = {})
      : budget(options.memory_bytes),
        workers({.worker_count = options.worker_count, .queue_limit = options.queue_limit}),
        registry({.store = options.store != nullptr ? options.store : &ephemeral,
                  .workers = &workers,
                  .budget = &budget,
                  .checkpoint_interval = options.checkpoint_interval},
                 {.max_sessions = options.max_sessions, .max_open_sessions = options.max_open_sessions}) {
    budget.SetReclaim([this] { return registry.CloseIdle(); });
    EXPECT_TRUE(registry.Load().ok());
  }
  // Workers end before the sessions and the budget that they use.
  ~World() { workers.Shutdown(); }

  EphemeralStore ephemeral;
  MemoryBudget budget;
  TrainingWorkers workers;
  SessionRegistry registry;

  // A session of doubles.
  absl::StatusOr<std::shared_ptr<Session<double>>> TryCreate(const std::string& id, const NetworkSpec& spec) {
    const absl::StatusOr<AnySession> session = registry.Create<double>({.id = id, .spec = spec}, {}, std::nullopt);
    if (!session.ok()) return session.status();
    return std::get<std::shared_ptr<Session<double>>>(*session);
  }
  std::shared_ptr<Session<double>> Create(const std::string& id, const NetworkSpec& spec) {
    return TryCreate(id, spec).value();
  }
  std::shared_ptr<Session<double>> Get(const std::string& id) {
    return std::get<std::shared_ptr<Session<double>>>(registry.Find(id).value());
  }
};

// 2-3-1, regression, in doubles.
inline NetworkSpec SmallSpec(int64_t seed = 1) {
  return MakeSpec({.input_unit_count = 2,
                   .hidden_layers = {{3, Activation::kTanh}},
                   .output_unit_count = 1,
                   .task = Task::kRegression,
                   .precision = Precision::kFloat64,
                   .initial_weights = {.seed = seed}});
}

inline Patterns<double> SmallPatterns(int64_t count, int64_t seed = 1) {
  return MakePatterns(SmallSpec(), count, seed);
}

// A request to train on set `s`.
inline TrainingRunRequest Epochs(int64_t epoch_count, TrainingOptions options = {}) {
  return {.pattern_set = "s", .validation_pattern_set = "", .options = std::move(options), .epoch_count = epoch_count};
}

inline constexpr int64_t kEndless = kMaxEpochCount;  // More epochs than a test waits for.

inline absl::Status CancelledByTest() { return absl::CancelledError("by the test"); }

}  // namespace backprop::server
