#include "server/sessions/session_description.h"

#include "absl/strings/str_cat.h"
#include "core/error.h"

namespace backprop::server {

int64_t BytesOf(const SessionDescription& description) {
  size_t bytes = 0;
  for (const auto& [key, value] : description.labels) bytes += sizeof(Labels::value_type) + key.size() + value.size();
  for (const std::string& name : description.spec.fields().output_names) bytes += sizeof(name) + name.size();
  return static_cast<int64_t>(bytes);
}

absl::Status Validate(const Labels& labels) {
  Violations violations;
  if (labels.size() > kMaxLabels) {
    violations.Add("labels", absl::StrCat("must be at most ", kMaxLabels, ", but are ", labels.size()));
  }
  for (const auto& [key, value] : labels) {
    const std::string field = absl::StrCat("labels[", key.substr(0, kMaxLabelKeyBytes), "]");
    if (key.empty() || key.size() > kMaxLabelKeyBytes) {
      violations.Add(field, absl::StrCat("must have a key of 1 to ", kMaxLabelKeyBytes, " bytes"));
    }
    if (value.size() > kMaxLabelValueBytes) {
      violations.Add(field, absl::StrCat("must have at most ", kMaxLabelValueBytes, " bytes"));
    }
  }
  return violations.ToStatus();
}

}  // namespace backprop::server
