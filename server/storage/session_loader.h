// What a session's file says, checked.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "server/sessions/memory_budget.h"
#include "server/sessions/session_store.h"
#include "server/storage/record_file.h"

namespace backprop::server {

// These throw as RecordFile does, DATA_LOSS for what is not what was stored, or was not stored by us: what they return
// can be used without another check.

SessionDescription LoadDescription(RecordFile* file, const std::string& id);

// The memory that LoadSession needs, of a budget if there is one. Throws RESOURCE_EXHAUSTED, reason MEMORY_LIMIT.
std::optional<MemoryCharge> ChargeForLoad(RecordFile* file, MemoryBudget* budget);

// All but the patterns, of a session of that description.
template <typename Scalar>
KeptSession<Scalar> LoadSession(RecordFile* file, const SessionDescription& description);

// The patterns of all sets, each set's in order. `visit` stops by throwing.
template <typename Scalar>
void LoadPatterns(RecordFile* file, const NetworkSpec& spec,
                  const std::function<void(int64_t pattern_set_key, const Patterns<Scalar>& patterns)>& visit);

SessionState LoadState(RecordFile* file, const std::string& id);

}  // namespace backprop::server
