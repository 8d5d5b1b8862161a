#include "core/line_search.h"

#include <cmath>
#include <functional>
#include <limits>

#include "gtest/gtest.h"

namespace backprop {
namespace {

using SearchOutcome = LineSearch::Outcome;

struct Line {
  const char* name;
  std::function<double(double)> value;
  std::function<double(double)> slope;
};

struct Search {
  SearchOutcome outcome;
  double step;
  int evaluation_count;
};

Search SearchAlong(const Line& line, double first_step, double rounding = 0) {
  LineSearch search(line.value(0), line.slope(0), first_step, rounding);
  for (int count = 1;; ++count) {
    const double step = search.step();
    const SearchOutcome outcome = search.Observe(line.value(step), line.slope(step));
    if (outcome != SearchOutcome::kEvaluate || count > kMaxLineSearchEvaluations) return {outcome, step, count};
  }
}

const double kUnbounded = std::numeric_limits<double>::infinity();

// All rise at 0 and have a maximum.
const Line kLines[] = {
    {"Parabola", [](double t) { return t - t * t / 2; }, [](double t) { return 1 - t; }},
    {"Bell", [](double t) { return std::exp(-(t - 1) * (t - 1)); },
     [](double t) { return -2 * (t - 1) * std::exp(-(t - 1) * (t - 1)); }},
    {"Kink", [](double t) { return -std::abs(t - 1); }, [](double t) { return t < 1 ? 1.0 : -1.0; }},
    {"EndsAtOne", [](double t) { return t < 1 ? std::log(1 - t) + 3 * t : -kUnbounded; },
     [](double t) { return t < 1 ? 3 - 1 / (1 - t) : std::nan(""); }},
    {"Wavy", [](double t) { return t - t * t / 2 + 0.05 * std::sin(20 * t); },
     [](double t) { return 1 - t + std::cos(20 * t); }},
};

class LineSearchTest : public testing::TestWithParam<Line> {};

TEST_P(LineSearchTest, FindsAStepThatSatisfiesWolfesConditionsFromAnyFirstStep) {
  const Line& line = GetParam();
  for (const double first_step : {1e-6, 1e-3, 0.1, 1.0, 2.0, 10.0, 1e3, 1e6}) {
    const Search search = SearchAlong(line, first_step);
    ASSERT_EQ(search.outcome, SearchOutcome::kAccepted) << first_step;
    EXPECT_GE(line.value(search.step), line.value(0) + 1e-4 * search.step * line.slope(0)) << first_step;
    EXPECT_LE(line.slope(search.step), 0.9 * line.slope(0)) << first_step;
    EXPECT_LT(search.evaluation_count, kMaxLineSearchEvaluations) << first_step;
  }
}

INSTANTIATE_TEST_SUITE_P(EveryLine, LineSearchTest, testing::ValuesIn(kLines),
                         [](const auto& info) { return info.param.name; });

TEST(LineSearchTest, AcceptsAFirstStepThatIsGoodEnough) {
  const Search search = SearchAlong(kLines[0], 1);
  EXPECT_EQ(search.outcome, SearchOutcome::kAccepted);
  EXPECT_EQ(search.step, 1);
  EXPECT_EQ(search.evaluation_count, 1);
}

// A cubic through both ends of the bracket is the parabola itself.
TEST(LineSearchTest, InterpolatesAParabolaExactly) {
  const Search search = SearchAlong(kLines[0], 5);
  EXPECT_NEAR(search.step, 1, 1e-12);
  EXPECT_EQ(search.evaluation_count, 2);
}

// It rises for ever: no slope condition can hold, and the last evaluation is of the longest step.
TEST(LineSearchTest, EndsAtTheBestStepWhenItRunsOutOfEvaluations) {
  const Line line{"Ramp", [](double t) { return t; }, [](double) { return 1.0; }};
  const Search search = SearchAlong(line, 1);
  EXPECT_EQ(search.outcome, SearchOutcome::kAccepted);
  EXPECT_EQ(search.evaluation_count, kMaxLineSearchEvaluations);
  EXPECT_GE(search.step, 1e9);
}

TEST(LineSearchTest, EndsAtTheBestStepWhenStepsOverflow) {
  const Line line{"Ramp", [](double t) { return t; }, [](double) { return 1.0; }};
  const Search search = SearchAlong(line, 1e307);
  EXPECT_EQ(search.outcome, SearchOutcome::kAccepted);
  EXPECT_TRUE(std::isfinite(search.step));
  EXPECT_LE(search.evaluation_count, kMaxLineSearchEvaluations);
}

TEST(LineSearchTest, FailsWhereNoStepIsBetterThanNone) {
  const Line lines[] = {
      {"Falls", [](double t) { return -t; }, [](double t) { return t == 0 ? 1.0 : -1.0; }},
      {"NotANumber", [](double t) { return t == 0 ? 0 : std::nan(""); }, [](double) { return 1.0; }},
      {"SlopeNotANumber", [](double t) { return t; }, [](double t) { return t == 0 ? 1 : std::nan(""); }},
      {"Infinite", [](double t) { return t == 0 ? 0 : kUnbounded; }, [](double) { return 1.0; }},
  };
  for (const Line& line : lines) {
    const Search search = SearchAlong(line, 1);
    EXPECT_EQ(search.outcome, SearchOutcome::kFailed) << line.name;
    EXPECT_EQ(search.evaluation_count, kMaxLineSearchEvaluations) << line.name;
  }
}

// Of least numbers the bracket has no room.
TEST(LineSearchTest, FailsWhenStepsUnderflow) {
  const Line line{"Falls", [](double t) { return -t; }, [](double t) { return t == 0 ? 1.0 : -1.0; }};
  EXPECT_EQ(SearchAlong(line, std::numeric_limits<double>::denorm_min()).outcome, SearchOutcome::kFailed);
}

// The value has no digits left in which to rise, the slope has.
TEST(LineSearchTest, GoesByTheSlopeWhereValuesDifferByRoundingOnly) {
  const Line line{"Flat", [](double t) { return t == 0 ? -1.0 : -1.0 - 1e-9; },
                  [](double t) { return 1e-10 * (1 - t); }};
  EXPECT_EQ(SearchAlong(line, 1, /*rounding=*/0).outcome, SearchOutcome::kFailed);
  const Search search = SearchAlong(line, 1, /*rounding=*/1e-8);
  EXPECT_EQ(search.outcome, SearchOutcome::kAccepted);
  EXPECT_EQ(search.step, 1);
}

}  // namespace
}  // namespace backprop
