// The shape of a network: how many units in which layers, what activates them, and what the network is for.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace backprop {

// Fixes the log likelihood and the output units' activation function; Jacobs (2008), main text, appendix A, appendix B.
enum class Task { kRegression, kBinaryClassification, kMultiwayClassification };

enum class Activation { kLogistic, kTanh, kRelu, kIdentity };

enum class Precision { kFloat32, kFloat64 };

// The largest finite number.
double LargestOf(Precision precision);

enum class InitialDistribution { kGlorotUniform, kHeNormal, kUniform, kZero };

struct HiddenLayer {
  int unit_count = 0;
  Activation activation = Activation::kLogistic;
  bool operator==(const HiddenLayer&) const = default;
};

struct InitialWeights {
  InitialDistribution distribution = InitialDistribution::kGlorotUniform;
  double range = 0;  // Half width of kUniform; 0 means 0.5.
  int64_t seed = 0;
  bool operator==(const InitialWeights&) const = default;
};

// Limits of a network; each is quoted in network.proto and tested at it and one past.
inline constexpr int kMaxUnitsPerLayer = 262'144;
inline constexpr int kMaxHiddenLayers = 64;
inline constexpr int64_t kMaxParameterCount = 16'777'216;
inline constexpr size_t kMaxOutputNameBytes = 255;

// Where the weights and biases into one layer stand in the flat parameter vector.
struct LayerShape {
  int unit_count;         // Units of this layer.
  int input_count;        // Units of the layer below.
  int64_t weight_offset;  // unit_count * input_count weights, row by row, ...
  int64_t bias_offset;    // ... then unit_count biases.
};

// Layers from the first hidden layer up to the output layer.
struct ParameterLayout {
  std::vector<LayerShape> layers;
  int64_t parameter_count = 0;
};

// A checked network shape. A value: copies are cheap and equal, and it is immutable, hence thread-safe.
class NetworkSpec {
 public:
  struct Fields {
    int input_unit_count = 0;
    std::vector<HiddenLayer> hidden_layers = {};
    int output_unit_count = 0;
    Task task = Task::kRegression;
    Precision precision = Precision::kFloat32;
    InitialWeights initial_weights = {};
    std::vector<std::string> output_names = {};
    bool operator==(const Fields&) const = default;
  };

  // INVALID_ARGUMENT with every violation, fields named as in NetworkSpec of network.proto.
  static absl::StatusOr<NetworkSpec> Create(Fields fields);

  const Fields& fields() const { return *fields_; }
  Task task() const { return fields_->task; }
  int input_unit_count() const { return fields_->input_unit_count; }
  int output_unit_count() const { return fields_->output_unit_count; }
  // Layers with parameters: the hidden layers and the output layer.
  int layer_count() const { return static_cast<int>(layout_->layers.size()); }
  // Units of layer 0 (the input layer) to layer_count() (the output layer).
  int unit_count(int layer) const { return layer == 0 ? input_unit_count() : layout_->layers[layer - 1].unit_count; }
  // Activation function of hidden layer 1 to layer_count() - 1.
  Activation activation(int layer) const { return fields_->hidden_layers[layer - 1].activation; }
  int64_t parameter_count() const { return layout_->parameter_count; }
  const std::shared_ptr<const ParameterLayout>& layout() const { return layout_; }
  // All units of all layers, the input layer's too: what one pattern takes in a forward pass.
  int64_t total_unit_count() const;

  bool operator==(const NetworkSpec& other) const { return *fields_ == *other.fields_; }

 private:
  explicit NetworkSpec(Fields fields);

  std::shared_ptr<const Fields> fields_;
  std::shared_ptr<const ParameterLayout> layout_;
};

}  // namespace backprop
