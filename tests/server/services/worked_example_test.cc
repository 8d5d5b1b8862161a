// The worked example of Jacobs (2008), every number of eq. 16-25, asked of the server in FLOAT64.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/server/services/test_server.h"

namespace backprop::server {
namespace {

// Three decimals, as the note prints its numbers.
double Rounded(double value) { return std::round(value * 1000) / 1000; }

// The note leaves its products of these numbers to the reader. Factors that are off by 0.0005 at most, none larger than
// 1, make products of two off by 0.001 at most, ...
constexpr double kProductOfTwo = 0.001;
// ... and those for hidden units, (e1 + e2) h (1 - h), by 0.001 * 0.018 + 1 * 0.0005 * (0.998 + 0.018), times the
// input.
constexpr double kHiddenProduct = 0.00055;

class WorkedExampleTest : public testing::Test {
 protected:
  WorkedExampleTest() {
    Must(server_.sessions, &SessionStub::CreateSession, R"pb(
      session_id: 'note'
      session {
        network {
          input_unit_count: 2
          hidden_layers { unit_count: 2 }
          output_unit_count: 2
          task: TASK_REGRESSION
          precision: PRECISION_FLOAT64
        }
      }
      parameters {
        layers {
          weights {
            row_count: 2
            column_count: 2
            double_values: [ 1, 1, 1, 2 ]
          }
          biases {
            row_count: 2
            column_count: 1
            double_values: [ 1, 1 ]
          }
        }
        layers {
          weights {
            row_count: 2
            column_count: 2
            double_values: [ 1, -1, 1, -1 ]
          }
          biases {
            row_count: 2
            column_count: 1
            double_values: [ 1, 1 ]
          }
        }
      })pb");
    answer_ = Must(server_.derivatives, &DerivativeStub::ComputeGradient, R"pb(
      session: 'sessions/note'
      patterns {
        inputs {
          row_count: 1
          column_count: 2
          double_values: [ 1, 2 ]
        }
        targets {
          row_count: 1
          column_count: 2
          double_values: [ 1, 0 ]
        }
      })pb");
  }

  double Weight(int layer, int i, int j) const {
    const v1::Matrix& weights = answer_.gradient().layers(layer).weights();
    return weights.double_values((i - 1) * weights.column_count() + j - 1);
  }
  double Bias(int layer, int i) const { return answer_.gradient().layers(layer).biases().double_values(i - 1); }

  TestServer server_;
  v1::ComputeGradientResponse answer_;
  // The note's quantities: activations of the hidden units, their derivatives, the outputs and the two differences.
  const double h1_ = 1 / (1 + std::exp(-4.0)), h2_ = 1 / (1 + std::exp(-6.0));
  const double y_ = h1_ - h2_ + 1;
  const double e1_ = 1.0 - y_, e2_ = 0.0 - y_;
  static constexpr double kTolerance = 1e-12;  // A dozen roundings of numbers of about 1.
};

TEST_F(WorkedExampleTest, OutputsAreThoseOfTheNote) {
  const auto prediction = Must(server_.predictions, &PredictionStub::Predict,
                               "session: 'sessions/note' inputs { row_count: 1 column_count: 2 values: [1, 2] }");
  ASSERT_EQ(prediction.outputs().double_values_size(), 2);
  EXPECT_NEAR(prediction.outputs().double_values(0), y_, kTolerance);
  EXPECT_NEAR(prediction.outputs().double_values(1), y_, kTolerance);
  EXPECT_EQ(Rounded(prediction.outputs().double_values(0)), 0.984);
}

TEST_F(WorkedExampleTest, LogLikelihoodIsEquation3) {
  EXPECT_NEAR(answer_.log_likelihood(), -(e1_ * e1_ + e2_ * e2_) / 2, kTolerance);
}

TEST_F(WorkedExampleTest, OutputBiasesAreTheDifferences) {
  EXPECT_NEAR(Bias(1, 1), e1_, kTolerance);
  EXPECT_NEAR(Bias(1, 2), e2_, kTolerance);
  EXPECT_EQ(Rounded(Bias(1, 1)), Rounded(1.0 - 0.984));
  EXPECT_EQ(Rounded(Bias(1, 2)), Rounded(0.0 - 0.984));
}

TEST_F(WorkedExampleTest, HiddenToOutputWeightsAreEquations16To19) {
  EXPECT_NEAR(Weight(1, 1, 1), e1_ * h1_, kTolerance);  // (16)
  EXPECT_NEAR(Weight(1, 1, 2), e1_ * h2_, kTolerance);  // (17)
  EXPECT_NEAR(Weight(1, 2, 1), e2_ * h1_, kTolerance);  // (18)
  EXPECT_NEAR(Weight(1, 2, 2), e2_ * h2_, kTolerance);  // (19)
  EXPECT_NEAR(Weight(1, 1, 1), (1.0 - 0.984) * 0.982, kProductOfTwo);
  EXPECT_NEAR(Weight(1, 1, 2), (1.0 - 0.984) * 0.998, kProductOfTwo);
  EXPECT_NEAR(Weight(1, 2, 1), (0.0 - 0.984) * 0.982, kProductOfTwo);
  EXPECT_NEAR(Weight(1, 2, 2), (0.0 - 0.984) * 0.998, kProductOfTwo);
}

TEST_F(WorkedExampleTest, HiddenBiasesAreEquations20And21) {
  EXPECT_NEAR(Bias(0, 1), (e1_ * 1 + e2_ * 1) * h1_ * (1 - h1_), kTolerance);    // (20)
  EXPECT_NEAR(Bias(0, 2), (e1_ * -1 + e2_ * -1) * h2_ * (1 - h2_), kTolerance);  // (21)
  EXPECT_NEAR(Bias(0, 1), (1.0 - 0.984 + 0.0 - 0.984) * 0.982 * (1 - 0.982), kHiddenProduct);
  EXPECT_NEAR(Bias(0, 2), -(1.0 - 0.984 + 0.0 - 0.984) * 0.998 * (1 - 0.998), kHiddenProduct);
}

TEST_F(WorkedExampleTest, InputToHiddenWeightsAreEquations22To25) {
  const double first = (e1_ + e2_) * h1_ * (1 - h1_), second = -(e1_ + e2_) * h2_ * (1 - h2_);
  EXPECT_NEAR(Weight(0, 1, 1), first * 1.0, kTolerance);   // (22)
  EXPECT_NEAR(Weight(0, 1, 2), first * 2.0, kTolerance);   // (23)
  EXPECT_NEAR(Weight(0, 2, 1), second * 1.0, kTolerance);  // (24)
  EXPECT_NEAR(Weight(0, 2, 2), second * 2.0, kTolerance);  // (25)
  EXPECT_NEAR(Weight(0, 1, 1), (1.0 - 0.984 + 0.0 - 0.984) * 0.982 * (1 - 0.982), kHiddenProduct);
  EXPECT_NEAR(Weight(0, 2, 1), -(1.0 - 0.984 + 0.0 - 0.984) * 0.998 * (1 - 0.998), kHiddenProduct);
  EXPECT_NEAR(Weight(0, 1, 2), (1.0 - 0.984 + 0.0 - 0.984) * 0.982 * (1 - 0.982) * 2.0, 2 * kHiddenProduct);
  EXPECT_NEAR(Weight(0, 2, 2), -(1.0 - 0.984 + 0.0 - 0.984) * 0.998 * (1 - 0.998) * 2.0, 2 * kHiddenProduct);
}

void ExpectRow(const v1::Matrix& row, const std::vector<double>& expected) {
  EXPECT_EQ(row.row_count(), 1);
  ASSERT_EQ(row.double_values_size(), static_cast<int>(expected.size()));
  for (int i = 0; i < row.double_values_size(); ++i) {
    EXPECT_NEAR(row.double_values(i), expected[static_cast<size_t>(i)], 1e-12);  // As kTolerance.
  }
}

TEST_F(WorkedExampleTest, TheTraceHasEveryStageOfTheNote) {
  const auto trace = Must(server_.derivatives, &DerivativeStub::TraceBackpropagation, R"pb(
    session: 'sessions/note'
    patterns {
      inputs {
        row_count: 1
        column_count: 2
        double_values: [ 1, 2 ]
      }
      targets {
        row_count: 1
        column_count: 2
        double_values: [ 1, 0 ]
      }
    })pb");
  ASSERT_EQ(trace.layers_size(), 2);
  const v1::LayerTrace &hidden = trace.layers(0), &outputs = trace.layers(1);
  const double sent_back = e1_ + e2_;
  ExpectRow(hidden.inputs(), {1, 2});                                              // (14)
  ExpectRow(hidden.weighted_sums(), {4, 6});                                       // The sum in (12)
  ExpectRow(hidden.activations(), {h1_, h2_});                                     // (12)
  ExpectRow(hidden.activation_gradients(), {sent_back, -sent_back});               // (11)
  ExpectRow(hidden.activation_derivatives(), {h1_ * (1 - h1_), h2_ * (1 - h2_)});  // (13)
  ExpectRow(hidden.error_signals(), {Bias(0, 1), Bias(0, 2)});                     // (20), (21)
  ExpectRow(outputs.inputs(), {h1_, h2_});                                         // (9)
  ExpectRow(outputs.weighted_sums(), {y_, y_});                                    // (7)
  ExpectRow(outputs.activations(), {y_, y_});                                      // (7)
  ExpectRow(outputs.activation_gradients(), {e1_, e2_});                           // (6)
  ExpectRow(outputs.activation_derivatives(), {1, 1});                             // (8)
  ExpectRow(outputs.error_signals(), {e1_, e2_});
  ExpectRow(trace.targets(), {1, 0});
  // The factors as the note prints them.
  EXPECT_EQ(Rounded(hidden.activations().double_values(0)), 0.982);
  EXPECT_EQ(Rounded(hidden.activations().double_values(1)), 0.998);
  EXPECT_EQ(Rounded(outputs.activations().double_values(0)), 0.984);
  EXPECT_FALSE(outputs.has_softmax_derivatives());
  EXPECT_EQ(trace.model_version(), 0);
  EXPECT_NEAR(trace.log_likelihood(), answer_.log_likelihood(), kTolerance);
  // (16)-(25): those that ComputeGradient answers, which the tests above compare with the note.
  for (int layer = 0; layer < 2; ++layer) {
    for (int i = 1; i <= 2; ++i) {
      EXPECT_NEAR(trace.gradient().layers(layer).biases().double_values(i - 1), Bias(layer, i), kTolerance);
      for (int j = 1; j <= 2; ++j) {
        EXPECT_NEAR(trace.gradient().layers(layer).weights().double_values((i - 1) * 2 + j - 1), Weight(layer, i, j),
                    kTolerance);
      }
    }
  }
}

TEST_F(WorkedExampleTest, OneStepMovesEveryParameterByEquation15) {
  Append(server_, R"pb(
    session: 'sessions/note'
    pattern_set: 'one'
    patterns {
      inputs {
        row_count: 1
        column_count: 2
        double_values: [ 1, 2 ]
      }
      targets {
        row_count: 1
        column_count: 2
        double_values: [ 1, 0 ]
      }
    })pb");
  Collect(server_.training, &TrainingStub::RunEpochs, R"pb(
    session: 'sessions/note'
    pattern_set: 'one'
    epoch_count: 1
    options { reduction: REDUCTION_SUM step_size: 0.1 })pb");
  const auto before = Must(server_.sessions, &SessionStub::GetParameters, "name: 'sessions/note' model_version: 0");
  const auto after = Must(server_.sessions, &SessionStub::GetParameters, "name: 'sessions/note'");
  for (int layer = 0; layer < 2; ++layer) {
    for (int k = 0; k < 4; ++k) {
      EXPECT_NEAR(after.layers(layer).weights().double_values(k),
                  before.layers(layer).weights().double_values(k) +
                      0.1 * answer_.gradient().layers(layer).weights().double_values(k),
                  kTolerance);
    }
    for (int i = 0; i < 2; ++i) {
      EXPECT_NEAR(after.layers(layer).biases().double_values(i),
                  before.layers(layer).biases().double_values(i) +
                      0.1 * answer_.gradient().layers(layer).biases().double_values(i),
                  kTolerance);
    }
  }
}

}  // namespace
}  // namespace backprop::server
