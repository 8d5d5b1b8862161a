#include <dlfcn.h>
#include <dlib/dnn.h>

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "bench/contender.h"

namespace backprop::bench {
namespace {

constexpr double kStepSize = 0.01;

// Of OpenBLAS, which dlib's products are made by where it is the system's BLAS.
absl::Status SetThreads(int count) {
  const auto set = reinterpret_cast<void (*)(int)>(dlsym(RTLD_DEFAULT, "openblas_set_num_threads"));
  if (set == nullptr)
    return absl::FailedPreconditionError("libblas.so.3 is not OpenBLAS: dlib would not be a fair peer");
  set(count);
  return absl::OkStatus();
}

template <int hidden_count>
using Network =
    dlib::loss_multiclass_log<dlib::fc<10, dlib::sig<dlib::fc<hidden_count, dlib::input<dlib::matrix<float>>>>>>;

// A network of dlib, its patterns and where among them it is.
template <int hidden_count>
class DlibTraining {
 public:
  explicit DlibTraining(const TrainingShape& shape)
      : labels_(PeerPatterns(shape).classes), batch_size_(static_cast<size_t>(shape.batch_size)) {
    const PeerPatterns patterns(shape);
    for (size_t t = 0; t < labels_.size(); ++t) {
      inputs_.emplace_back(
          dlib::mat(&patterns.inputs[t * static_cast<size_t>(shape.layers.front())], 1, shape.layers.front()));
    }
    trainer_.set_learning_rate(kStepSize);
    trainer_.set_learning_rate_shrink_factor(1);  // No search for a plateau.
    trainer_.set_mini_batch_size(batch_size_);
  }

  // The next batch by the net's own gradient and update.
  void Update() {
    const size_t begin = NextBatch();
    const auto first = inputs_.begin() + static_cast<std::ptrdiff_t>(begin);
    network_.to_tensor(first, first + static_cast<std::ptrdiff_t>(batch_size_), batch_);
    network_.compute_parameter_gradients(batch_, labels_.begin() + static_cast<std::ptrdiff_t>(begin));
    network_.update_parameters(solvers_, kStepSize);
  }
  // By dnn_trainer, on the thread that it has.
  void Train() {
    const size_t begin = NextBatch();
    const auto first = inputs_.begin() + static_cast<std::ptrdiff_t>(begin);
    trainer_.train_one_step(first, first + static_cast<std::ptrdiff_t>(batch_size_),
                            labels_.begin() + static_cast<std::ptrdiff_t>(begin));
  }
  void FinishTraining() { trainer_.get_net(dlib::force_flush_to_disk::no); }

 private:
  size_t NextBatch() {
    if (position_ + batch_size_ > labels_.size()) position_ = 0;
    return std::exchange(position_, position_ + batch_size_);
  }

  std::vector<dlib::matrix<float>> inputs_;
  std::vector<unsigned long> labels_;
  const size_t batch_size_;
  size_t position_ = 0;
  dlib::resizable_tensor batch_;
  Network<hidden_count> network_, trained_;
  std::vector<dlib::sgd> solvers_{Network<hidden_count>::num_computational_layers, dlib::sgd(0, 0)};
  dlib::dnn_trainer<Network<hidden_count>> trainer_{trained_, dlib::sgd(0, 0)};
};

template <int hidden_count>
std::vector<Contender> ContendersOf(const TrainingShape& shape) {
  const auto training = std::make_shared<DlibTraining<hidden_count>>(shape);
  std::vector<Contender> contenders;
  for (const int threads : {1, 2}) {
    const auto add = [&](const char* name, auto step, auto finish) {
      contenders.push_back(
          {absl::StrCat("dlib, ", name, ", threads ", threads),
           [training, threads, size = shape.batch_size, step, finish](double seconds) -> absl::StatusOr<double> {
             if (absl::Status status = SetThreads(threads); !status.ok()) return status;
             return StepsPerSecond(
                 seconds, size, [&] { step(*training); }, [&] { finish(*training); });
           }});
    };
    using Training = DlibTraining<hidden_count>;
    add(
        "update_parameters", [](Training& it) { it.Update(); }, [](Training&) {});
    add(
        "dnn_trainer", [](Training& it) { it.Train(); }, [](Training& it) { it.FinishTraining(); });
  }
  return contenders;
}

}  // namespace

std::vector<Contender> DlibContenders(const TrainingShape& shape) {
  if (shape.layers == std::vector{784, 128, 10}) return ContendersOf<128>(shape);
  if (shape.layers == std::vector{784, 300, 10}) return ContendersOf<300>(shape);
  return {};
}

}  // namespace backprop::bench
