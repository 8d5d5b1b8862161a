#include "client/pattern_writer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/error.h"
#include "client/pattern_checksum.h"

namespace backprop::client {

absl::StatusOr<std::unique_ptr<PatternWriter>> PatternWriter::Open(const Client& client, const std::string& session,
                                                                   const std::string& pattern_set,
                                                                   PatternWriterOptions options) {
  const absl::StatusOr<int64_t> next_offset =
      options.offset ? *options.offset : NextOffset(client, session, pattern_set);
  if (!next_offset.ok()) return next_offset.status();
  options.window = std::max<size_t>(options.window, 1);
  return std::unique_ptr<PatternWriter>(new PatternWriter(client, session, pattern_set, options, *next_offset));
}

PatternWriter::PatternWriter(const Client& client, std::string session, std::string pattern_set,
                             PatternWriterOptions options, int64_t next_offset)
    : client_(client),
      session_(std::move(session)),
      pattern_set_(std::move(pattern_set)),
      options_(options),
      first_offset_(next_offset),
      next_offset_(next_offset),
      set_end_(next_offset) {
  OpenStream();
}

absl::StatusOr<int64_t> PatternWriter::NextOffset(const Client& client, const std::string& session,
                                                  const std::string& pattern_set) {
  v1::GetPatternSetRequest request;
  request.set_name(absl::StrCat(session, "/patternSets/", pattern_set));
  const absl::StatusOr<v1::PatternSet> set = client.GetPatternSet(request);
  // A session that does not exist is NOT_FOUND too: the first batch's answer says so.
  if (absl::IsNotFound(set.status())) return 0;
  if (!set.ok()) return set.status();
  return set->pattern_count();
}

absl::Status PatternWriter::Write(v1::Patterns patterns) {
  if (!status_.ok()) return status_;
  v1::AppendPatternsRequest request;
  request.set_session(session_);
  request.set_pattern_set(pattern_set_);
  request.set_offset(next_offset_);
  request.set_crc32(ChecksumOf(patterns));
  *request.mutable_patterns() = std::move(patterns);
  // Room first: the batch that is about to be sent counts.
  if (status_ = Settle(options_.window - 1); !status_.ok()) return status_;
  next_offset_ += request.patterns().inputs().row_count();
  unacknowledged_.push_back(std::move(request));
  if (!stream_->Write(unacknowledged_.back())) status_ = Reconnect(BrokenStream());
  return status_;
}

absl::StatusOr<int64_t> PatternWriter::Finish() {
  if (!status_.ok()) return status_;
  if (status_ = Settle(0); !status_.ok()) return status_;
  return set_end_;
}

void PatternWriter::Cancel() {
  absl::MutexLock lock(&stream_mutex_);
  if (!cancelled_.HasBeenNotified()) cancelled_.Notify();
  stream_->Cancel();
}

absl::Status PatternWriter::Settle(size_t limit) {
  while (unacknowledged_.size() > limit) {
    absl::Status status = Acknowledge();
    if (absl::IsUnavailable(status)) status = Reconnect(std::move(status));
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status PatternWriter::Acknowledge() {
  v1::AppendPatternsResponse response;
  if (!stream_->Read(&response)) return BrokenStream();
  const v1::AppendPatternsRequest& batch = unacknowledged_.front();
  if (absl::Status status = CheckAnswer(response, batch); !status.ok()) return status;
  stored_count_ += batch.patterns().inputs().row_count();
  set_end_ = response.next_offset();
  reconnection_count_ = 0;
  if (resent_count_ > 0) --resent_count_;
  unacknowledged_.pop_front();
  return absl::OkStatus();
}

absl::Status PatternWriter::CheckAnswer(const v1::AppendPatternsResponse& response,
                                        const v1::AppendPatternsRequest& batch) const {
  const absl::Status status = StatusFrom(response.status());
  if (!status.ok() && !absl::IsAlreadyExists(status)) return InBatch(status, options_.first_pattern + stored_count_);
  if (response.offset() != batch.offset()) {
    return absl::InternalError(absl::StrCat("The server acknowledged a batch at offset ", response.offset(),
                                            " in place of the one at ", batch.offset(), "."));
  }
  if (status.ok() || options_.offset || resent_count_ > 0) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("Another writer appends to ", session_, "/patternSets/", pattern_set_,
                   ": it has stored the same patterns at offset ", batch.offset(),
                   ". Let one writer append at a time: when the other has ended, append these patterns from pattern ",
                   options_.first_pattern + stored_count_, " on."));
}

absl::Status PatternWriter::BrokenStream() {
  const absl::Status status = stream_->Finish();
  if (cancelled_.HasBeenNotified()) return absl::CancelledError("Appending was cancelled.");
  return status.ok() ? absl::UnavailableError("The server ended the stream of patterns.") : status;
}

absl::Status PatternWriter::Reconnect(absl::Status cause) {
  absl::Duration backoff = options_.initial_backoff * (1 << std::min(reconnection_count_, 20));
  while (absl::IsUnavailable(cause) && reconnection_count_ < options_.reconnection_limit) {
    ++reconnection_count_;
    const absl::Duration asked = DetailsOf(cause).retry_delay.value_or(absl::ZeroDuration());
    const absl::Duration wait = std::min(std::max(backoff, asked), options_.max_backoff);
    if (cancelled_.WaitForNotificationWithTimeout(wait)) return absl::CancelledError("Appending was cancelled.");
    backoff *= 2;
    if (!client_.WaitForConnected(options_.connection_timeout)) continue;
    const absl::StatusOr<int64_t> stored = NextOffset(client_, session_, pattern_set_);
    if (!stored.ok()) {
      cause = stored.status();
      continue;
    }
    const int64_t acknowledged = unacknowledged_.front().offset();
    if (*stored < acknowledged) {
      return absl::DataLossError(absl::StrCat("The set ends at offset ", *stored, " after the server acknowledged ",
                                              acknowledged, " patterns: it has lost some or the set was deleted."));
    }
    if (SendUnacknowledged()) return absl::OkStatus();
    cause = BrokenStream();
  }
  return cause;
}

bool PatternWriter::SendUnacknowledged() {
  OpenStream();
  resent_count_ = unacknowledged_.size();
  // What was stored before the connection broke goes too: its answer proves that the set holds these very patterns.
  return std::all_of(unacknowledged_.begin(), unacknowledged_.end(),
                     [this](const v1::AppendPatternsRequest& batch) { return stream_->Write(batch); });
}

void PatternWriter::OpenStream() {
  std::unique_ptr<AppendStream> stream = client_.AppendPatterns();
  absl::MutexLock lock(&stream_mutex_);
  stream_.swap(stream);
  if (cancelled_.HasBeenNotified()) stream_->Cancel();
}

}  // namespace backprop::client
