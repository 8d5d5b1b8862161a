#include "core/parameters.h"

#include "gtest/gtest.h"
#include "tests/support/random_network.h"

namespace backprop {
namespace {

NetworkSpec SmallSpec(int hidden_units) {
  NetworkSpec::Fields fields;
  fields.input_unit_count = 2;
  fields.hidden_layers = {{hidden_units}};
  fields.output_unit_count = 1;
  return MakeSpec(fields);
}

TEST(ParametersTest, AreZeroAtFirst) {
  EXPECT_EQ(Parameters<float>(SmallSpec(3).layout()).flat(), Vector<float>(Vector<float>::Zero(13)));
}

TEST(ParametersTest, StandRowByRowThenBiasesLayerByLayer) {
  Parameters<double> parameters(SmallSpec(3).layout());
  parameters.weights(1) << 1, 2,  //
      3, 4,                       //
      5, 6;
  parameters.biases(1) << 7, 8, 9;
  parameters.weights(2) << 10, 11, 12;
  parameters.biases(2) << 13;
  EXPECT_EQ(parameters.flat(), Vector<double>(Vector<double>::LinSpaced(13, 1, 13)));
}

TEST(ParametersTest, ViewsOfConstParametersReadTheSameNumbers) {
  Parameters<double> parameters(SmallSpec(3).layout());
  parameters.flat().setLinSpaced(13, 1, 13);
  const Parameters<double>& view = parameters;
  EXPECT_EQ(view.weights(1)(2, 0), 5);
  EXPECT_EQ(view.biases(2)(0), 13);
}

TEST(ParametersTest, AreAValue) {
  Parameters<double> original(SmallSpec(3).layout());
  Parameters<double> copy = original;
  copy.weights(1)(0, 0) = 1;
  EXPECT_EQ(original.weights(1)(0, 0), 0);
  EXPECT_NE(original, copy);
}

TEST(ParametersTest, OfAnotherShapeAreNotEqual) {
  EXPECT_NE(Parameters<double>(SmallSpec(3).layout()), Parameters<double>(SmallSpec(4).layout()));
}

}  // namespace
}  // namespace backprop
