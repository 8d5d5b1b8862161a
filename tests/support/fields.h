// The fields that a status complains of.
#pragma once

#include <string>
#include <vector>

#include "core/error.h"

namespace backprop {

inline std::vector<std::string> FieldsOf(const absl::Status& status) {
  std::vector<std::string> fields;
  for (const Violation& violation : ViolationsOf(status)) fields.push_back(violation.field);
  return fields;
}

}  // namespace backprop
