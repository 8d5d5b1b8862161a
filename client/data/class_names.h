#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backprop/v1/network.pb.h"

namespace backprop::client {

// The names of a network's classes, or none: its output_names where they name classes (multiway; binary with one output
// unit and two names).
[[nodiscard]] std::vector<std::string> ClassNamesOf(const v1::NetworkSpec& network);

// The number of classes that one column can tell apart: the output units, 2 for binary with one output unit.
[[nodiscard]] int32_t ClassCountOf(const v1::NetworkSpec& network);

// From the values of a class column to class indices.
class ClassIndices {
 public:
  // Values are indices from 0 to class_count - 1.
  explicit ClassIndices(int32_t class_count) : class_count_(class_count) {}
  // Values are names; the index is the place in `names`.
  explicit ClassIndices(std::vector<std::string> names);

  // INVALID_ARGUMENT naming the value and what is known.
  [[nodiscard]] absl::StatusOr<int32_t> IndexOf(const std::string& value) const;

  // Empty when values are indices.
  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }

 private:
  int32_t class_count_;
  std::vector<std::string> names_;
  std::unordered_map<std::string, int32_t> index_of_;
};

// Looks at every value of a class column of which no names are known.
class ClassScan {
 public:
  explicit ClassScan(int32_t class_count) : class_count_(class_count) {}

  void Add(const std::string& value);

  // Indices when every value was an integer from 0 to class_count - 1, otherwise the sorted distinct values as names.
  // INVALID_ARGUMENT unless there are class_count of them.
  [[nodiscard]] absl::StatusOr<ClassIndices> Finish() const;

 private:
  int32_t class_count_;
  bool all_indices_ = true;
  // At most one more than the classes.
  std::set<std::string> values_;
};

}  // namespace backprop::client
