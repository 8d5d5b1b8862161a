#include "server/storage/session_loader.h"

#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/sessions/resource_name.h"
#include "server/storage/record_codec.h"
#include "server/storage/storage_error.h"

namespace backprop::server {
namespace {

void Check(bool right, const char* what) {
  if (!right) throw cereal::Exception(what);
}

// Takes records in the order of their kinds, and then puts them together.
template <typename Scalar>
class Loader {
 public:
  explicit Loader(const SessionDescription& description) : spec_(description.spec), kept_{.description = description} {}

  void Add(RecordKind kind, int64_t key, std::string_view data) {
    switch (kind) {
      case RecordKind::kHead:
      case RecordKind::kPatterns:
      case RecordKind::kDeletion:
        return;
      case RecordKind::kDescription:
        Check(key == 0, "there is more than one description");
        return;
      case RecordKind::kSnapshot:
        return AddSnapshot(key, data);
      case RecordKind::kParameters:
        return AddParameters(key, data);
      case RecordKind::kLearner:
        return AddPart(key, data, 2, &learner_scalars_, &learner_vectors_);
      case RecordKind::kPatternSet:
        return AddSet(key, data);
      case RecordKind::kOnlineStep:
        return AddOnlineStep(key, data);
      case RecordKind::kRun:
        return AddRun(key, data);
      case RecordKind::kReport:
        return AddReport(key, data);
      case RecordKind::kCheckpoint:
        return AddPart(key, data, kLastCheckpointKey, &checkpoint_scalars_, &checkpoint_vectors_);
      case RecordKind::kAnswer:
        kept_.answers.push_back(Decode<RequestAnswer>(data));
        return;
    }
  }

  KeptSession<Scalar> Finish(RecordFile::Time update_time) {
    Check(!kept_.snapshots.empty(), "there is no snapshot");
    Check(parameters_count_ == kept_.snapshots.size(), "a snapshot lacks its parameters");
    if (!kept_.online_steps.empty()) {
      Check(kept_.online_steps.front().model_version == kept_.snapshots.back().model_version + 1,
            "an on-line step is missing");
    }
    if (!learner_scalars_.empty()) {
      kept_.learner = DecodeLearner<Scalar>(learner_scalars_, Take(&learner_vectors_, 1), Take(&learner_vectors_, 2));
    }
    Check(kept_.learner || learner_vectors_.empty(), "a learner lacks its options");
    FinishRuns();
    kept_.update_time = update_time;
    return std::move(kept_);
  }

 private:
  using Vectors = std::map<int64_t, Vector<Scalar>>;

  void AddSnapshot(int64_t version, std::string_view data) {
    Scalings scalings = Decode<Scalings>(data);
    CheckValid(Validate(scalings, spec_));
    kept_.snapshots.push_back(
        {.parameters = Parameters<Scalar>(spec_.layout()), .scalings = std::move(scalings), .model_version = version});
  }

  // Snapshots and parameters both come by version.
  void AddParameters(int64_t version, std::string_view data) {
    Check(parameters_count_ < kept_.snapshots.size() && kept_.snapshots[parameters_count_].model_version == version,
          "parameters lack their snapshot");
    kept_.snapshots[parameters_count_++].parameters.flat() = DecodeVector<Scalar>(data, spec_);
  }

  void AddPart(int64_t key, std::string_view data, int64_t last_vector, std::string* scalars, Vectors* vectors) {
    Check(key >= 0 && key <= last_vector, "a part is of an unknown number");
    if (key == 0) {
      *scalars = data;
    } else {
      vectors->emplace(key, DecodeVector<Scalar>(data, spec_));
    }
  }
  // Empty where there is none.
  Vector<Scalar> Take(Vectors* vectors, int64_t key) {
    const auto node = vectors->extract(key);
    return node.empty() ? Vector<Scalar>() : std::move(node.mapped());
  }

  void AddSet(int64_t key, std::string_view data) {
    KeptPatternSet set = Decode<KeptPatternSet>(data);
    set.key = key;
    Check(key >= 1 && set.pattern_count >= 0 && set.pattern_count <= kMaxPatternsPerSet, "a pattern set's numbers");
    Check(set.id.empty() || (IsValidId(set.id) && set_ids_.insert(set.id).second), "a pattern set's id");
    set_counts_[key] = set.pattern_count;
    kept_.pattern_sets.push_back(std::move(set));
  }

  // Whether the first `count` patterns of a set are there.
  bool HasPatterns(int64_t key, int64_t count) const {
    const auto found = set_counts_.find(key);
    return found != set_counts_.end() && count >= 1 && count <= found->second;
  }

  void AddOnlineStep(int64_t version, std::string_view data) {
    OnlineStep step = Decode<OnlineStep>(data);
    step.model_version = version;
    CheckValid(ValidateOnline(step.options));
    Check(step.offset >= 0 && step.offset <= kMaxPatternsPerSet && step.pattern_count >= 1 &&
              step.pattern_count <= kMaxPatternsPerSet &&
              HasPatterns(step.pattern_set_key, step.offset + step.pattern_count),
          "an on-line step's patterns are not there");
    Check(kept_.online_steps.empty() || kept_.online_steps.back().model_version == version - 1,
          "an on-line step is missing");
    kept_.online_steps.push_back(step);
  }

  void AddRun(int64_t number, std::string_view data) {
    KeptTrainingRun run = Decode<KeptTrainingRun>(data);
    run.number = number;
    Check(number >= 1 && run.request.epoch_count >= 1 && run.request.epoch_count <= kMaxEpochCount,
          "a training run's numbers");
    CheckValid(Validate(run.request.options));
    Check(kept_.runs.empty() || HasEnded(kept_.runs.back().run.state), "two training runs have not ended");
    if (!HasEnded(run.state)) {
      Check(HasPatterns(run.pattern_set_key, run.pattern_count), "a training run's patterns are not there");
      Check(run.validation_set_key == 0 || HasPatterns(run.validation_set_key, run.validation_count),
            "a training run's validation patterns are not there");
    }
    run_places_[number] = kept_.runs.size();
    kept_.runs.push_back({.run = std::move(run), .reports = {}});
  }

  void AddReport(int64_t key, std::string_view data) {
    const auto place = run_places_.find(key / kKeyPartLimit);
    Check(place != run_places_.end(), "a report lacks its training run");
    std::vector<EpochReport>& reports = kept_.runs[place->second].reports;
    EpochReport report = Decode<EpochReport>(data);
    report.epoch = key % kKeyPartLimit;
    Check(report.epoch == static_cast<int64_t>(reports.size()) + 1, "a report is missing");
    reports.push_back(report);
  }

  void FinishRuns() {
    Check(!checkpoint_scalars_.empty() || checkpoint_vectors_.empty(), "a checkpoint lacks its numbers");
    if (checkpoint_scalars_.empty()) return;
    Check(!kept_.runs.empty() && !HasEnded(kept_.runs.back().run.state), "a checkpoint lacks its training run");
    Check(checkpoint_vectors_.contains(1), "a checkpoint lacks its parameters");
    const KeptTrainingRun& run = kept_.runs.back().run;
    TrainerState<Scalar> state = DecodeTrainerState<Scalar>(checkpoint_scalars_, spec_);
    state.parameters.flat() = Take(&checkpoint_vectors_, 1);
    state.optimizer.first = Take(&checkpoint_vectors_, 2);
    state.optimizer.second = Take(&checkpoint_vectors_, 3);
    if (Vector<Scalar> best = Take(&checkpoint_vectors_, 4); best.size() > 0) {
      state.best_parameters.emplace(spec_.layout()).flat() = std::move(best);
    }
    for (int64_t key = kFirstHistoryKey; checkpoint_vectors_.contains(key); key += 2) {
      Check(checkpoint_vectors_.contains(key + 1), "a checkpoint lacks half a pair");
      state.optimizer.history.push_back(
          {.step = Take(&checkpoint_vectors_, key), .gradient_fall = Take(&checkpoint_vectors_, key + 1)});
    }
    Check(checkpoint_vectors_.empty(), "a checkpoint lacks a pair");
    CheckOptimizer(run.request.options, state.optimizer);
    Check(state.position >= 0 && state.position <= run.pattern_count, "a checkpoint is at no pattern");
    Check(state.epoch >= 1 && state.epoch <= run.request.epoch_count + 1, "a checkpoint is in no epoch");
    kept_.checkpoint = std::move(state);
  }

  const NetworkSpec spec_;
  KeptSession<Scalar> kept_;
  size_t parameters_count_ = 0;  // Of snapshots that have theirs.
  std::string learner_scalars_, checkpoint_scalars_;
  Vectors learner_vectors_, checkpoint_vectors_;  // By part.
  std::map<int64_t, int64_t> set_counts_;         // By key.
  std::set<std::string> set_ids_;
  std::map<int64_t, size_t> run_places_;  // By number.
};

}  // namespace

SessionDescription LoadDescription(RecordFile* file, const std::string& id) {
  const std::optional<std::string> data = file->Get(RecordKind::kDescription, 0);
  if (!data) file->ThrowDamaged("it has no description");
  return DecodeDescription(*data, id);
}

std::optional<MemoryCharge> ChargeForLoad(RecordFile* file, MemoryBudget* budget) {
  if (budget == nullptr) return std::nullopt;
  MemoryCharge charge(budget);
  const int64_t bytes = file->database().execAndGet("SELECT ifnull(sum(length(data)), 0) FROM record").getInt64();
  if (absl::Status status = charge.Grow(bytes, "reading the session"); !status.ok()) throw StorageException(status);
  return charge;
}

template <typename Scalar>
KeptSession<Scalar> LoadSession(RecordFile* file, const SessionDescription& description) {
  Loader<Scalar> loader(description);
  file->VisitRecords([&](RecordKind kind, int64_t key, std::string_view data) { loader.Add(kind, key, data); });
  return loader.Finish(file->update_time());
}

template <typename Scalar>
void LoadPatterns(RecordFile* file, const NetworkSpec& spec,
                  const std::function<void(int64_t pattern_set_key, const Patterns<Scalar>& patterns)>& visit) {
  std::map<int64_t, std::pair<int64_t, int64_t>> sets;  // By key: patterns visited, of how many.
  file->VisitKind(RecordKind::kPatternSet, [&](RecordKind, int64_t key, std::string_view data) {
    sets[key] = {0, Decode<KeptPatternSet>(data).pattern_count};
  });
  file->VisitKind(RecordKind::kPatterns, [&](RecordKind, int64_t key, std::string_view data) {
    const auto set = sets.find(key / kKeyPartLimit);
    Check(set != sets.end(), "there are patterns of no set");
    auto& [end, count] = set->second;
    const Patterns<Scalar> patterns = DecodePatterns<Scalar>(data, spec);
    Check(end == key % kKeyPartLimit && patterns.count() <= count - end, "patterns do not follow one another");
    end += patterns.count();
    visit(set->first, patterns);
  });
  for (const auto& [key, set] : sets) Check(set.first == set.second, "a pattern set lacks patterns");
}

SessionState LoadState(RecordFile* file, const std::string& id) {
  SessionState state{.description = LoadDescription(file, id),
                     .scalings = {},
                     .model_version = 0,
                     .update_time = file->update_time(),
                     .active_training_run = {}};
  const std::optional<RecordFile::Record> snapshot = file->Last(RecordKind::kSnapshot);
  if (!snapshot) file->ThrowDamaged("there is no snapshot");
  state.scalings = Decode<Scalings>(snapshot->data);
  state.model_version = snapshot->key;
  if (const auto step = file->Last(RecordKind::kOnlineStep)) state.model_version = step->key;
  if (const auto run = file->Last(RecordKind::kRun); run && !HasEnded(Decode<KeptTrainingRun>(run->data).state)) {
    state.active_training_run = absl::StrCat("run-", run->key);
  }
  return state;
}

template KeptSession<float> LoadSession(RecordFile*, const SessionDescription&);
template KeptSession<double> LoadSession(RecordFile*, const SessionDescription&);
template void LoadPatterns(RecordFile*, const NetworkSpec&,
                           const std::function<void(int64_t, const Patterns<float>&)>&);
template void LoadPatterns(RecordFile*, const NetworkSpec&,
                           const std::function<void(int64_t, const Patterns<double>&)>&);

}  // namespace backprop::server
