#include "client/data/pattern_file.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "client/data/array_file.h"
#include "client/data/array_pattern_reader.h"
#include "client/data/csv_pattern_reader.h"

namespace backprop::client {
namespace {

// The server's limit of one batch.
constexpr int64_t kMaxBatchPatterns = 65'536;

std::string FormatOf(const PatternFile& file) {
  if (!file.format.empty()) return file.format;
  const absl::string_view path = absl::StripSuffix(file.path, ".gz");
  if (absl::EndsWith(path, ".npy")) return "npy";
  if (absl::EndsWith(path, ".idx") || absl::StrContains(path, "-idx") || absl::EndsWith(path, "ubyte")) return "idx";
  return "csv";
}

// Of formats that are none of ours, where the ending says so.
absl::Status CheckEnding(const PatternFile& file) {
  if (file.format.empty() && absl::EndsWith(file.path, ".npz")) {
    return absl::InvalidArgumentError(
        absl::StrCat(file.path, ": .npz holds several arrays; save each by itself with numpy.save, as .npy"));
  }
  return absl::OkStatus();
}

absl::StatusOr<OpenedPatternFile> OpenCsv(const PatternFile& file, const v1::NetworkSpec& network, bool with_targets) {
  if (!file.labels_path.empty()) {
    return absl::InvalidArgumentError("a csv file has its targets in columns: --targets, not --labels");
  }
  if (file.raw_scale) return absl::InvalidArgumentError("--raw-scale is for the bytes of idx and npy files, not csv");
  const CsvOptions options{
      .path = file.path, .header = file.header, .target_columns = file.target_columns, .with_targets = with_targets};
  absl::StatusOr<std::unique_ptr<CsvPatternReader>> reader = CsvPatternReader::Open(options, network);
  if (!reader.ok()) return reader.status();
  std::vector<std::string> names = (*reader)->found_class_names();
  return OpenedPatternFile{.reader = *std::move(reader), .found_class_names = std::move(names)};
}

absl::StatusOr<OpenedPatternFile> OpenArrays(const PatternFile& file, const std::string& format,
                                             const v1::NetworkSpec& network, bool with_targets) {
  if (!file.target_columns.empty() || file.header) {
    return absl::InvalidArgumentError(absl::StrCat("--targets and --header are for csv files, not ", format));
  }
  if (with_targets && file.labels_path.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("an ", format, " file needs --labels, the file of its targets"));
  }
  const bool idx = format == "idx";
  const auto open = idx ? &ArrayFile::OpenIdx : &ArrayFile::OpenNpy;
  absl::StatusOr<ArrayFile> inputs = open(file.path);
  if (!inputs.ok()) return inputs.status();
  if (file.raw_scale && inputs->type() != ElementType::kUint8) {
    return absl::InvalidArgumentError(
        absl::StrCat(file.path, ": its inputs are no unsigned bytes, which --raw-scale is for"));
  }
  std::optional<ArrayFile> targets;
  if (with_targets) {
    absl::StatusOr<ArrayFile> labels = open(file.labels_path);
    if (!labels.ok()) return labels.status();
    targets.emplace(*std::move(labels));
  }
  absl::StatusOr<std::unique_ptr<ArrayPatternReader>> reader = ArrayPatternReader::Open(
      *std::move(inputs), std::move(targets), network, file.raw_scale.value_or(idx ? 1.0 / 255 : 1.0));
  if (!reader.ok()) return reader.status();
  return OpenedPatternFile{.reader = *std::move(reader), .found_class_names = {}};
}

}  // namespace

absl::StatusOr<OpenedPatternFile> OpenPatternFile(const PatternFile& file, const v1::NetworkSpec& network,
                                                  bool with_targets) {
  if (absl::Status status = CheckEnding(file); !status.ok()) return status;
  const std::string format = FormatOf(file);
  if (format == "csv") return OpenCsv(file, network, with_targets);
  if (format == "idx" || format == "npy") return OpenArrays(file, format, network, with_targets);
  return absl::InvalidArgumentError(absl::StrCat("format \"", format, "\" is not one of csv, idx, npy"));
}

int32_t BatchPatternCount(const v1::NetworkSpec& network, int64_t batch_bytes) {
  const int64_t element_bytes = network.precision() == v1::PRECISION_FLOAT64 ? 8 : 4;
  const int64_t pattern_bytes = element_bytes * (int64_t{network.input_unit_count()} + network.output_unit_count());
  return static_cast<int32_t>(
      std::clamp<int64_t>(batch_bytes / std::max<int64_t>(pattern_bytes, 1), 1, kMaxBatchPatterns));
}

}  // namespace backprop::client
