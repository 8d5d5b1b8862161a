#include "bench/training_speed.h"

#include <chrono>
#include <memory>

#include "absl/strings/str_cat.h"
#include "bench/pattern_load.h"
#include "client/pattern_writer.h"

namespace backprop::bench {
namespace {

constexpr char kSet[] = "training";
constexpr int32_t kBatchPatterns = 256;

}  // namespace

absl::Status PrepareTraining(const client::Client& client, const std::string& session_id) {
  if (absl::Status status = CreateSession(client, session_id); !status.ok()) return status;
  auto writer = client::PatternWriter::Open(client, absl::StrCat("sessions/", session_id), kSet);
  if (!writer.ok()) return writer.status();
  for (int32_t count = 0; count < kTrainingPatterns; count += kBatchPatterns) {
    if (absl::Status status = (*writer)->Write(RandomPatterns(kBatchPatterns)); !status.ok()) return status;
  }
  return (*writer)->Finish().status();
}

absl::StatusOr<double> MeasureTraining(const client::Client& client, const std::string& session_id,
                                       int64_t epoch_count) {
  v1::RunEpochsRequest request;
  request.set_session(absl::StrCat("sessions/", session_id));
  request.set_pattern_set(kSet);
  request.set_epoch_count(epoch_count);
  request.mutable_options()->set_batch_size(128);
  request.mutable_options()->set_step_size(0.01);
  request.mutable_options()->set_shuffle(true);
  const auto start = std::chrono::steady_clock::now();
  const std::unique_ptr<client::EpochReports> reports = client.RunEpochs(request);
  int64_t report_count = 0;
  for (v1::EpochReport report; reports->Read(&report);) ++report_count;
  if (absl::Status status = reports->Finish(); !status.ok()) return status;
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  if (report_count != epoch_count) return absl::InternalError("epochs were not reported");
  return static_cast<double>(epoch_count * kTrainingPatterns) / elapsed.count();
}

}  // namespace backprop::bench
