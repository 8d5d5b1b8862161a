#include "tests/server/storage/workload.h"

#include <stdlib.h>

#include <filesystem>
#include <limits>

#include "absl/strings/str_cat.h"
#include "core/error.h"
#include "core/random.h"
#include "gtest/gtest.h"
#include "tests/support/random_network.h"

namespace backprop::server {
namespace {

using Time = std::chrono::system_clock::time_point;

Time At(int64_t ns) { return Time(std::chrono::nanoseconds(ns)); }

template <typename Scalar>
Vector<Scalar> RandomVector(int64_t seed) {
  Random random(seed);
  Vector<Scalar> vector(StoredSpec<Scalar>().parameter_count());
  for (Scalar& number : vector) number = static_cast<Scalar>(random.Normal());
  vector(0) = std::numeric_limits<Scalar>::infinity();
  vector(1) = std::numeric_limits<Scalar>::quiet_NaN();
  vector(2) = -Scalar(0);
  return vector;
}

template <typename Scalar>
TrainerState<Scalar> Checkpoint(int64_t epoch, bool best) {
  TrainerState<Scalar> state{.parameters = Parameters<Scalar>(StoredSpec<Scalar>().layout())};
  state.parameters.flat() = RandomVector<Scalar>(epoch);
  state.optimizer = {.step_count = 7 * epoch, .first = RandomVector<Scalar>(8), .second = RandomVector<Scalar>(9)};
  state.plateau = {.best = -0.5, .epochs_without_improvement = 2, .factor = 0.1};
  state.stopping = {.best = -0.25, .improved_over = -0.3, .best_epoch = 1, .epochs_without_improvement = 4};
  if (best) state.best_parameters.emplace(StoredSpec<Scalar>().layout()).flat() = RandomVector<Scalar>(10);
  state.epoch = epoch;
  state.position = 3;
  state.measures = {
      .pattern_count = 3, .weight_sum = 2.5, .log_likelihood = -4, .correct = 2, .squared_error = 0.5, .confusion = {}};
  state.gradient_norm_sum = 1.25;
  state.batch_count = 3;
  return state;
}

TrainingOptions AllOptions() {
  return {.batch_size = 2,
          .reduction = Reduction::kSum,
          .step_size = 0.25,
          .optimizer = Adam{.beta1 = 0.8, .beta2 = 0.99, .epsilon = 1e-7},
          .schedule = OnPlateauSchedule{.factor = 0.5, .patience = 3, .min_improvement = 0.1},
          .weight_decay = 0.01,
          .gradient_norm_limit = 5,
          .shuffle = true,
          .seed = -17,
          .early_stopping = EarlyStopping{.patience = 4, .min_improvement = 0.001, .restore_best = true}};
}

KeptTrainingRun Run(int64_t number, RunState state) {
  KeptTrainingRun run{.number = number,
                      .request = {.pattern_set = "set-2",
                                  .validation_pattern_set = "set-1",
                                  .options = AllOptions(),
                                  .epoch_count = 50},
                      .pattern_set_key = 2,
                      .pattern_count = 5,
                      .validation_set_key = 1,
                      .validation_count = 3,
                      .state = state,
                      .create_time = At(1000 * number)};
  if (state != RunState::kQueued) run.start_time = At(1000 * number + 1);
  if (HasEnded(state)) run.end_time = At(1000 * number + 2);
  if (state == RunState::kFailed) run.error = Error(absl::StatusCode::kFailedPrecondition, "DIVERGED", "not finite");
  return run;
}

EpochReport Report(int64_t epoch, bool validation) {
  EpochReport report{.epoch = epoch,
                     .training = {.pattern_count = 5, .log_likelihood = -3, .mean_log_likelihood = -0.6, .accuracy = 1},
                     .validation = std::nullopt,
                     .gradient_norm = 0.5,
                     .step_size = 0.25,
                     .best = epoch == 1,
                     .model_version = 10 + epoch,
                     .patterns_per_second = 1e6,
                     .elapsed = std::chrono::duration<double>(0.125),
                     .estimated_remaining = std::chrono::duration<double>(3)};
  if (validation) report.validation = {.pattern_count = 3, .log_likelihood = -2, .mean_squared_error = 0.75};
  return report;
}

}  // namespace

TemporaryDirectory::TemporaryDirectory() {
  // In memory where there is such a place: the tests of faults sync ten thousands of times.
  const std::filesystem::path root = std::filesystem::exists("/dev/shm") ? "/dev/shm" : testing::TempDir();
  path_ = (root / "backprop-storage-XXXXXX").string();
  EXPECT_NE(mkdtemp(path_.data()), nullptr);
}

TemporaryDirectory::~TemporaryDirectory() { std::filesystem::remove_all(path_); }

template <typename Scalar>
NetworkSpec StoredSpec() {
  return MakeSpec({.input_unit_count = 3,
                   .hidden_layers = {{4, Activation::kRelu}},
                   .output_unit_count = 2,
                   .task = Task::kMultiwayClassification,
                   .precision = sizeof(Scalar) == 4 ? Precision::kFloat32 : Precision::kFloat64,
                   .initial_weights = {.distribution = InitialDistribution::kUniform, .range = 0.25, .seed = -3},
                   .output_names = {"cat", "dog"}});
}

template <typename Scalar>
Patterns<Scalar> StoredPatterns(int64_t count, int64_t seed) {
  const Patterns<double> patterns = MakePatterns(StoredSpec<Scalar>(), static_cast<int>(count), seed);
  return {.inputs = patterns.inputs.template cast<Scalar>(),
          .targets = patterns.targets.template cast<Scalar>(),
          .weights = patterns.weights.template cast<Scalar>() * Scalar(1.5)};
}

template <typename Scalar>
Snapshot<Scalar> StoredSnapshot(int64_t version) {
  Snapshot<Scalar> snapshot{
      .parameters = Parameters<Scalar>(StoredSpec<Scalar>().layout()), .scalings = {}, .model_version = version};
  snapshot.parameters.flat() = RandomVector<Scalar>(version);
  if (version % 2 == 0) {
    snapshot.scalings.input = {.offset = Vector<double>::Constant(3, 0.1), .scale = Vector<double>::Constant(3, 2)};
  }
  return snapshot;
}

template <typename Scalar>
OwnedChange<Scalar> FirstChange(const std::string& id) {
  return {.time_ns = 1,
          .description = SessionDescription{.id = id,
                                            .spec = StoredSpec<Scalar>(),
                                            .labels = {{"team", "vision"}, {"empty", ""}},
                                            .create_time = At(1)},
          .snapshots = {StoredSnapshot<Scalar>(1)}};
}

template <typename Scalar>
OwnedChange<Scalar> NewSet(int64_t key, int64_t pattern_count) {
  OwnedChange<Scalar> change{
      .time_ns = 100 + key,
      .new_sets = {{.key = key, .id = absl::StrCat("set-", key), .pattern_count = 0, .update_time = At(100 + key)}}};
  if (pattern_count > 0) {
    change.appends = {{key, 0, StoredPatterns<Scalar>(pattern_count, key)}};
  }
  return change;
}

template <typename Scalar>
std::vector<OwnedChange<Scalar>> WholeSetWorkload(const std::string& id) {
  std::vector<OwnedChange<Scalar>> changes = {FirstChange<Scalar>(id), NewSet<Scalar>(1, 3), NewSet<Scalar>(2, 5)};
  KeptTrainingRun run = Run(1, RunState::kRunning);
  run.request.options = {.step_size = 1, .optimizer = Lbfgs{.history_size = 3}};
  for (const int64_t pair_count : {1, 3, 0, 2}) {
    TrainerState<Scalar> state = Checkpoint<Scalar>(1, /*best=*/pair_count == 3);
    state.optimizer = {.step_count = pair_count, .first = {}, .second = {}, .step_size = 0.5};
    for (int64_t i = 0; i < pair_count; ++i) {
      state.optimizer.history.push_back(
          {.step = RandomVector<Scalar>(30 + i), .gradient_fall = RandomVector<Scalar>(40 + i)});
    }
    changes.push_back({.time_ns = 20 + pair_count, .run = run, .checkpoint = std::move(state)});
  }
  changes.push_back({.time_ns = 30, .run = Run(1, RunState::kSucceeded)});
  run.number = 2;
  run.request.options = {.step_size = 1,
                         .optimizer = NewtonCg{.max_product_count = 7, .tolerance = 0.3, .gauss_newton = true}};
  TrainerState<Scalar> state = Checkpoint<Scalar>(1, false);
  state.optimizer = {.step_count = 3, .first = {}, .second = {}, .damping = 0.025, .step_size = 1};
  changes.push_back({.time_ns = 31, .run = run, .checkpoint = std::move(state)});
  return changes;
}

template <typename Scalar>
std::vector<OwnedChange<Scalar>> ReferenceWorkload(const std::string& id) {
  using Change = OwnedChange<Scalar>;
  const SessionDescription relabelled{
      .id = id, .spec = StoredSpec<Scalar>(), .labels = {{"team", "audio"}}, .create_time = At(1)};
  const OnlineLearner<Scalar> learner(
      AllOptions(), {.step_count = 12, .first = RandomVector<Scalar>(20), .second = RandomVector<Scalar>(21)});
  const OnlineLearner<Scalar> simple(
      TrainingOptions{.optimizer = GradientAscent{}, .schedule = CosineSchedule{.final_step_size = 0.01}});
  const auto step = [](int64_t version, int64_t offset) {
    return OnlineStep{.model_version = version, .pattern_set_key = 3, .offset = offset, .pattern_count = 2};
  };
  const auto append = [](int64_t set, int64_t offset, int64_t count) {
    return typename Change::Append(set, offset, StoredPatterns<Scalar>(count, offset));
  };
  PatternSequence<Scalar> sequence(3, 2);
  for (int i = 0; i < 3; ++i) sequence.Append(StoredPatterns<Scalar>(2, 70 + i));
  return {
      FirstChange<Scalar>(id),
      {.time_ns = 2, .answer = RequestAnswer{.request_id = "r-1", .request_hash = -1, .answer = "created"}},
      NewSet<Scalar>(1, 3),
      NewSet<Scalar>(2, 0),
      {.time_ns = 3, .appends = {append(2, 0, 2), append(1, 3, 1), append(2, 2, 3)}},
      {.time_ns = 4, .description = relabelled, .answer = RequestAnswer{.request_id = "", .answer = {'\0', '\xff'}}},
      {.time_ns = 5, .snapshots = {StoredSnapshot<Scalar>(2)}, .learner = learner},
      NewSet<Scalar>(3, 0),
      {.time_ns = 6, .online_step = step(3, 0), .appends = {append(3, 0, 2)}},
      {.time_ns = 7,
       .online_step = step(4, 2),
       .appends = {append(3, 2, 2)},
       .answer = RequestAnswer{.request_id = "r-2", .request_hash = 5, .answer = std::string(3000, 'a')}},
      {.time_ns = 8, .snapshots = {StoredSnapshot<Scalar>(4)}, .dropped_versions = {1}, .learner = simple},
      {.time_ns = 9, .online_step = step(5, 4), .appends = {append(3, 4, 2)}},
      {.time_ns = 10, .run = Run(1, RunState::kQueued)},
      {.time_ns = 11, .snapshots = {StoredSnapshot<Scalar>(5)}, .run = Run(1, RunState::kRunning)},
      {.time_ns = 12, .run = Run(1, RunState::kRunning), .checkpoint = Checkpoint<Scalar>(1, false)},
      {.time_ns = 13,
       .snapshots = {StoredSnapshot<Scalar>(6), StoredSnapshot<Scalar>(7)},
       .run = Run(1, RunState::kRunning),
       .reports = {Report(1, true), Report(2, false)},
       .checkpoint = Checkpoint<Scalar>(3, true)},
      {.time_ns = 14, .hidden_sets = {2}},
      {.time_ns = 15,
       .snapshots = {StoredSnapshot<Scalar>(8)},
       .run = Run(1, RunState::kFailed),
       .reports = {Report(3, true)}},
      {.time_ns = 16, .erased_sets = {2}},
      {.time_ns = 17,
       .new_sets = {{.key = 2, .id = "set-2", .pattern_count = 0, .update_time = At(17)}},
       .appends = {{2, 0, sequence}}},
      {.time_ns = 18, .run = Run(2, RunState::kRunning), .checkpoint = Checkpoint<Scalar>(2, false)},
      {.time_ns = 19,
       .run = Run(2, RunState::kRunning),
       .reports = {Report(1, false)},
       .checkpoint = Checkpoint<Scalar>(2, true),
       .dropped_runs = {1},
       .answer = RequestAnswer{.request_id = "r-3", .request_hash = 7, .answer = ""}},
  };
}

template <typename Scalar>
std::unique_ptr<SessionLog<Scalar>> Store(SessionStore* store, const std::string& id,
                                          const std::vector<OwnedChange<Scalar>>& changes) {
  auto log = store->Create(id, changes.front().View());
  EXPECT_TRUE(log.ok()) << log.status();
  for (size_t i = 1; log.ok() && i < changes.size(); ++i) {
    const absl::Status status = (*log)->Commit(changes[i].View());
    EXPECT_TRUE(status.ok()) << "change " << i << ": " << status;
  }
  return log.ok() ? *std::move(log) : nullptr;
}

absl::StatusOr<std::string> StoredText(SessionStore* store, const std::string& id) {
  absl::StatusOr<AnyOpenedSession> opened = store->Open(id);
  if (!opened.ok()) return opened.status();
  return std::visit(
      [](auto& typed) -> absl::StatusOr<std::string> {
        const auto model = ReadAll(std::move(typed));
        if (!model.ok()) return model.status();
        return TextOf(*model);
      },
      *opened);
}

template <typename Scalar>
std::string ExpectedText(const std::vector<OwnedChange<Scalar>>& changes) {
  KeptModel<Scalar> model;
  for (const OwnedChange<Scalar>& change : changes) model.Apply(change.View());
  return TextOf(model);
}

template NetworkSpec StoredSpec<float>();
template NetworkSpec StoredSpec<double>();
template Patterns<float> StoredPatterns(int64_t, int64_t);
template Patterns<double> StoredPatterns(int64_t, int64_t);
template Snapshot<float> StoredSnapshot(int64_t);
template Snapshot<double> StoredSnapshot(int64_t);
template OwnedChange<float> FirstChange(const std::string&);
template OwnedChange<double> FirstChange(const std::string&);
template OwnedChange<float> NewSet(int64_t, int64_t);
template OwnedChange<double> NewSet(int64_t, int64_t);
template std::vector<OwnedChange<float>> WholeSetWorkload(const std::string&);
template std::vector<OwnedChange<double>> WholeSetWorkload(const std::string&);
template std::vector<OwnedChange<float>> ReferenceWorkload(const std::string&);
template std::vector<OwnedChange<double>> ReferenceWorkload(const std::string&);
template std::unique_ptr<SessionLog<float>> Store(SessionStore*, const std::string&,
                                                  const std::vector<OwnedChange<float>>&);
template std::unique_ptr<SessionLog<double>> Store(SessionStore*, const std::string&,
                                                   const std::vector<OwnedChange<double>>&);
template std::string ExpectedText(const std::vector<OwnedChange<float>>&);
template std::string ExpectedText(const std::vector<OwnedChange<double>>&);

}  // namespace backprop::server
