// What the core needs of threads and of cancellation: two callables that its caller hands it.
#pragma once

#include <functional>

namespace backprop {

// Calls task(0) .. task(count - 1), in any order and on any threads, and returns when all have returned.
using ParallelFor = std::function<void(int count, const std::function<void(int)>& task)>;

// True when the caller no longer wants the result; asked between chunks of patterns, from any thread.
using StopCheck = std::function<bool()>;

inline void SequentialFor(int count, const std::function<void(int)>& task) {
  for (int i = 0; i < count; ++i) task(i);
}

inline bool NeverStop() { return false; }

}  // namespace backprop
