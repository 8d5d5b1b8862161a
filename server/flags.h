// What backpropd is told on its command line.
#pragma once

#include <CLI/App.hpp>
#include <cstdint>
#include <string>

#include "server/services/rpc_server.h"
#include "server/services/service_context.h"
#include "server/sessions/session_registry.h"

namespace backprop::server {

struct Flags {
  RpcServerOptions rpc{.listen = "127.0.0.1:50051"};
  std::string data_dir;
  bool ephemeral = false;
  size_t kept_versions = kDefaultKeptVersions;
  double checkpoint_interval_s = 1;
  int training_workers = 0;
  int queue_limit = 256;
  SessionLimits sessions;
  int64_t memory_limit_mib = 0;
  int64_t message_memory_mib = 0;
  int max_streams = 192;
  int64_t work_limit_billions = kDefaultWorkLimit / 1'000'000'000;
  double idle_timeout_s = 600;
  double drain_timeout_s = 5;
};

// Adds them to `app`, with what they mean and take; those that are not given keep their values.
void AddFlags(CLI::App* app, Flags* flags);

}  // namespace backprop::server
