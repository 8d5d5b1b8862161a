#include "server/services/session_codec.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "server/sessions/resource_name.h"

namespace backprop::server {
namespace {

// An enum value this server does not know: too new a client, or a mistake.
constexpr char kUnknownValue[] = "has a value that this server does not know";

std::optional<Task> DecodeTask(v1::Task task) {
  switch (task) {
    case v1::TASK_REGRESSION:
      return Task::kRegression;
    case v1::TASK_BINARY_CLASSIFICATION:
      return Task::kBinaryClassification;
    case v1::TASK_MULTIWAY_CLASSIFICATION:
      return Task::kMultiwayClassification;
    default:
      return std::nullopt;
  }
}

std::optional<Activation> DecodeActivation(v1::Activation activation) {
  switch (activation) {
    case v1::ACTIVATION_UNSPECIFIED:
    case v1::ACTIVATION_LOGISTIC:
      return Activation::kLogistic;
    case v1::ACTIVATION_TANH:
      return Activation::kTanh;
    case v1::ACTIVATION_RELU:
      return Activation::kRelu;
    case v1::ACTIVATION_IDENTITY:
      return Activation::kIdentity;
    default:
      return std::nullopt;
  }
}

std::optional<Precision> DecodePrecision(v1::Precision precision) {
  switch (precision) {
    case v1::PRECISION_UNSPECIFIED:
    case v1::PRECISION_FLOAT32:
      return Precision::kFloat32;
    case v1::PRECISION_FLOAT64:
      return Precision::kFloat64;
    default:
      return std::nullopt;
  }
}

std::optional<InitialDistribution> DecodeDistribution(v1::InitialWeights::Distribution distribution) {
  switch (distribution) {
    case v1::InitialWeights::DISTRIBUTION_UNSPECIFIED:
    case v1::InitialWeights::DISTRIBUTION_GLOROT_UNIFORM:
      return InitialDistribution::kGlorotUniform;
    case v1::InitialWeights::DISTRIBUTION_HE_NORMAL:
      return InitialDistribution::kHeNormal;
    case v1::InitialWeights::DISTRIBUTION_UNIFORM:
      return InitialDistribution::kUniform;
    case v1::InitialWeights::DISTRIBUTION_ZERO:
      return InitialDistribution::kZero;
    default:
      return std::nullopt;
  }
}

// The wire's values stand in the order of the domain's, behind UNSPECIFIED.
template <typename Wire, typename Domain>
Wire EncodeEnum(Domain value) {
  return static_cast<Wire>(static_cast<int>(value) + 1);
}

// `decoded`, or a violation and the enum's first value.
template <typename Domain>
Domain ValueOr(std::optional<Domain> decoded, const std::string& field, Violations* violations) {
  if (!decoded) violations->Add(field, kUnknownValue);
  return decoded.value_or(Domain{});
}

void EncodeScaling(const Scaling& scaling, v1::Scaling* wire) {
  wire->mutable_offset()->Assign(scaling.offset.begin(), scaling.offset.end());
  wire->mutable_scale()->Assign(scaling.scale.begin(), scaling.scale.end());
}

}  // namespace

absl::StatusOr<NetworkSpec> DecodeNetwork(const v1::NetworkSpec& wire) {
  Violations violations;
  NetworkSpec::Fields fields{
      .input_unit_count = wire.input_unit_count(),
      .hidden_layers = {},
      .output_unit_count = wire.output_unit_count(),
      .task = DecodeTask(wire.task()).value_or(Task::kRegression),
      .precision = ValueOr(DecodePrecision(wire.precision()), "precision", &violations),
      .initial_weights = {.distribution = ValueOr(DecodeDistribution(wire.initial_weights().distribution()),
                                                  "initial_weights.distribution", &violations),
                          .range = wire.initial_weights().range(),
                          .seed = wire.initial_weights().seed()},
      .output_names = {wire.output_names().begin(), wire.output_names().end()}};
  if (!DecodeTask(wire.task())) {
    violations.Add("task", "must be TASK_REGRESSION, TASK_BINARY_CLASSIFICATION or TASK_MULTIWAY_CLASSIFICATION");
  }
  for (int i = 0; i < wire.hidden_layers_size(); ++i) {
    const v1::HiddenLayer& layer = wire.hidden_layers(i);
    const std::string field = absl::StrCat("hidden_layers[", i, "].activation");
    fields.hidden_layers.push_back(
        {layer.unit_count(), ValueOr(DecodeActivation(layer.activation()), field, &violations)});
  }
  absl::StatusOr<NetworkSpec> spec = NetworkSpec::Create(std::move(fields));
  violations.AddAll("", spec.status());
  if (!violations.empty()) return violations.ToStatus();
  return spec;
}

void EncodeNetwork(const NetworkSpec& spec, v1::NetworkSpec* wire) {
  const NetworkSpec::Fields& fields = spec.fields();
  wire->set_input_unit_count(fields.input_unit_count);
  for (const HiddenLayer& layer : fields.hidden_layers) {
    v1::HiddenLayer* out = wire->add_hidden_layers();
    out->set_unit_count(layer.unit_count);
    out->set_activation(EncodeEnum<v1::Activation>(layer.activation));
  }
  wire->set_output_unit_count(fields.output_unit_count);
  wire->set_task(EncodeEnum<v1::Task>(fields.task));
  wire->set_precision(EncodeEnum<v1::Precision>(fields.precision));
  v1::InitialWeights* initial = wire->mutable_initial_weights();
  initial->set_distribution(EncodeEnum<v1::InitialWeights::Distribution>(fields.initial_weights.distribution));
  initial->set_range(fields.initial_weights.range);
  initial->set_seed(fields.initial_weights.seed);
  for (const std::string& name : fields.output_names) wire->add_output_names(name);
}

Scaling DecodeScaling(const v1::Scaling& wire) {
  return {.offset = Eigen::Map<const Vector<double>>(wire.offset().data(), wire.offset_size()),
          .scale = Eigen::Map<const Vector<double>>(wire.scale().data(), wire.scale_size())};
}

v1::Session EncodeSession(const SessionState& state) {
  v1::Session wire;
  wire.set_name(SessionName(state.description.id));
  EncodeNetwork(state.description.spec, wire.mutable_network());
  for (const auto& [key, value] : state.description.labels) (*wire.mutable_labels())[key] = value;
  wire.set_parameter_count(state.description.spec.parameter_count());
  wire.set_model_version(state.model_version);
  if (!state.scalings.input.is_identity()) EncodeScaling(state.scalings.input, wire.mutable_input_scaling());
  if (!state.scalings.target.is_identity()) EncodeScaling(state.scalings.target, wire.mutable_target_scaling());
  const std::vector<int64_t>& pinned = state.description.pinned_versions;
  wire.mutable_pinned_model_versions()->Add(pinned.begin(), pinned.end());
  *wire.mutable_create_time() = EncodeTime(state.description.create_time);
  *wire.mutable_update_time() = EncodeTime(state.update_time);
  if (!state.active_training_run.empty()) {
    wire.set_active_training_run(TrainingRunName(state.description.id, state.active_training_run));
  }
  return wire;
}

v1::Session EncodeSession(const AnySession& session) {
  return std::visit([](const auto& typed) { return EncodeSession(typed->state()); }, session);
}

v1::PatternSet EncodePatternSet(const std::string& session_id, const PatternSetDescription& set) {
  v1::PatternSet wire;
  wire.set_name(PatternSetName(session_id, set.id));
  wire.set_pattern_count(set.pattern_count);
  wire.set_byte_count(set.byte_count);
  *wire.mutable_update_time() = EncodeTime(set.update_time);
  return wire;
}

google::protobuf::Timestamp EncodeTime(std::chrono::system_clock::time_point time) {
  const auto since_epoch = std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch());
  return google::protobuf::util::TimeUtil::NanosecondsToTimestamp(since_epoch.count());
}

}  // namespace backprop::server
