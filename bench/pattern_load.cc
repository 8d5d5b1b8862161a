#include "bench/pattern_load.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <random>
#include <semaphore>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/pattern_checksum.h"

namespace backprop::bench {
namespace {

using Clock = std::chrono::steady_clock;

// One stream: one thread writes while messages may be on their way, another reads the acknowledgements.
class StreamLoad {
 public:
  StreamLoad(const client::Client& client, v1::AppendPatternsRequest message, const PatternLoad& load)
      : stream_(client.AppendPatterns({.timeout = absl::Seconds(load.seconds + 30)})),
        message_(std::move(message)),
        message_bytes_(static_cast<int64_t>(message_.ByteSizeLong())),
        limit_(std::max<int64_t>(1, load.byte_limit / load.stream_count / message_bytes_)),
        credits_(std::max<int64_t>(16, load.window_bytes / load.stream_count / message_bytes_)) {}

  void Start(Clock::time_point deadline) {
    writer_ = std::jthread([this, deadline] { Write(deadline); });
    reader_ = std::jthread([this, deadline] { Read(deadline); });
  }
  void Join() {
    reader_.join();
    writer_.join();
  }

  // After Join.
  [[nodiscard]] int64_t acknowledged_bytes() const { return acknowledged_ * message_bytes_; }
  [[nodiscard]] Clock::time_point last_time() const { return last_time_; }
  [[nodiscard]] const absl::Status& status() const { return status_; }

 private:
  void Write(Clock::time_point deadline) {
    const int32_t count = message_.patterns().inputs().row_count();
    for (int64_t i = 0; i < limit_ && Clock::now() < deadline; ++i) {
      credits_.acquire();
      message_.set_offset(i * count);
      if (ended_ || !stream_->Write(message_)) return;
    }
  }

  void Read(Clock::time_point deadline) {
    v1::AppendPatternsResponse response;
    while (acknowledged_ < limit_ && stream_->Read(&response)) {
      const Clock::time_point now = Clock::now();
      if (response.status().code() != 0) {
        status_ = absl::UnavailableError(response.status().message());
        break;
      }
      if (now > deadline && acknowledged_ > 0) break;
      ++acknowledged_;
      last_time_ = now;
      credits_.release();
    }
    if (acknowledged_ == 0 && status_.ok()) status_ = absl::UnavailableError("nothing was acknowledged");
    ended_ = true;
    stream_->Cancel();
    credits_.release();
  }

  const std::unique_ptr<client::AppendStream> stream_;
  v1::AppendPatternsRequest message_;
  const int64_t message_bytes_;
  const int64_t limit_;
  std::counting_semaphore<> credits_;
  std::atomic<bool> ended_ = false;
  // The reader's.
  int64_t acknowledged_ = 0;
  Clock::time_point last_time_;
  absl::Status status_;
  std::jthread writer_, reader_;
};

}  // namespace

v1::Patterns RandomPatterns(int32_t count) {
  std::minstd_rand random(1);
  std::uniform_real_distribution<float> number(0, 1);
  v1::Patterns patterns;
  v1::Matrix& inputs = *patterns.mutable_inputs();
  inputs.set_row_count(count);
  inputs.set_column_count(kInputUnits);
  for (int32_t i = 0; i < count * kInputUnits; ++i) inputs.add_values(number(random));
  v1::Matrix& targets = *patterns.mutable_targets();
  targets.set_row_count(count);
  targets.set_column_count(kOutputUnits);
  targets.mutable_values()->Resize(count * kOutputUnits, 0);
  for (int32_t t = 0; t < count; ++t) {
    targets.set_values(t * kOutputUnits + static_cast<int32_t>(random() % kOutputUnits), 1);
  }
  return patterns;
}

absl::Status CreateSession(const client::Client& client, const std::string& id) {
  v1::CreateSessionRequest request;
  request.set_session_id(id);
  v1::NetworkSpec& network = *request.mutable_session()->mutable_network();
  network.set_input_unit_count(kInputUnits);
  network.add_hidden_layers()->set_unit_count(kHiddenUnits);
  network.set_output_unit_count(kOutputUnits);
  network.set_task(v1::TASK_MULTIWAY_CLASSIFICATION);
  return client.CreateSession(request).status();
}

absl::StatusOr<double> MeasureAppends(const client::Client& client, const std::string& session_id,
                                      const PatternLoad& load) {
  v1::AppendPatternsRequest message;
  message.set_session(absl::StrCat("sessions/", session_id));
  *message.mutable_patterns() = RandomPatterns(load.patterns_per_message);
  if (load.checksums) message.set_crc32(client::ChecksumOf(message.patterns()));
  std::vector<std::unique_ptr<StreamLoad>> streams;
  for (int i = 0; i < load.stream_count; ++i) {
    message.set_pattern_set(absl::StrCat("set-", i));
    streams.push_back(std::make_unique<StreamLoad>(client, message, load));
  }
  const Clock::time_point start = Clock::now();
  const auto time = std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(load.seconds));
  for (const auto& stream : streams) stream->Start(start + time);
  int64_t bytes = 0;
  Clock::time_point end = start;
  absl::Status status;
  for (const auto& stream : streams) {
    stream->Join();
    status.Update(stream->status());
    bytes += stream->acknowledged_bytes();
    end = std::max(end, stream->last_time());
  }
  if (!status.ok()) return status;
  return static_cast<double>(bytes) / std::chrono::duration<double>(end - start).count();
}

}  // namespace backprop::bench
