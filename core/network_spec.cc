#include "core/network_spec.h"

#include <algorithm>
#include <limits>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/error.h"

namespace backprop {
namespace {

void CheckUnitCount(std::string field, int unit_count, int least, Violations* violations) {
  if (unit_count >= least && unit_count <= kMaxUnitsPerLayer) return;
  violations->Add(std::move(field),
                  absl::StrCat("must be from ", least, " to ", kMaxUnitsPerLayer, ", but is ", unit_count));
}

ParameterLayout LayoutOf(const NetworkSpec::Fields& fields) {
  ParameterLayout layout;
  int below = fields.input_unit_count;
  const auto add = [&](int unit_count) {
    const int64_t weights = int64_t{unit_count} * below;
    layout.layers.push_back({unit_count, below, layout.parameter_count, layout.parameter_count + weights});
    layout.parameter_count += weights + unit_count;
    below = unit_count;
  };
  for (const HiddenLayer& layer : fields.hidden_layers) add(layer.unit_count);
  add(fields.output_unit_count);
  return layout;
}

void CheckInitialWeights(const InitialWeights& initial, Precision precision, Violations* violations) {
  const std::string field = "initial_weights.range";
  const double largest = LargestOf(precision);
  if (!(initial.range >= 0 && initial.range <= largest)) {
    violations->Add(field, absl::StrCat("must be above 0 (0 means 0.5) and at most ", largest,
                                        " in the network's precision, but is ", initial.range));
  } else if (initial.range != 0 && initial.distribution != InitialDistribution::kUniform) {
    violations->Add(field, "is used by DISTRIBUTION_UNIFORM only; choose that distribution or leave range out");
  }
}

void CheckOutputNames(const NetworkSpec::Fields& fields, Violations* violations) {
  const auto& names = fields.output_names;
  if (names.empty()) return;
  const bool both_classes = fields.task == Task::kBinaryClassification && fields.output_unit_count == 1;
  if (names.size() != static_cast<size_t>(fields.output_unit_count) && !(both_classes && names.size() == 2)) {
    violations->Add("output_names",
                    absl::StrCat("must be empty or name each of the ", fields.output_unit_count, " output units",
                                 both_classes ? ", or both classes" : "", ", but has ", names.size(), " names"));
  }
  std::set<std::string> seen;
  for (size_t i = 0; i < names.size(); ++i) {
    const std::string field = absl::StrCat("output_names[", i, "]");
    if (names[i].empty() || names[i].size() > kMaxOutputNameBytes) {
      violations->Add(field, absl::StrCat("must have 1 to ", kMaxOutputNameBytes, " bytes, but has ", names[i].size()));
    } else if (!seen.insert(names[i]).second) {
      violations->Add(field, absl::StrCat("must be distinct, but `", names[i], "` is there already"));
    }
  }
}

}  // namespace

absl::StatusOr<NetworkSpec> NetworkSpec::Create(Fields fields) {
  Violations violations;
  CheckUnitCount("input_unit_count", fields.input_unit_count, 1, &violations);
  if (fields.hidden_layers.size() > kMaxHiddenLayers) {
    violations.Add("hidden_layers", absl::StrCat("must be at most ", kMaxHiddenLayers, " layers, but are ",
                                                 fields.hidden_layers.size()));
  }
  for (size_t i = 0; i < std::min<size_t>(fields.hidden_layers.size(), kMaxHiddenLayers); ++i) {
    CheckUnitCount(absl::StrCat("hidden_layers[", i, "].unit_count"), fields.hidden_layers[i].unit_count, 1,
                   &violations);
  }
  const int least_outputs = fields.task == Task::kMultiwayClassification ? 2 : 1;
  CheckUnitCount("output_unit_count", fields.output_unit_count, least_outputs, &violations);
  CheckInitialWeights(fields.initial_weights, fields.precision, &violations);
  CheckOutputNames(fields, &violations);
  if (violations.empty()) {
    const int64_t count = LayoutOf(fields).parameter_count;
    if (count > kMaxParameterCount) {
      violations.Add("hidden_layers", absl::StrCat("make a network of ", count, " parameters; the limit is ",
                                                   kMaxParameterCount, ": take fewer or smaller layers"));
    }
  }
  if (!violations.empty()) return violations.ToStatus();
  return NetworkSpec(std::move(fields));
}

NetworkSpec::NetworkSpec(Fields fields)
    : fields_(std::make_shared<const Fields>(std::move(fields))),
      layout_(std::make_shared<const ParameterLayout>(LayoutOf(*fields_))) {}

double LargestOf(Precision precision) {
  return precision == Precision::kFloat32 ? double{std::numeric_limits<float>::max()}
                                          : std::numeric_limits<double>::max();
}

int64_t NetworkSpec::total_unit_count() const {
  int64_t total = 0;
  for (int layer = 0; layer <= layer_count(); ++layer) total += unit_count(layer);
  return total;
}

}  // namespace backprop
