// A server's sessions on a durable store, in one life after another.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>

#include "server/storage/sqlite_store.h"
#include "tests/server/sessions/session_world.h"
#include "tests/server/storage/workload.h"

namespace backprop::server {

inline constexpr TrainingOptions kMomentum{
    .batch_size = 2, .step_size = 0.05, .optimizer = GradientAscent{.momentum = 0.9}};

// A store in a directory of its own, and one life of a server after another on it.
class SessionReopenTest : public testing::Test {
 protected:
  ~SessionReopenTest() override { End(); }

  void End() {
    world_.reset();
    store_.reset();
  }
  // Ends the server, and starts it again.
  World& Restart(WorldOptions options = {}) {
    End();
    store_ = SqliteStore::OpenDirectory(directory_.path(), {.vfs = vfs_}).value();
    options.store = store_.get();
    world_.emplace(options);
    return *world_;
  }

  TemporaryDirectory directory_;
  std::string vfs_;
  std::unique_ptr<SqliteStore> store_;
  std::optional<World> world_;
  const Patterns<double> patterns_ = SmallPatterns(20);
};

}  // namespace backprop::server
