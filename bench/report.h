// What a benchmark has measured: one table to read, one JSON file to compare.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace backprop::bench {

struct Row {
  std::string name;
  double value = 0;
  std::string unit;
  // Least value with which the row holds, or with at_most the largest. None: a roof or a rate that is only told.
  std::optional<double> goal = std::nullopt;
  bool at_most = false;
  // What the value was made of; in the table only.
  std::string note = {};

  [[nodiscard]] bool Holds() const { return !goal || (at_most ? value <= *goal : value >= *goal); }
};

// The middle one, or the mean of the two in the middle. `values` must not be empty.
double Median(std::vector<double> values);

// The rows that have a goal or a note, with their notes.
std::string Table(const std::vector<Row>& rows);

// Every row: a list of {name, value, goal, unit, holds}; goal and holds are null where there is no goal.
std::string Json(const std::vector<Row>& rows);

// Prints the table and writes the rows to the file `json_path`, or says why there are none. Returns the exit code.
int Report(const absl::StatusOr<std::vector<Row>>& rows, const std::string& json_path);

}  // namespace backprop::bench
