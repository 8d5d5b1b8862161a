// What the machine can do at most: the roofs that rates are divided by.
#pragma once

#include <cstdint>
#include <vector>

#include "bench/report.h"

namespace backprop::bench {

// Floating point operations a second of one core at register-only fused multiply-adds, two each, on the widest vectors
// that core/ is built for: AVX-512 or AVX2 where the processor has it, else SSE2 multiplications and additions. Takes
// about 10 ms. Scalar is float or double.
template <typename Scalar>
double FlopRoof();

// Bytes a second of a[i] = b[i] + s * c[i], as STREAM counts them (McCalpin, 1995), over three arrays of `bytes` in
// all.
double TriadRate(int64_t bytes);

// Rows without goals: the flop roofs, and the triad in a half of every cache level and beyond them.
std::vector<Row> RoofRows();

}  // namespace backprop::bench
