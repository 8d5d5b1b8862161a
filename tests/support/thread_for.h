// A ParallelFor on real threads.
#pragma once

#include <atomic>
#include <functional>
#include <thread>
#include <vector>

#include "core/parallel_for.h"

namespace backprop {

// Each call starts `thread_count` threads, which take the next task as they get free: in no fixed order.
inline ParallelFor ThreadFor(int thread_count) {
  return [thread_count](int count, const std::function<void(int)>& task) {
    std::atomic<int> next = 0;
    std::vector<std::jthread> threads;
    for (int i = 0; i < thread_count; ++i) {
      threads.emplace_back([&] {
        for (int index = next++; index < count; index = next++) task(index);
      });
    }
  };
}

}  // namespace backprop
