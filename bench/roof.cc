#include "bench/roof.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "bench/stopwatch.h"

namespace backprop::bench {
namespace {

// Independent sums: as many as keep two pipelines of four cycles busy, and as fit into 16 registers.
constexpr int kSums = 12;
constexpr int64_t kRounds = 200'000;

template <typename Scalar, int bytes>
struct Simd {
  typedef Scalar Vector __attribute__((vector_size(bytes)));
};

// Always inlined into a function that has the instructions.
template <typename Vector>
__attribute__((always_inline)) inline double FlopRate() {
  Vector sums[kSums] = {}, factor = Vector{} + 1, term = Vector{} + 1e-9F;
  // The empty assembler statements keep the compiler from computing any of it in advance.
  asm volatile("" : "+v"(factor), "+v"(term));
  const Stopwatch watch;
  for (int64_t round = 0; round < kRounds; ++round) {
#pragma GCC unroll 12
    for (Vector& sum : sums) {
      sum = sum * factor + term;
      asm volatile("" : "+v"(sum));
    }
  }
  const int64_t lanes = sizeof(Vector) / sizeof(sums[0][0]);
  return static_cast<double>(kRounds * kSums * lanes * 2) / watch.seconds();
}

template <typename Scalar>
__attribute__((target("avx2,fma"))) double FlopRateOfAvx2() {
  return FlopRate<typename Simd<Scalar, 32>::Vector>();
}

template <typename Scalar>
__attribute__((target("avx512f,prefer-vector-width=512"))) double FlopRateOfAvx512() {
  return FlopRate<typename Simd<Scalar, 64>::Vector>();
}

template <typename Scalar>
double FlopRateOfSse2() {
  return FlopRate<typename Simd<Scalar, 16>::Vector>();
}

}  // namespace

template <typename Scalar>
double FlopRoof() {
  // As the dynamic loader chooses among the builds of core/.
  const auto rate = __builtin_cpu_supports("x86-64-v4")   ? FlopRateOfAvx512<Scalar>
                    : __builtin_cpu_supports("x86-64-v3") ? FlopRateOfAvx2<Scalar>
                                                          : FlopRateOfSse2<Scalar>;
  double best = 0;
  for (int i = 0; i < 5; ++i) best = std::max(best, rate());
  return best;
}

template double FlopRoof<float>();
template double FlopRoof<double>();

double TriadRate(int64_t bytes) {
  const size_t count = static_cast<size_t>(bytes) / 3 / sizeof(double);
  std::vector<double> a(count), b(count, 1), c(count, 2);
  const int64_t rounds = std::max<int64_t>((int64_t{64} << 20) / bytes, 1);
  double best = 0;
  for (int i = 0; i < 7; ++i) {
    const Stopwatch watch;
    for (int64_t round = 0; round < rounds; ++round) {
      for (size_t j = 0; j < count; ++j) a[j] = b[j] + 1.5 * c[j];
      asm volatile("" : : "r"(a.data()) : "memory");
    }
    best = std::max(best, static_cast<double>(rounds * bytes) / watch.seconds());
  }
  return best;
}

std::vector<Row> RoofRows() {
  std::vector<Row> rows = {{.name = "roof, f32, one core", .value = FlopRoof<float>() / 1e9, .unit = "GFLOP/s"},
                           {.name = "roof, f64, one core", .value = FlopRoof<double>() / 1e9, .unit = "GFLOP/s"}};
  const std::pair<const char*, int> levels[] = {
      {"L1", _SC_LEVEL1_DCACHE_SIZE}, {"L2", _SC_LEVEL2_CACHE_SIZE}, {"L3", _SC_LEVEL3_CACHE_SIZE}};
  int64_t beyond = 256 << 20;
  for (const auto& [name, key] : levels) {
    const int64_t size = sysconf(key);
    if (size <= 0) continue;
    rows.push_back({.name = absl::StrCat("triad, half of ", name), .value = TriadRate(size / 2) / 1e9, .unit = "GB/s"});
    beyond = std::max(beyond, 4 * size);
  }
  rows.push_back({.name = "triad, memory", .value = TriadRate(beyond) / 1e9, .unit = "GB/s"});
  return rows;
}

}  // namespace backprop::bench
