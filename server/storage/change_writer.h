// What a SessionChange does to the records of a session.
#pragma once

#include "server/sessions/session_store.h"
#include "server/storage/record_file.h"

namespace backprop::server {

// Patterns are stored in records of about so many bytes at most, and at least one pattern. These stay in the caches on
// their way to the disk: records of 4 MiB, which older files have, took a tenth longer.
inline constexpr int64_t kMaxPatternRecordBytes = int64_t{1} << 19;

// Applies `change`, of a session of networks `spec`, inside the transaction under way; the caller commits. Throws as
// RecordFile does, and INTERNAL for a change that would leave what cannot be opened.
template <typename Scalar>
void WriteChange(const SessionChange<Scalar>& change, const NetworkSpec& spec, RecordFile* file);

}  // namespace backprop::server
