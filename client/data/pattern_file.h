#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "backprop/v1/network.pb.h"
#include "client/data/pattern_reader.h"

namespace backprop::client {

// A file of patterns and how it is laid out.
struct PatternFile {
  // Plain or .gz; `-` is standard input.
  std::string path;
  // `csv`, `idx` or `npy`; empty: told by the path's ending, csv when that says nothing.
  std::string format;
  // File of the targets; idx and npy only.
  std::string labels_path;
  // csv only, as in CsvOptions.
  std::vector<std::string> target_columns;
  bool header = false;
  // What one unsigned byte of the inputs counts. Left out: 1/255 in idx files, whose bytes are pixels, 1 in npy files.
  std::optional<double> raw_scale;
};

struct OpenedPatternFile {
  std::unique_ptr<PatternReader> reader;
  // As CsvPatternReader::found_class_names.
  std::vector<std::string> found_class_names;
};

// Opens the file for a network. Without targets, csv target columns are left out and no labels file is read.
// INVALID_ARGUMENT for options that do not go together.
absl::StatusOr<OpenedPatternFile> OpenPatternFile(const PatternFile& file, const v1::NetworkSpec& network,
                                                  bool with_targets);

// Bytes of a batch, about: large enough for the server to be busy with patterns rather than messages, small enough for
// a window of them to be kept.
inline constexpr int64_t kBatchBytes = 1 << 20;

// Patterns of such a batch, at least 1 and at most as many as the server takes.
[[nodiscard]] int32_t BatchPatternCount(const v1::NetworkSpec& network, int64_t batch_bytes = kBatchBytes);

}  // namespace backprop::client
