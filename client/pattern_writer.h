// Appends patterns to a pattern set so that none is lost and none is stored twice, across lost connections and restarts
// of the server.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "backprop/v1/pattern_service.pb.h"
#include "client/client.h"

namespace backprop::client {

// Batches on their way at once: enough to keep the server busy over a round trip, and all that is kept for resending.
inline constexpr size_t kDefaultWindow = 16;

struct PatternWriterOptions {
  // Where the first pattern goes; none: where the set ends. Writing the same patterns from the same offset again stores
  // none twice: a writer that died is repeated whole.
  std::optional<int64_t> offset;
  // What messages call the first pattern written, for instance its place in a file.
  int64_t first_pattern = 0;
  // Batches sent and not yet acknowledged; at least 1.
  size_t window = kDefaultWindow;
  // Reconnections in a row without one batch acknowledged between them, before the writer gives up.
  int reconnection_limit = 8;
  // Wait before the first reconnection, doubled for each one after it in a row.
  absl::Duration initial_backoff = absl::Milliseconds(200);
  absl::Duration max_backoff = absl::Seconds(10);
  // Longest wait for a connection, each time.
  absl::Duration connection_timeout = absl::Seconds(10);
};

// Each batch goes out with its offset and checksum and is kept until the server acknowledges it. On UNAVAILABLE the
// writer reconnects and sends again what was not acknowledged; the server answers ALREADY_EXISTS for a batch that it
// had stored, and refuses one whose place something else has taken. ALREADY_EXISTS counts as success for a batch that
// was sent again, and when options.offset was given. For any other batch it says that another writer stored the same
// patterns there: as much an error as other patterns, or both writers would count one batch as theirs. Another writer
// on the same set therefore ends in FAILED_PRECONDITION, never in mixed patterns.
//
// One thread writes; Cancel may be called from any thread. The client must outlive the writer. A writer destroyed
// before Finish leaves the set with some prefix of what was written.
class PatternWriter {
 public:
  // Appends to the set `pattern_set` (an id) of `session` (`sessions/{session}`) from options.offset or where it ends
  // now; a set that does not exist begins at 0. Fails as GetPatternSet does.
  static absl::StatusOr<std::unique_ptr<PatternWriter>> Open(const Client& client, const std::string& session,
                                                             const std::string& pattern_set,
                                                             PatternWriterOptions options = {});

  // Sends a batch of 1 to 65,536 patterns. Waits while the window is full. The first error is final: every later call
  // gives it again. A batch that the server refuses is reported by a later Write or by Finish, with the number of its
  // first pattern (as options.first_pattern says).
  absl::Status Write(v1::Patterns patterns);

  // Waits until everything written is stored. Where the set then ends, as the server's last answer said, or the first
  // error.
  absl::StatusOr<int64_t> Finish();

  // Makes the other thread's Write or Finish return CANCELLED: at once, or while it reconnects within
  // connection_timeout.
  void Cancel();

  // Where the first pattern went.
  [[nodiscard]] int64_t first_offset() const { return first_offset_; }
  // Patterns acknowledged as stored by this writer, or before it: the first so many that were written.
  [[nodiscard]] int64_t stored_count() const { return stored_count_; }

 private:
  PatternWriter(const Client& client, std::string session, std::string pattern_set, PatternWriterOptions options,
                int64_t next_offset);

  static absl::StatusOr<int64_t> NextOffset(const Client& client, const std::string& session,
                                            const std::string& pattern_set);

  // Starts a stream and sends the unacknowledged batches on it. False when the stream broke.
  bool SendUnacknowledged();
  // Waits for one answer and settles the oldest batch. UNAVAILABLE asks for a reconnection, other errors are final.
  absl::Status Acknowledge();
  // What the server answered to `batch`, the oldest.
  absl::Status CheckAnswer(const v1::AppendPatternsResponse& response, const v1::AppendPatternsRequest& batch) const;
  // Reconnects and acknowledges until at most `limit` batches are unacknowledged.
  absl::Status Settle(size_t limit);
  // Replaces the broken stream, after `cause`.
  absl::Status Reconnect(absl::Status cause);
  // Status of the ended stream; a stream that the server ended without an error broke all the same.
  absl::Status BrokenStream();
  void OpenStream();

  const Client& client_;
  const std::string session_;
  const std::string pattern_set_;
  const PatternWriterOptions options_;

  absl::Notification cancelled_;
  // Held while the pointer changes, which only the writing thread does, and while Cancel follows it. The writing thread
  // reads the pointer without it.
  absl::Mutex stream_mutex_;
  std::unique_ptr<AppendStream> stream_;

  std::deque<v1::AppendPatternsRequest> unacknowledged_;
  // The oldest so many of them were sent more than once.
  size_t resent_count_ = 0;
  const int64_t first_offset_;
  // Of the next batch.
  int64_t next_offset_;
  // Of the set, as last heard: beyond next_offset_ where what is written was stored before and more behind it.
  int64_t set_end_;
  int64_t stored_count_ = 0;
  // Reconnections since a batch was last acknowledged.
  int reconnection_count_ = 0;
  absl::Status status_;
};

}  // namespace backprop::client
