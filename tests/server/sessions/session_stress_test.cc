// Eight sessions train while threads do everything else at once: no wrong answer, no deadlock. ThreadSanitizer runs it.
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/batch_computation.h"
#include "core/error.h"
#include "core/initial_parameters.h"
#include "tests/server/sessions/session_world.h"

namespace backprop::server {
namespace {

constexpr int kSessions = 8;
constexpr int kRounds = 30;

std::string IdOf(int i) { return absl::StrCat("s", i); }

class SessionStressTest : public testing::Test {
 protected:
  SessionStressTest() {
    for (int i = 0; i < kSessions; ++i) {
      const auto session = world_.Create(IdOf(i), SmallSpec(i));
      EXPECT_TRUE(session->Append({.pattern_set = "s", .offset = 0}, SmallPatterns(40, i)).ok());
      runs_.push_back(session->StartTrainingRun(Epochs(kEndless, {.batch_size = i % 4 * 8})).value());
    }
  }

  // Calls `act` with every session in turn, some rounds.
  std::jthread Thread(std::function<void(int i, int round)> act) {
    return std::jthread([act = std::move(act)] {
      for (int round = 0; round < kRounds; ++round) {
        for (int i = 0; i < kSessions; ++i) act(i, round);
      }
    });
  }

  World world_{{.worker_count = 3, .max_sessions = 100}};
  std::vector<std::shared_ptr<TrainingRun>> runs_;
};

TEST_F(SessionStressTest, EverythingAtOnceGivesRightAnswers) {
  std::atomic<int64_t> predictions = 0, reports = 0;
  const Patterns<double> probe = SmallPatterns(3, 99);
  {
    std::vector<std::jthread> threads;
    threads.push_back(Thread([&](int i, int round) {
      EXPECT_EQ(
          world_.Get(IdOf(i))->Append({.pattern_set = "s", .offset = 40 + 2 * round}, SmallPatterns(2, round)).value(),
          40 + 2 * round);
    }));
    threads.push_back(Thread([&](int i, int) {
      // Whatever is published meanwhile, a snapshot predicts the same twice, and is what its version says.
      const auto session = world_.Get(IdOf(i));
      const auto snapshot = session->model_versions().Latest();
      const auto predict = [&] {
        return Predict<double>(session->spec(), snapshot->scalings, snapshot->parameters, probe.inputs, NeverStop);
      };
      const Matrix<double> first = predict();
      EXPECT_TRUE(first.allFinite());
      EXPECT_EQ(predict(), first);
      const auto same = session->model_versions().Get(snapshot->model_version);
      EXPECT_TRUE(!same.ok() || (*same)->parameters == snapshot->parameters);
      ++predictions;
    }));
    threads.push_back(Thread([&](int i, int round) {
      const auto report = runs_[i]->WaitForReport(round, NeverStop);
      ASSERT_TRUE(report.has_value());
      EXPECT_EQ(report->epoch, round + 1);
      EXPECT_EQ(report->model_version, round + 1);
      EXPECT_EQ(report->training.pattern_count, 40);
      ++reports;
    }));
    threads.push_back(Thread([&](int i, int round) {
      const auto session = world_.Get(IdOf(i));
      EXPECT_EQ(ReasonOf(session->StartTrainingRun(Epochs(1)).status()), "ACTIVE_TRAINING_RUN");
      EXPECT_TRUE(session->Update({.labels = Labels{{"round", absl::StrCat(round)}}}).ok());
      EXPECT_EQ(session->state().active_training_run, "run-1");
      const auto all =
          ListSessions(world_.registry, "", 1000, [](const SessionState& state) { return state.model_version >= 0; });
      EXPECT_GE(all.size(), size_t{kSessions});
    }));
    threads.push_back(Thread([&](int i, int round) {
      const std::string id = absl::StrCat("copy-", i, "-", round);
      const AnySession copy = world_.registry.Copy(IdOf(i), id).value();
      const auto& session = *std::get<std::shared_ptr<Session<double>>>(copy);
      EXPECT_EQ(session.state().model_version, 0);
      EXPECT_EQ(session.pattern_sets().NextOffset("s") % 2, 0);
      EXPECT_TRUE(world_.registry.Delete(id).ok());
    }));
    threads.push_back(Thread([&](int i, int round) {
      // Sessions that come, train for a while and go; on-line training waits for its turn among the runs.
      if (i != round % kSessions) return;
      const std::string id = absl::StrCat("brief-", i, "-", round);
      const auto session = world_.Create(id, SmallSpec());
      ASSERT_TRUE(session->TrainOnline({.pattern_set = "s", .offset = 0}, SmallPatterns(5), {}).ok());
      const auto run = session->StartTrainingRun(Epochs(kEndless)).value();
      if (round % 2 == 0) run->Cancel(CancelledByTest());
      EXPECT_TRUE(world_.registry.Delete(id).ok());
      EXPECT_TRUE(run->WaitForEnd(NeverStop));
      EXPECT_EQ(run->status().state, RunState::kCancelled);
    }));
  }
  for (const auto& run : runs_) run->Cancel(CancelledByTest());
  for (int i = 0; i < kSessions; ++i) {
    EXPECT_TRUE(runs_[i]->WaitForEnd(NeverStop));
    const auto session = world_.Get(IdOf(i));
    EXPECT_EQ(session->state().model_version, runs_[i]->status().completed_epoch_count);
    EXPECT_EQ(session->pattern_sets().NextOffset("s"), 40 + 2 * kRounds);
    for (int round = 0; round < kRounds; ++round) {
      EXPECT_EQ(session->pattern_sets().Get("s")->Slice(40 + 2 * round, 2), SmallPatterns(2, round));
    }
  }
  EXPECT_EQ(predictions, kSessions * kRounds);
  EXPECT_EQ(reports, kSessions * kRounds);
  EXPECT_EQ(world_.registry.count(), size_t{kSessions});
}

TEST_F(SessionStressTest, OnlineTrainingOfOneSessionFromManyThreadsLearnsEachBatchOnce) {
  const auto session = world_.Create("online", SmallSpec());
  std::atomic<int> learned = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int64_t batch = 0; batch < 10; ++batch) {
          // All threads send the same batches: one learns each of them, the others hear that it is there.
          const auto result =
              session->TrainOnline({.pattern_set = "o", .offset = 3 * batch}, SmallPatterns(3, batch), {});
          learned += result.ok();
          EXPECT_TRUE(result.ok() || result.status().code() == absl::StatusCode::kAlreadyExists) << result.status();
        }
      });
    }
  }
  EXPECT_EQ(learned, 10);
  EXPECT_EQ(session->state().model_version, 10);
  const auto alone = world_.Create("alone", SmallSpec());
  for (int64_t batch = 0; batch < 10; ++batch) {
    ASSERT_TRUE(alone->TrainOnline({.pattern_set = "o", .offset = {}}, SmallPatterns(3, batch), {}).ok());
  }
  EXPECT_EQ(session->model_versions().Latest()->parameters, alone->model_versions().Latest()->parameters);
}

TEST_F(SessionStressTest, ShutdownInTheMiddleOfEverythingEndsEverything) {
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      const auto session = world_.Create(absl::StrCat("t", t), SmallSpec());
      for (int64_t n = 0;; ++n) {
        const auto result = session->TrainOnline({.pattern_set = "s", .offset = 2 * n}, SmallPatterns(2, n), {});
        if (result.ok()) continue;
        EXPECT_EQ(ReasonOf(result.status()), "SHUTTING_DOWN");
        EXPECT_EQ(session->state().model_version, n);
        return;
      }
    });
  }
  ASSERT_TRUE(runs_[0]->WaitForReport(5, NeverStop).has_value());
  world_.workers.Shutdown();
  threads.clear();
  for (const auto& run : runs_) {
    EXPECT_TRUE(run->WaitForEnd(NeverStop));
    EXPECT_EQ(ReasonOf(run->status().error), "SHUTTING_DOWN");
  }
}

}  // namespace
}  // namespace backprop::server
