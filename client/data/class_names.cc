#include "client/data/class_names.h"

#include <google/protobuf/wrappers.pb.h>

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace backprop::client {
namespace {

// More names than this are not read by anyone.
constexpr int kNamesInMessage = 20;

template <typename Names>
std::string Listed(const Names& names) {
  std::string list;
  int count = 0;
  for (const std::string& name : names) {
    if (count == kNamesInMessage) return absl::StrCat(list, ", ...");
    absl::StrAppend(&list, count++ == 0 ? "" : ", ", name);
  }
  return list;
}

bool IsBinaryWithOneOutput(const v1::NetworkSpec& network) {
  return network.task() == v1::TASK_BINARY_CLASSIFICATION && network.output_unit_count() == 1;
}

bool IsIndex(const std::string& value, int32_t class_count, int32_t* index) {
  return absl::SimpleAtoi(value, index) && *index >= 0 && *index < class_count;
}

// Protobuf's strings are.
bool IsUtf8(const std::string& text) {
  google::protobuf::StringValue value;
  value.set_value(text);
  return google::protobuf::StringValue().ParseFromString(value.SerializeAsString());
}

// Sorted: by value where all are whole numbers, else as text.
std::vector<std::string> InOrder(const std::set<std::string>& values) {
  std::vector<std::string> names(values.begin(), values.end());
  const auto number_of = [](const std::string& name) {
    int64_t number = 0;
    return absl::SimpleAtoi(name, &number) ? std::optional(number) : std::nullopt;
  };
  if (std::ranges::all_of(names, [&](const auto& name) { return number_of(name).has_value(); })) {
    std::ranges::stable_sort(names, {}, [&](const auto& name) { return *number_of(name); });
  }
  return names;
}

}  // namespace

int32_t ClassCountOf(const v1::NetworkSpec& network) {
  return IsBinaryWithOneOutput(network) ? 2 : network.output_unit_count();
}

std::vector<std::string> ClassNamesOf(const v1::NetworkSpec& network) {
  const bool names_classes = network.task() == v1::TASK_MULTIWAY_CLASSIFICATION || IsBinaryWithOneOutput(network);
  if (!names_classes || network.output_names_size() != ClassCountOf(network)) return {};
  return {network.output_names().begin(), network.output_names().end()};
}

ClassIndices::ClassIndices(std::vector<std::string> names)
    : class_count_(static_cast<int32_t>(names.size())), names_(std::move(names)) {
  for (int32_t index = 0; index < class_count_; ++index) index_of_.emplace(names_[static_cast<size_t>(index)], index);
}

absl::StatusOr<int32_t> ClassIndices::IndexOf(const std::string& value) const {
  int32_t index = 0;
  if (names_.empty()) {
    if (IsIndex(value, class_count_, &index)) return index;
    return absl::InvalidArgumentError(absl::StrCat("\"", value, "\" is no class; classes are 0 to ", class_count_ - 1,
                                                   ", or those that `create --names` gives"));
  }
  if (const auto found = index_of_.find(value); found != index_of_.end()) return found->second;
  return absl::InvalidArgumentError(absl::StrCat("unknown class \"", value, "\"; known are ", Listed(names_)));
}

void ClassScan::Add(const std::string& value) {
  int32_t index = 0;
  all_indices_ = all_indices_ && IsIndex(value, class_count_, &index);
  if (values_.size() <= static_cast<size_t>(class_count_)) values_.insert(value);
}

absl::StatusOr<ClassIndices> ClassScan::Finish() const {
  for (const std::string& value : values_) {
    if (!IsUtf8(value)) {
      return absl::InvalidArgumentError(
          absl::StrCat("a value is not UTF-8, ", absl::CHexEscape(value), "; convert the file, as by iconv -t UTF-8"));
    }
  }
  if (all_indices_) return ClassIndices(class_count_);
  const auto class_count = static_cast<size_t>(class_count_);
  if (values_.size() == class_count) return ClassIndices(InOrder(values_));
  const bool more = values_.size() > class_count;
  return absl::InvalidArgumentError(absl::StrCat(
      more ? "more than " : "only ", more ? class_count : values_.size(), " distinct values (", Listed(values_),
      ") for ", class_count, " classes", more ? "" : "; name all of them by `create --names` when a file lacks some"));
}

}  // namespace backprop::client
