// The roof of durable ingest: the same bytes written to a file one after another, and synced.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace backprop::bench {

// Bytes a second of appending groups of `group_bytes` to a new file in `directory`, each with one write and one fsync,
// for `seconds` or until it has `byte_limit` bytes. The file is removed.
absl::StatusOr<double> MeasureWrites(const std::string& directory, int64_t group_bytes, double seconds,
                                     int64_t byte_limit);

// Waits until the file system of `directory` has nothing left to do: what is measured next does not pay for the files
// that the last measurement removed.
void Settle(const std::string& directory);

}  // namespace backprop::bench
