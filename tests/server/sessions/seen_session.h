// What a session looks like from outside, to be compared with what another life of the server makes of it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "gtest/gtest.h"
#include "server/sessions/session.h"

namespace backprop::server {

// All that callers can see of a session, as values.
struct SeenSession {
  explicit SeenSession(const Session<double>& session)
      : state(session.state()), versions(session.model_versions().List()) {
    for (const PatternSetDescription& set : session.pattern_sets().List()) {
      sets.emplace_back(set.id, set.key, set.update_time,
                        session.pattern_sets().Get(set.id)->Slice(0, set.pattern_count));
    }
    for (const auto& run : session.ListTrainingRuns()) {
      const TrainingRun::Status status = run->status();
      run_states.emplace_back(run->id(), status.state, status.error, status.create_time, status.start_time,
                              status.end_time);
      for (const EpochReport& report : run->ReportsAfter(0)) {
        reports.emplace_back(report.epoch, report.training.log_likelihood, report.model_version);
      }
    }
  }

  SessionState state;
  std::vector<std::shared_ptr<const Snapshot<double>>> versions;
  using Time = TrainingRun::Time;
  std::vector<std::tuple<std::string, int64_t, Time, Patterns<double>>> sets;
  std::vector<std::tuple<std::string, RunState, absl::Status, Time, std::optional<Time>, std::optional<Time>>>
      run_states;
  std::vector<std::tuple<int64_t, double, int64_t>> reports;
};

inline void ExpectSame(const SeenSession& a, const SeenSession& b) {
  EXPECT_EQ(a.state.description.spec, b.state.description.spec);
  EXPECT_EQ(a.state.description.labels, b.state.description.labels);
  EXPECT_EQ(a.state.description.create_time, b.state.description.create_time);
  EXPECT_EQ(a.state.description.pinned_versions, b.state.description.pinned_versions);
  EXPECT_EQ(a.state.scalings, b.state.scalings);
  EXPECT_EQ(a.state.model_version, b.state.model_version);
  EXPECT_EQ(a.state.update_time, b.state.update_time);
  ASSERT_EQ(a.versions.size(), b.versions.size());
  for (size_t i = 0; i < a.versions.size(); ++i) {
    EXPECT_EQ(a.versions[i]->model_version, b.versions[i]->model_version);
    EXPECT_EQ(a.versions[i]->parameters, b.versions[i]->parameters) << "version " << a.versions[i]->model_version;
    EXPECT_EQ(a.versions[i]->scalings, b.versions[i]->scalings);
  }
  EXPECT_EQ(a.sets, b.sets);
  EXPECT_EQ(a.run_states, b.run_states);
  EXPECT_EQ(a.reports, b.reports);
}

}  // namespace backprop::server
