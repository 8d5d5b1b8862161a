#include "server/storage/change_writer.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/storage/record_codec.h"
#include "server/storage/storage_error.h"

namespace backprop::server {
namespace {

[[noreturn]] void Refuse(absl::string_view what) {
  throw StorageException(absl::InternalError(absl::StrCat("a change that cannot be stored: ", what)));
}

int64_t KeyOf(int64_t first, int64_t second) {
  if (first < 0 || first >= 2 * kKeyPartLimit || second < 0 || second >= kKeyPartLimit) Refuse("a key out of range");
  return PairKey(first, second);
}

KeptPatternSet SetOf(RecordFile* file, int64_t key) {
  const std::optional<std::string> data = file->Get(RecordKind::kPatternSet, key);
  if (!data) Refuse(absl::StrCat("there is no pattern set of key ", key));
  return Decode<KeptPatternSet>(*data);
}

template <typename Scalar>
void WriteSnapshots(const SessionChange<Scalar>& change, RecordFile* file) {
  for (const Snapshot<Scalar>* snapshot : change.snapshots) {
    file->Put(RecordKind::kSnapshot, snapshot->model_version, Encode(snapshot->scalings));
    file->Put(RecordKind::kParameters, snapshot->model_version, BytesOfVector(snapshot->parameters.flat()));
  }
  for (const int64_t version : change.dropped_versions) {
    file->Erase(RecordKind::kSnapshot, version);
    file->Erase(RecordKind::kParameters, version);
  }
  if (!change.snapshots.empty()) {
    file->Erase(RecordKind::kOnlineStep, std::numeric_limits<int64_t>::min(), change.snapshots.back()->model_version);
  }
}

// Puts the vectors as records `first_key` on; empty ones leave none.
template <typename Scalar>
void WriteVectors(RecordKind kind, int64_t first_key, const std::vector<const Vector<Scalar>*>& vectors,
                  RecordFile* file) {
  for (const Vector<Scalar>* vector : vectors) {
    if (vector != nullptr && vector->size() > 0) {
      file->Put(kind, first_key, BytesOfVector(*vector));
    } else {
      file->Erase(kind, first_key);
    }
    ++first_key;
  }
}

template <typename Scalar>
void WriteCheckpoint(const TrainerState<Scalar>& state, RecordFile* file) {
  file->Put(RecordKind::kCheckpoint, 0, EncodeTrainerState(state));
  std::vector<const Vector<Scalar>*> vectors = {&state.parameters.flat(), &state.optimizer.first,
                                                &state.optimizer.second,
                                                state.best_parameters ? &state.best_parameters->flat() : nullptr};
  for (const CurvaturePair<Scalar>& pair : state.optimizer.history) {
    vectors.insert(vectors.end(), {&pair.step, &pair.gradient_fall});
  }
  WriteVectors<Scalar>(RecordKind::kCheckpoint, 1, vectors, file);
  file->Erase(RecordKind::kCheckpoint, static_cast<int64_t>(vectors.size()) + 1, kLastCheckpointKey);
}

// Gathers the appends of one set into records.
template <typename Scalar>
class PatternRecords {
 public:
  PatternRecords(const NetworkSpec& spec, KeptPatternSet* set, RecordFile* file)
      : spec_(spec),
        set_(set),
        file_(file),
        capacity_(std::max<int64_t>(1, kMaxPatternRecordBytes / BytesPerPattern<Scalar>(spec))) {}

  void Add(const PatternAppend<Scalar>& append) {
    if (append.offset != end()) Refuse("patterns that are not at their set's end");
    if (append.patterns->input_count() != spec_.input_unit_count() ||
        append.patterns->target_count() != spec_.output_unit_count()) {
      Refuse("patterns of another shape than the network's");
    }
    const int64_t count = append.patterns->count();
    for (int64_t begin = 0; begin < count;) {
      const int64_t n = std::min(capacity_ - pending_count_, count - begin);
      pending_.push_back({.append = &append, .begin = begin, .count = n});
      pending_count_ += n;
      begin += n;
      if (pending_count_ == capacity_) Flush();
    }
  }

  void Flush() {
    if (pending_count_ == 0) return;
    const int64_t inputs = spec_.input_unit_count(), targets = spec_.output_unit_count(), all = pending_count_;
    const int64_t number_count = (inputs + targets + 1) * all;
    if (numbers_.size() < number_count) numbers_.resize(number_count);
    Eigen::Map<Matrix<Scalar>> x(numbers_.data(), inputs, all);
    Eigen::Map<Matrix<Scalar>> y(x.data() + x.size(), targets, all);
    Eigen::Map<RowVector<Scalar>> weights(y.data() + y.size(), all);
    int64_t at = 0;
    for (const Piece& piece : pending_) {
      const int64_t n = piece.count;
      piece.append->patterns->Read(piece.begin, n, x.middleCols(at, n), y.middleCols(at, n), weights.segment(at, n));
      at += n;
    }
    file_->Put(RecordKind::kPatterns, KeyOf(set_->key, set_->pattern_count),
               {reinterpret_cast<const char*>(numbers_.data()), static_cast<size_t>(number_count) * sizeof(Scalar)});
    set_->pattern_count += all;
    pending_.clear();
    pending_count_ = 0;
  }

 private:
  struct Piece {
    const PatternAppend<Scalar>* append;
    int64_t begin;
    int64_t count;
  };
  int64_t end() const { return set_->pattern_count + pending_count_; }

  const NetworkSpec& spec_;
  KeptPatternSet* const set_;
  RecordFile* const file_;
  const int64_t capacity_;  // Patterns a record.
  std::vector<Piece> pending_;
  int64_t pending_count_ = 0;
  Vector<Scalar> numbers_;  // Of a record; its memory serves for all.
};

template <typename Scalar>
void WriteSets(const SessionChange<Scalar>& change, const NetworkSpec& spec, RecordFile* file) {
  for (KeptPatternSet set : change.new_sets) {
    set.pattern_count = 0;
    if (file->Get(RecordKind::kPatternSet, KeyOf(set.key, 0) / kKeyPartLimit)) Refuse("a pattern set that is there");
    file->Put(RecordKind::kPatternSet, set.key, Encode(set));
  }
  std::vector<const PatternAppend<Scalar>*> appends;
  for (const PatternAppend<Scalar>& append : change.appends) appends.push_back(&append);
  std::stable_sort(appends.begin(), appends.end(),
                   [](const auto* a, const auto* b) { return a->pattern_set_key < b->pattern_set_key; });
  for (auto i = appends.begin(); i != appends.end();) {
    KeptPatternSet set = SetOf(file, (*i)->pattern_set_key);
    set.key = (*i)->pattern_set_key;
    set.update_time = change.time;
    PatternRecords<Scalar> records(spec, &set, file);
    for (; i != appends.end() && (*i)->pattern_set_key == set.key; ++i) records.Add(**i);
    records.Flush();
    file->Put(RecordKind::kPatternSet, set.key, Encode(set));
  }
  for (const int64_t key : change.hidden_sets) {
    KeptPatternSet set = SetOf(file, key);
    set.id.clear();
    file->Put(RecordKind::kPatternSet, key, Encode(set));
  }
  for (const int64_t key : change.erased_sets) {
    file->Erase(RecordKind::kPatternSet, key);
    file->Erase(RecordKind::kPatterns, KeyOf(key, 0), KeyOf(key, kKeyPartLimit - 1));
  }
}

bool HasUnfinished(const std::optional<RecordFile::Record>& run) {
  return run && !HasEnded(Decode<KeptTrainingRun>(run->data).state);
}

template <typename Scalar>
void WriteRuns(const SessionChange<Scalar>& change, RecordFile* file) {
  if (change.run == nullptr && !change.reports.empty()) Refuse("reports of no training run");
  if (change.run != nullptr) {
    const std::optional<RecordFile::Record> last = file->Last(RecordKind::kRun);
    if (last && last->key < change.run->number && HasUnfinished(last)) Refuse("a run beside one that has not ended");
    file->Put(RecordKind::kRun, change.run->number, Encode(*change.run));
    for (const EpochReport& report : change.reports) {
      file->Put(RecordKind::kReport, KeyOf(change.run->number, report.epoch), Encode(report));
    }
  }
  if (change.run != nullptr && HasEnded(change.run->state)) {
    file->Erase(RecordKind::kCheckpoint, 0, kLastCheckpointKey);
  } else if (change.checkpoint != nullptr) {
    WriteCheckpoint(*change.checkpoint, file);
  }
  for (const int64_t number : change.dropped_runs) {
    file->Erase(RecordKind::kRun, number);
    file->Erase(RecordKind::kReport, KeyOf(number, 0), KeyOf(number, kKeyPartLimit - 1));
  }
  if (!change.dropped_runs.empty() && file->Get(RecordKind::kCheckpoint, 0).has_value() &&
      !HasUnfinished(file->Last(RecordKind::kRun))) {
    Refuse("a run is dropped that has not ended");
  }
}

void WriteAnswer(const RequestAnswer& answer, int64_t kept_answers, RecordFile* file) {
  const std::optional<RecordFile::Record> last = file->Last(RecordKind::kAnswer);
  const int64_t number = last ? last->key + 1 : 1;
  file->Put(RecordKind::kAnswer, number, Encode(answer));
  file->Erase(RecordKind::kAnswer, 0, number - kept_answers);
}

}  // namespace

template <typename Scalar>
void WriteChange(const SessionChange<Scalar>& change, const NetworkSpec& spec, RecordFile* file) {
  if (change.description != nullptr) {
    file->Put(RecordKind::kDescription, 0, EncodeDescription(*change.description));
  }
  WriteSnapshots(change, file);
  if (change.learner != nullptr) {
    const OptimizerState<Scalar>& optimizer = change.learner->optimizer();
    file->Put(RecordKind::kLearner, 0, EncodeLearner(*change.learner));
    WriteVectors<Scalar>(RecordKind::kLearner, 1, {&optimizer.first, &optimizer.second}, file);
  }
  WriteSets(change, spec, file);
  if (change.online_step != nullptr) {
    file->Put(RecordKind::kOnlineStep, change.online_step->model_version, Encode(*change.online_step));
  }
  WriteRuns(change, file);
  if (change.answer != nullptr) WriteAnswer(*change.answer, change.kept_answers, file);
}

template void WriteChange(const SessionChange<float>&, const NetworkSpec&, RecordFile*);
template void WriteChange(const SessionChange<double>&, const NetworkSpec&, RecordFile*);

}  // namespace backprop::server
