// What the system lets this process do, and its end.
#pragma once

#include <cstdint>

namespace backprop::server {

// Raises the limit of open files to the most that the process may have. Returns it: every connection takes one, every
// open session two.
int64_t RaiseFileLimit();

// Ends the process with exit code 0, without destructors, behind `message` on the standard error if that does not
// block.
[[noreturn]] void EndNow(const char* message);

}  // namespace backprop::server
