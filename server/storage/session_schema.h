// The format of a session's file, and how older files become it.
//
// A session is one SQLite database: application_id "bkpd" (0x626b7064), user_version the number of the migrations that
// made it, pages of 32 KiB, or of 16 in files of earlier servers. It has two tables, of records alike: a key, `data`,
// and `checksum`, the CRC-32 (zlib's) of {kind, key, both as little-endian int64} followed by the data. All numbers in
// `data` are little-endian.
//
// clang-format off
//   record   (kind, key, data, checksum): all but the patterns; key and data by kind, below
//   patterns (key, data, checksum): kind 11. Patterns of one set, in order, from a first one on: n * input_unit_count
//            inputs, pattern by pattern, then n * output_unit_count targets, then n weights, in the session's precision
//
//   kind             key                      data
//    0 head          0                        commit number, time of the commit, count and sum per kind: below
//    1 description   0                        network, labels, time of creation, pinned versions (id: file name)
//    2 snapshot      model version            the scalings
//    3 parameters    model version            the flat parameters, in the session's precision
//    4 learner       0: scalars; 1, 2         on-line training: options and step count; the optimizer's vectors
//    5 pattern set   set key                  id, count, time of the last change
//    6 on-line step  model version            what was learned since the last snapshot
//    7 run           number                   request, state, times
//    8 report        run number, epoch        an epoch's report
//    9 checkpoint    0: scalars; 1 to 4       of the unfinished run: parameters, optimizer's vectors, best parameters
//   10 answer        1, 2, ... since creation request id, hash, answer
//   11 patterns      set key, first pattern   in the table `patterns`
//
// A key of two parts is first * 2^31 + second. Where a vector is empty there is no record. Structured data is written
// by cereal in the order of record_codec.cc, sizes as uint64, without padding. A checkpoint goes on at key 5 with the
// pairs of L-BFGS' history, oldest first, each a step and a gradient's fall; they are there since format 2, as are the
// last two scalars of a checkpoint.
//
// directory.sqlite, application_id "bkpD", has the same tables, and of kinds only the head and
//   12 deletion      1, 2, ...                id of the session, whether files may be left, the answer to the request
// clang-format on
//
// The head is written by every commit. For each kind from 1 on it has the number of records and the sum of their
// checksums modulo 2^64, so that a record that vanished, came back or was changed is found although each that is there
// looks right.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "core/training_options.h"

namespace backprop::server {

class RecordFile;

enum class RecordKind : int64_t {
  kHead,
  kDescription,
  kSnapshot,
  kParameters,
  kLearner,
  kPatternSet,
  kOnlineStep,
  kRun,
  kReport,
  kCheckpoint,
  kAnswer,
  kPatterns,
  kDeletion,
};
inline constexpr int64_t kRecordKindCount = 13;

inline constexpr int32_t kSessionApplicationId = 0x626b7064;
inline constexpr int32_t kDirectoryApplicationId = 0x626b7044;

// The second part of a key is below this, the first below 2^32.
inline constexpr int64_t kKeyPartLimit = int64_t{1} << 31;
inline constexpr int64_t PairKey(int64_t first, int64_t second) { return first * kKeyPartLimit + second; }

// Of kCheckpoint.
inline constexpr int64_t kFirstHistoryKey = 5;
inline constexpr int64_t kLastCheckpointKey = kFirstHistoryKey + 2 * kMaxLbfgsHistorySize - 1;

// What makes a file of version N + 1 from one of version N, for N the place in the list, inside a transaction. What has
// been released is never changed.
using Migrations = std::vector<std::function<void(RecordFile*)>>;
const Migrations& SessionMigrations();

}  // namespace backprop::server
