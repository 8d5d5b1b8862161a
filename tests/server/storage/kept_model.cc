#include "tests/server/storage/kept_model.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace backprop::server {
namespace {

using Time = std::chrono::system_clock::time_point;

template <typename Values, typename Predicate>
void EraseIf(Values* values, Predicate predicate) {
  values->erase(std::remove_if(values->begin(), values->end(), predicate), values->end());
}

template <typename M>
void AppendColumns(const M& more, M* matrix) {
  const Eigen::Index old = matrix->cols();
  matrix->conservativeResize(more.rows(), old + more.cols());
  matrix->rightCols(more.cols()) = more;
}

template <typename Scalar>
void AppendPatterns(const Patterns<Scalar>& more, Patterns<Scalar>* patterns) {
  AppendColumns(more.inputs, &patterns->inputs);
  AppendColumns(more.targets, &patterns->targets);
  AppendColumns(more.weights, &patterns->weights);
}

std::string Bits(double number) {
  uint64_t bits = 0;
  std::memcpy(&bits, &number, sizeof(bits));
  return absl::StrCat(absl::Hex(bits));
}
template <typename M>
std::string BitsOf(const M& matrix) {
  const char* const data = reinterpret_cast<const char*>(matrix.data());
  const size_t size = static_cast<size_t>(matrix.size()) * sizeof(typename M::Scalar);
  return absl::StrCat(matrix.rows(), "x", matrix.cols(), ":", absl::BytesToHexString({data, size}));
}

// Lines of `name: values`.
class Text {
 public:
  template <typename... Values>
  void Add(const char* name, const Values&... values) {
    absl::StrAppend(&text_, name, ":");
    (AddValue(values), ...);
    text_ += "\n";
  }
  std::string Take() { return std::move(text_); }

 private:
  void AddValue(const std::string& value) { absl::StrAppend(&text_, " \"", absl::CHexEscape(value), "\""); }
  void AddValue(double value) { absl::StrAppend(&text_, " ", Bits(value)); }
  void AddValue(int value) { absl::StrAppend(&text_, " ", value); }
  void AddValue(int64_t value) { absl::StrAppend(&text_, " ", value); }
  void AddValue(bool value) { absl::StrAppend(&text_, value ? " true" : " false"); }
  void AddValue(Time value) { absl::StrAppend(&text_, " ", value.time_since_epoch().count()); }
  void AddValue(std::chrono::duration<double> value) { AddValue(value.count()); }
  template <typename Value>
  void AddValue(const std::optional<Value>& value) {
    value ? AddValue(*value) : absl::StrAppend(&text_, " none");
  }
  void AddValue(const Scalings& s) {
    for (const Vector<double>* v : {&s.input.offset, &s.input.scale, &s.target.offset, &s.target.scale}) {
      AddValue(BitsOf(*v));
    }
  }
  void AddValue(const GradientAscent& o) { (AddValue(o.momentum), AddValue(o.nesterov)); }
  void AddValue(const Adam& o) { (AddValue(o.beta1), AddValue(o.beta2), AddValue(o.epsilon)); }
  void AddValue(const Rprop& o) {
    for (const double d : {o.increase_factor, o.decrease_factor, o.min_step_size, o.max_step_size}) AddValue(d);
  }
  void AddValue(const Lbfgs& o) { AddValue(o.history_size); }
  void AddValue(const NewtonCg& o) { (AddValue(o.max_product_count), AddValue(o.tolerance), AddValue(o.gauss_newton)); }
  void AddValue(const ConstantSchedule&) {}
  void AddValue(const ExponentialSchedule& s) { AddValue(s.factor); }
  void AddValue(const CosineSchedule& s) { (AddValue(s.final_step_size), AddValue(s.epoch_count)); }
  void AddValue(const OnPlateauSchedule& s) {
    (AddValue(s.factor), AddValue(s.patience), AddValue(s.min_improvement), AddValue(s.min_step_size));
  }
  template <typename... Alternatives>
  void AddValue(const std::variant<Alternatives...>& value) {
    AddValue(static_cast<int>(value.index()));
    std::visit([this](const auto& alternative) { AddValue(alternative); }, value);
  }
  void AddValue(const EarlyStopping& s) {
    (AddValue(s.patience), AddValue(s.min_improvement), AddValue(s.restore_best));
  }
  void AddValue(const TrainingOptions& o) {
    (AddValue(o.batch_size), AddValue(static_cast<int>(o.reduction)), AddValue(o.step_size), AddValue(o.optimizer));
    (AddValue(o.schedule), AddValue(o.weight_decay), AddValue(o.gradient_norm_limit), AddValue(o.shuffle));
    (AddValue(o.seed), AddValue(o.early_stopping));
  }
  void AddValue(const absl::Status& status) {
    AddValue(status.ToString(absl::StatusToStringMode::kWithEverything));
    AddValue(static_cast<int>(status.code()));
  }
  void AddValue(const EpochMeasures& m) {
    AddValue(m.pattern_count);
    for (const double d : {m.log_likelihood, m.mean_log_likelihood, m.accuracy, m.mean_squared_error}) AddValue(d);
  }

  std::string text_;
};

template <typename Scalar>
void AddOptimizer(const OptimizerState<Scalar>& state, Text* text) {
  text->Add("optimizer", state.step_count, BitsOf(state.first), BitsOf(state.second), state.damping, state.step_size);
  for (const auto& [step, gradient_fall] : state.history) text->Add("pair", BitsOf(step), BitsOf(gradient_fall));
}

void AddRun(const KeptTrainingRun& r, Text* text) {
  text->Add("run", r.number, r.request.pattern_set, r.request.validation_pattern_set, r.request.options,
            r.request.epoch_count, r.pattern_set_key, r.pattern_count, r.validation_set_key, r.validation_count,
            static_cast<int>(r.state), r.error, r.create_time, r.start_time, r.end_time);
}

}  // namespace

template <typename Scalar>
void KeptModel<Scalar>::Apply(const SessionChange<Scalar>& change) {
  if (!kept) kept.emplace(KeptSession<Scalar>{.description = *change.description});
  KeptSession<Scalar>& k = *kept;
  if (change.description != nullptr) k.description = *change.description;
  k.update_time = change.time;
  for (const Snapshot<Scalar>* snapshot : change.snapshots) {
    EraseIf(&k.snapshots, [&](const auto& s) { return s.model_version == snapshot->model_version; });
    k.snapshots.push_back(*snapshot);
    EraseIf(&k.online_steps, [&](const auto& s) { return s.model_version <= snapshot->model_version; });
  }
  std::sort(k.snapshots.begin(), k.snapshots.end(),
            [](const auto& a, const auto& b) { return a.model_version < b.model_version; });
  for (const int64_t version : change.dropped_versions) {
    EraseIf(&k.snapshots, [&](const auto& s) { return s.model_version == version; });
  }
  if (change.learner != nullptr) k.learner = *change.learner;
  for (const KeptPatternSet& set : change.new_sets) k.pattern_sets.push_back(set);
  std::sort(k.pattern_sets.begin(), k.pattern_sets.end(), [](const auto& a, const auto& b) { return a.key < b.key; });
  for (const PatternAppend<Scalar>& append : change.appends) {
    const Patterns<Scalar> more = append.patterns->Slice(0, append.patterns->count());
    for (KeptPatternSet& set : k.pattern_sets) {
      if (set.key != append.pattern_set_key) continue;
      set.pattern_count += more.count();
      set.update_time = change.time;
    }
    AppendPatterns(more, &patterns[append.pattern_set_key]);
  }
  if (change.online_step != nullptr) k.online_steps.push_back(*change.online_step);
  for (const int64_t key : change.hidden_sets) {
    for (KeptPatternSet& set : k.pattern_sets) {
      if (set.key == key) set.id.clear();
    }
  }
  for (const int64_t key : change.erased_sets) {
    EraseIf(&k.pattern_sets, [&](const auto& set) { return set.key == key; });
    patterns.erase(key);
  }
  if (change.checkpoint != nullptr) k.checkpoint = *change.checkpoint;
  if (change.run != nullptr) {
    const auto same = [&](const auto& run) { return run.run.number == change.run->number; };
    auto run = std::find_if(k.runs.begin(), k.runs.end(), same);
    if (run == k.runs.end()) run = k.runs.insert(run, {.run = *change.run, .reports = {}});
    run->run = *change.run;
    run->reports.insert(run->reports.end(), change.reports.begin(), change.reports.end());
    if (HasEnded(change.run->state)) k.checkpoint.reset();
  }
  for (const int64_t number : change.dropped_runs) {
    EraseIf(&k.runs, [&](const auto& run) { return run.run.number == number; });
  }
  if (change.answer != nullptr) k.answers.push_back(*change.answer);
  if (std::ssize(k.answers) > change.kept_answers) k.answers.erase(k.answers.begin());
}

template <typename Scalar>
absl::StatusOr<KeptModel<Scalar>> ReadAll(OpenedSession<Scalar> opened) {
  KeptModel<Scalar> model;
  const absl::Status status = opened.log->ReadPatterns([&](int64_t key, const Patterns<Scalar>& patterns) {
    AppendPatterns(patterns, &model.patterns[key]);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  model.kept = std::move(opened.kept);
  return model;
}

template <typename Scalar>
std::string TextOf(const KeptModel<Scalar>& model) {
  Text text;
  if (!model.kept) return "no session";
  const KeptSession<Scalar>& k = *model.kept;
  const NetworkSpec::Fields& f = k.description.spec.fields();
  text.Add("session", k.description.id, k.description.create_time, k.update_time);
  text.Add("network", f.input_unit_count, f.output_unit_count, static_cast<int>(f.task), static_cast<int>(f.precision),
           static_cast<int>(f.initial_weights.distribution), f.initial_weights.range, f.initial_weights.seed);
  for (const HiddenLayer& layer : f.hidden_layers) {
    text.Add("layer", layer.unit_count, static_cast<int>(layer.activation));
  }
  for (const std::string& name : f.output_names) text.Add("output", name);
  for (const auto& [key, value] : k.description.labels) text.Add("label", key, value);
  for (const Snapshot<Scalar>& s : k.snapshots) {
    text.Add("snapshot", s.model_version, s.scalings, BitsOf(s.parameters.flat()));
  }
  if (k.learner) {
    text.Add("learner", k.learner->options());
    AddOptimizer(k.learner->optimizer(), &text);
  }
  for (const OnlineStep& s : k.online_steps) {
    text.Add("step", s.model_version, s.pattern_set_key, s.offset, s.pattern_count, s.options);
  }
  for (const KeptPatternSet& s : k.pattern_sets) text.Add("set", s.key, s.id, s.pattern_count, s.update_time);
  for (const auto& run : k.runs) {
    AddRun(run.run, &text);
    for (const EpochReport& r : run.reports) {
      text.Add("report", r.epoch, r.training, r.validation, r.gradient_norm, r.step_size, r.best, r.model_version,
               r.patterns_per_second, r.elapsed, r.estimated_remaining);
    }
  }
  if (k.checkpoint) {
    const TrainerState<Scalar>& c = *k.checkpoint;
    const Measures& m = c.measures;
    text.Add("checkpoint", BitsOf(c.parameters.flat()), c.epoch, c.position, c.gradient_norm_sum, c.batch_count);
    text.Add("state", c.plateau.best, c.plateau.epochs_without_improvement, c.plateau.factor, c.stopping.best,
             c.stopping.improved_over, c.stopping.best_epoch, c.stopping.epochs_without_improvement);
    text.Add("measures", m.pattern_count, m.weight_sum, m.log_likelihood, m.correct, m.squared_error);
    text.Add("best", c.best_parameters ? BitsOf(c.best_parameters->flat()) : std::string("none"));
    AddOptimizer(c.optimizer, &text);
  }
  for (const RequestAnswer& a : k.answers) text.Add("answer", a.request_id, a.request_hash, a.answer);
  for (const auto& [key, p] : model.patterns) {
    text.Add("patterns", key, BitsOf(p.inputs), BitsOf(p.targets), BitsOf(p.weights));
  }
  return text.Take();
}

template struct KeptModel<float>;
template struct KeptModel<double>;
template absl::StatusOr<KeptModel<float>> ReadAll(OpenedSession<float>);
template absl::StatusOr<KeptModel<double>> ReadAll(OpenedSession<double>);
template std::string TextOf(const KeptModel<float>&);
template std::string TextOf(const KeptModel<double>&);

}  // namespace backprop::server
