// Measures the core: `bench_core [--quick] [--json FILE]` prints a table.
#include <cstdio>
#include <string>

#include "bench/derivative_cost.h"
#include "bench/report.h"

int main(int argc, char** argv) {
  bool quick = false;
  std::string json;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--quick") {
      quick = true;
    } else if (flag == "--json" && i + 1 < argc) {
      json = argv[++i];
    } else {
      std::fprintf(stderr, "usage: %s [--quick] [--json FILE]\n", argv[0]);
      return 2;
    }
  }
  const auto rows = backprop::bench::DerivativeRows(quick);
  std::fputs(backprop::bench::Table(rows).c_str(), stdout);
  if (json.empty()) return 0;
  const absl::Status status = backprop::bench::WriteFile(json, backprop::bench::Json(rows));
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
