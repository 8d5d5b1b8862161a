// The request that asks for a change of a session, and how it is answered.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "core/parallel_for.h"
#include "server/sessions/session_store.h"

namespace backprop::server {

// With an id the answer is kept with the change, and a request that comes again gets it in place of a second change.
// Functions may be null where nobody wants an answer.
struct ChangeRequest {
  std::string id;    // Empty: it will not come again.
  int64_t hash = 0;  // Of the request's fields.
  // Fills the answer from what the change makes of the session; called before the change is kept.
  std::function<void(const SessionState& after)> respond = nullptr;
  // The filled answer as bytes.
  std::function<std::string()> serialize = nullptr;
  // Fills the answer from such bytes.
  std::function<void(const std::string&)> recall = nullptr;
  // True when nobody waits for the answer any longer.
  StopCheck given_up = NeverStop;
};

}  // namespace backprop::server
