#include "bench/report.h"

#include <algorithm>
#include <cstdio>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace backprop::bench {
namespace {

absl::Status WriteFile(const std::string& path, const std::string& text) {
  std::ofstream file(path);
  file << text << std::flush;
  return file ? absl::OkStatus() : absl::UnavailableError(absl::StrCat("cannot write ", path));
}

}  // namespace

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

std::string Table(const std::vector<Row>& rows) {
  std::string table = "| row | value | goal | holds | medians |\n|---|---|---|---|---|\n";
  for (const Row& row : rows) {
    if (!row.goal && row.note.empty()) continue;
    const std::string goal = row.goal ? absl::StrFormat("%s%.2f", row.at_most ? "at most " : "", *row.goal) : "report";
    absl::StrAppendFormat(&table, "| %s | %.3f | %s | %s | %s |\n", row.name, row.value, goal,
                          !row.goal     ? ""
                          : row.Holds() ? "yes"
                                        : "no",
                          row.note);
  }
  return table;
}

std::string Json(const std::vector<Row>& rows) {
  std::string json = "[";
  for (const Row& row : rows) {
    // Names and units are ours: nothing in them needs an escape.
    absl::StrAppendFormat(
        &json, "%s\n  {\"name\": \"%s\", \"value\": %.6g, \"goal\": %s, \"unit\": \"%s\", \"holds\": %s}",
        json.size() > 1 ? "," : "", row.name, row.value, row.goal ? absl::StrCat(*row.goal) : "null", row.unit,
        !row.goal     ? "null"
        : row.Holds() ? "true"
                      : "false");
  }
  return json + "\n]\n";
}

int Report(const absl::StatusOr<std::vector<Row>>& rows, const std::string& json_path) {
  absl::Status status = rows.status();
  if (rows.ok()) {
    std::fputs(Table(*rows).c_str(), stdout);
    status = WriteFile(json_path, Json(*rows));
  }
  if (!status.ok()) std::fprintf(stderr, "cannot measure: %s\n", std::string(status.message()).c_str());
  return status.ok() ? 0 : 1;
}

}  // namespace backprop::bench
