#include "client/cli/trace_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace backprop::client {
namespace {

using testing::HasSubstr;
using testing::Not;

v1::Matrix Row(const std::vector<double>& elements, int row_count = 1) {
  v1::Matrix matrix;
  matrix.set_row_count(row_count);
  matrix.set_column_count(static_cast<int>(elements.size()) / row_count);
  matrix.mutable_double_values()->Add(elements.begin(), elements.end());
  return matrix;
}

v1::LayerTrace Layer(const std::vector<double>& inputs, const std::vector<std::vector<double>>& stages) {
  v1::LayerTrace layer;
  *layer.mutable_inputs() = Row(inputs);
  *layer.mutable_weighted_sums() = Row(stages[0]);
  *layer.mutable_activations() = Row(stages[1]);
  *layer.mutable_activation_gradients() = Row(stages[2]);
  *layer.mutable_activation_derivatives() = Row(stages[3]);
  *layer.mutable_error_signals() = Row(stages[4]);
  return layer;
}

// A 1-1-2 network.
v1::TraceBackpropagationResponse SmallTrace() {
  v1::TraceBackpropagationResponse trace;
  trace.set_log_likelihood(-0.5);
  trace.set_model_version(3);
  *trace.add_layers() = Layer({2}, {{0}, {0.5}, {4}, {0.25}, {1}});
  *trace.add_layers() = Layer({0.5}, {{1, -1}, {0.75, 0.25}, {10, 20}, {0.1875, 0.125}, {7, 8}});
  for (const int unit_count : {1, 2}) {
    v1::LayerParameters& layer = *trace.mutable_gradient()->add_layers();
    *layer.mutable_weights() = Row(std::vector<double>(static_cast<size_t>(unit_count), 30), unit_count);
    *layer.mutable_biases() = Row(std::vector<double>(static_cast<size_t>(unit_count), 40), unit_count);
  }
  *trace.mutable_targets() = Row({1, 0});
  return trace;
}

v1::NetworkSpec SmallNetwork(v1::Task task) {
  v1::NetworkSpec network;
  network.set_input_unit_count(1);
  network.add_hidden_layers()->set_unit_count(1);
  network.set_output_unit_count(2);
  network.set_task(task);
  return network;
}

v1::Session SmallSession(v1::Task task) {
  v1::Session session;
  *session.mutable_network() = SmallNetwork(task);
  return session;
}

TEST(TraceTextTest, SaysWhatIsScaled) {
  v1::Session session = SmallSession(v1::TASK_REGRESSION);
  EXPECT_THAT(TraceText(SmallTrace(), session), testing::Not(HasSubstr("scaled")));
  session.mutable_input_scaling()->add_scale(2);
  EXPECT_THAT(TraceText(SmallTrace(), session), HasSubstr("\nscaled, as the network takes them: x\n"));
  session.mutable_target_scaling()->add_scale(2);
  EXPECT_THAT(TraceText(SmallTrace(), session), HasSubstr("\nscaled, as the network takes them: x, y and y*\n"));
}

TEST(TraceTextTest, EachUnitHasItsStagesAndItsGradient) {
  EXPECT_EQ(TraceText(SmallTrace(), SmallSession(v1::TASK_BINARY_CLASSIFICATION)),
            "model version 3\n"
            "log likelihood -0.5\n"
            "\n"
            "layer 1, logistic units: the error signal d log L/d s is d log L/d h * d h/d s\n"
            "unit  s  h    d log L/d h  d h/d s  d log L/d s\n"
            "1     0  0.5  4            0.25     1\n"
            "gradient: the error signal of the unit * x below (of a bias 1)\n"
            "unit  bias  from 1, x = 2\n"
            "1     40    30\n"
            "\n"
            "layer 2, logistic outputs: the error signal d log L/d s is d log L/d y * d y/d s\n"
            "unit  s   y     y*  d log L/d y  d y/d s  d log L/d s\n"
            "1     1   0.75  1   10           0.1875   7\n"
            "2     -1  0.25  0   20           0.125    8\n"
            "gradient: the error signal of the unit * h below (of a bias 1)\n"
            "unit  bias  from 1, h = 0.5\n"
            "1     40    30\n"
            "2     40    30");
}

TEST(TraceTextTest, SoftmaxOutputsShowWhatEachDependsOn) {
  v1::TraceBackpropagationResponse trace = SmallTrace();
  *trace.mutable_layers(1)->mutable_softmax_derivatives() = Row({0.1, 0.2, 0.3, 0.4}, 2);
  EXPECT_THAT(TraceText(trace, SmallSession(v1::TASK_MULTIWAY_CLASSIFICATION)),
              HasSubstr("layer 2, softmax outputs: the error signal d log L/d s_i is the sum over all outputs k of "
                        "d log L/d y_k * d y_k/d s_i\n"
                        "unit  s   y     y*  d log L/d y  d log L/d s\n"
                        "1     1   0.75  1   10           7\n"
                        "2     -1  0.25  0   20           8\n"
                        "d y_k/d s_i  i = 1  i = 2\n"
                        "k = 1        0.1    0.2\n"
                        "k = 2        0.3    0.4\n"));
}

TEST(TraceTextTest, OfALargeLayerTheFirstUnitsAreShown) {
  v1::TraceBackpropagationResponse trace = SmallTrace();
  const std::vector<double> many(25, 1);
  *trace.mutable_layers(0) = Layer(many, {many, many, many, many, many});
  *trace.mutable_gradient()->mutable_layers(0)->mutable_weights() = Row(std::vector<double>(625, 1), 25);
  *trace.mutable_gradient()->mutable_layers(0)->mutable_biases() = Row(many, 25);
  const std::string text = TraceText(trace, SmallSession(v1::TASK_REGRESSION));
  EXPECT_THAT(text, HasSubstr("\n10    1"));
  EXPECT_THAT(text, Not(HasSubstr("\n11 ")));
  EXPECT_THAT(text, HasSubstr("\n... and 15 more units"));
  EXPECT_THAT(text, HasSubstr("\n... and 15 more inputs"));
}

}  // namespace
}  // namespace backprop::client
