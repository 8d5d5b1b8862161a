#include "tests/support/scalar_network.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace backprop {
namespace {

using Values = std::vector<double>;

double Activated(Activation activation, double s) {
  switch (activation) {
    case Activation::kLogistic:
      return 1 / (1 + std::exp(-s));  // (12)
    case Activation::kTanh:
      return std::tanh(s);
    case Activation::kRelu:
      return s > 0 ? s : 0;
    case Activation::kIdentity:
      return s;
  }
  return 0;
}

// By the weighted sum, where core/ goes by the activation.
double Derivative(Activation activation, double s) {
  const double h = Activated(activation, s);
  switch (activation) {
    case Activation::kLogistic:
      return h * (1 - h);  // (13)
    case Activation::kTanh:
      return 1 / (std::cosh(s) * std::cosh(s));
    case Activation::kRelu:
      return s > 0 ? 1 : 0;
    case Activation::kIdentity:
      return 1;
  }
  return 0;
}

Values Scaled(const ScalarScaling& scaling, Values values) {
  for (size_t i = 0; i < scaling.offset.size(); ++i) values[i] = (values[i] - scaling.offset[i]) * scaling.scale[i];
  return values;
}

Values Unscaled(const ScalarScaling& scaling, Values values) {
  for (size_t i = 0; i < scaling.offset.size(); ++i) values[i] = values[i] / scaling.scale[i] + scaling.offset[i];
  return values;
}

Values WeightedSums(const ScalarLayer& layer, const Values& below) {
  Values s = layer.biases;
  for (size_t i = 0; i < s.size(); ++i) {
    for (size_t j = 0; j < below.size(); ++j) s[i] += layer.weights[i][j] * below[j];  // (7), (12)
  }
  return s;
}

Values Outputs(Task task, const Values& s) {
  Values y = s;  // (7)
  if (task == Task::kBinaryClassification) {
    for (double& unit : y) unit = 1 / (1 + std::exp(-unit));  // (32)
  } else if (task == Task::kMultiwayClassification) {
    double sum = 0;
    for (const double unit : s) sum += std::exp(unit);
    for (double& unit : y) unit = std::exp(unit) / sum;  // (37)
  }
  return y;
}

double LogLikelihood(Task task, const Values& y, const Values& targets) {
  double sum = 0;
  for (size_t i = 0; i < y.size(); ++i) {
    if (task == Task::kRegression) {
      sum += -0.5 * (targets[i] - y[i]) * (targets[i] - y[i]);  // (3)
    } else if (task == Task::kBinaryClassification) {
      sum += targets[i] * std::log(y[i]) + (1 - targets[i]) * std::log(1 - y[i]);  // (29)
    } else {
      sum += targets[i] * std::log(y[i]);  // (36)
    }
  }
  return sum;
}

// d log L / d s of the output units by the chain rule, stage by stage.
Values OutputErrorSignals(Task task, const Values& y, const Values& targets) {
  Values d(y.size(), 0);
  for (size_t i = 0; i < y.size(); ++i) {
    if (task == Task::kRegression) {
      d[i] = (targets[i] - y[i]) * 1;  // (6) times (8)
    } else if (task == Task::kBinaryClassification) {
      d[i] = (targets[i] / y[i] - (1 - targets[i]) / (1 - y[i])) * (y[i] * (1 - y[i]));  // (31) times (33)
    } else {
      for (size_t k = 0; k < y.size(); ++k) {
        d[i] += targets[k] / y[k] * y[k] * ((i == k ? 1.0 : 0.0) - y[i]);  // (39), (40)
      }
    }
  }
  return d;
}

// d log L / d h_j of the layer below: the error signals sent back.
Values SentBack(const ScalarLayer& layer, const Values& d) {
  Values below(layer.weights.front().size(), 0);
  for (size_t j = 0; j < below.size(); ++j) {
    for (size_t k = 0; k < d.size(); ++k) below[j] += d[k] * layer.weights[k][j];  // (10)
  }
  return below;
}

// The weighted sums s of each layer and the activations h of the layer below it.
struct ForwardPass {
  std::vector<Values> s, h;
};

ForwardPass Forward(const ScalarNetwork& network, const ScalarPattern& pattern) {
  ForwardPass pass;
  Values below = Scaled(network.input_scaling, pattern.inputs);
  for (const ScalarLayer& layer : network.layers) {
    pass.h.push_back(below);
    pass.s.push_back(WeightedSums(layer, below));
    below = pass.s.back();
    for (double& unit : below) unit = Activated(layer.activation, unit);
  }
  return pass;
}

void AddPattern(const ScalarNetwork& network, const ScalarPattern& pattern, const Values* output_error_signals,
                ScalarResult* result) {
  const auto& [s, h] = Forward(network, pattern);
  const Values y = Outputs(network.task, s.back());
  result->outputs.push_back(Unscaled(network.target_scaling, y));
  result->weight_sum += pattern.weight;

  Values d;
  if (output_error_signals != nullptr) {
    d = *output_error_signals;
  } else {
    const Values targets = Scaled(network.target_scaling, pattern.targets);
    result->log_likelihood += pattern.weight * LogLikelihood(network.task, y, targets);
    d = OutputErrorSignals(network.task, y, targets);
  }
  for (double& unit : d) unit *= pattern.weight;

  for (size_t l = network.layers.size(); l-- > 0;) {
    for (size_t i = 0; i < d.size(); ++i) {
      for (size_t j = 0; j < h[l].size(); ++j) result->gradient[l].weights[i][j] += d[i] * h[l][j];  // (9), (14)
      result->gradient[l].biases[i] += d[i];
    }
    d = SentBack(network.layers[l], d);
    if (l == 0) break;
    for (size_t j = 0; j < d.size(); ++j) d[j] *= Derivative(network.layers[l - 1].activation, s[l - 1][j]);  // (13)
  }
  for (size_t j = 0; j < network.input_scaling.scale.size(); ++j) d[j] *= network.input_scaling.scale[j];
  result->input_gradients.push_back(d);
}

ScalarResult Empty(const ScalarNetwork& network) {
  ScalarResult result;
  result.gradient = network.layers;
  for (ScalarLayer& layer : result.gradient) {
    for (Values& row : layer.weights) std::fill(row.begin(), row.end(), 0.0);
    std::fill(layer.biases.begin(), layer.biases.end(), 0.0);
  }
  return result;
}

}  // namespace

ScalarResult Backpropagate(const ScalarNetwork& network, const std::vector<ScalarPattern>& patterns) {
  ScalarResult result = Empty(network);
  for (const ScalarPattern& pattern : patterns) AddPattern(network, pattern, nullptr, &result);
  return result;
}

ScalarResult Backpropagate(const ScalarNetwork& network, const std::vector<ScalarPattern>& patterns,
                           const std::vector<Values>& output_error_signals) {
  ScalarResult result = Empty(network);
  for (size_t t = 0; t < patterns.size(); ++t) AddPattern(network, patterns[t], &output_error_signals[t], &result);
  return result;
}

double KinkDistance(const ScalarNetwork& network, const std::vector<ScalarPattern>& patterns) {
  double distance = std::numeric_limits<double>::infinity();
  for (const ScalarPattern& pattern : patterns) {
    const ForwardPass pass = Forward(network, pattern);
    for (size_t l = 0; l + 1 < network.layers.size(); ++l) {
      if (network.layers[l].activation != Activation::kRelu) continue;
      for (const double s : pass.s[l]) distance = std::min(distance, std::abs(s));
    }
  }
  return distance;
}

std::vector<double> Flatten(const std::vector<ScalarLayer>& layers) {
  std::vector<double> flat;
  for (const ScalarLayer& layer : layers) {
    for (const Values& row : layer.weights) flat.insert(flat.end(), row.begin(), row.end());
    flat.insert(flat.end(), layer.biases.begin(), layer.biases.end());
  }
  return flat;
}

void Unflatten(const std::vector<double>& flat, std::vector<ScalarLayer>* layers) {
  auto next = flat.begin();
  for (ScalarLayer& layer : *layers) {
    for (Values& row : layer.weights) {
      for (double& weight : row) weight = *next++;
    }
    for (double& bias : layer.biases) bias = *next++;
  }
}

}  // namespace backprop
