// Numbers too small for their full precision, denormals, cost many processors a hundred times an ordinary operation.
// Weights that die away and saturated units make them; they count as 0 in training and in gradients.
#pragma once

#include <xmmintrin.h>

namespace backprop {

// While it lives, this thread's arithmetic takes and gives denormals as 0.
class DenormalsAreZero {
 public:
  DenormalsAreZero() : saved_(_mm_getcsr()) { _mm_setcsr(saved_ | kFlushToZero | kDenormalsAreZero); }
  ~DenormalsAreZero() { _mm_setcsr(saved_); }
  DenormalsAreZero(const DenormalsAreZero&) = delete;
  DenormalsAreZero& operator=(const DenormalsAreZero&) = delete;

 private:
  static constexpr unsigned kFlushToZero = 0x8000, kDenormalsAreZero = 0x0040;  // Of MXCSR; Intel's manual, vol. 1.

  const unsigned saved_;
};

}  // namespace backprop
