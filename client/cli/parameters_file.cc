#include "client/cli/parameters_file.h"

#include <google/protobuf/util/json_util.h>

#include <fstream>
#include <span>
#include <sstream>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/data/npy_vector.h"
#include "client/flat_parameters.h"

namespace backprop::client {
namespace {

// What a message quotes of a file, which may be anything.
std::string Quoted(absl::string_view text) { return absl::Utf8SafeCHexEscape(text.substr(0, 200)); }

absl::StatusOr<v1::Parameters> ParametersFromJson(const std::string& path, const std::string& json) {
  v1::Parameters parameters;
  const google::protobuf::util::Status status = google::protobuf::util::JsonStringToMessage(json, &parameters);
  if (status.ok()) return parameters;
  return absl::InvalidArgumentError(
      absl::StrCat(path, ": neither .npy nor numbers nor Parameters in JSON: ", Quoted(std::string(status.message()))));
}

absl::StatusOr<std::vector<double>> FlatFromText(const std::string& path, const std::string& text) {
  std::vector<double> flat;
  for (const absl::string_view word : absl::StrSplit(text, absl::ByAnyChar(", \t\r\n"), absl::SkipEmpty())) {
    if (absl::SimpleAtod(word, &flat.emplace_back())) continue;
    return absl::InvalidArgumentError(absl::StrCat(path, ": neither .npy nor numbers nor Parameters in JSON: \"",
                                                   Quoted(word), "\" is not a number"));
  }
  return flat;
}

bool IsNpy(const std::string& path) { return std::ifstream(path, std::ios::binary).peek() == 0x93; }

absl::StatusOr<std::vector<v1::Parameters>> ReadNpy(const std::string& path, const v1::Session& session,
                                                    int64_t max_count) {
  const absl::StatusOr<std::vector<double>> elements = ReadNpyVectors(path, session.parameter_count(), max_count);
  if (!elements.ok()) return elements.status();
  std::vector<v1::Parameters> all;
  for (std::span<const double> left = *elements; !left.empty();) {
    const auto count = static_cast<size_t>(session.parameter_count());
    absl::StatusOr<v1::Parameters> parameters = ParametersFromFlat(left.first(count), session.network());
    if (!parameters.ok()) return parameters.status();
    all.push_back(*std::move(parameters));
    left = left.subspan(count);
  }
  return all;
}

}  // namespace

absl::StatusOr<std::vector<v1::Parameters>> ReadDirectionsFile(const std::string& path, const v1::Session& session) {
  if (IsNpy(path)) return ReadNpy(path, session, kMaxDirections);
  absl::StatusOr<v1::Parameters> direction = ReadParametersFile(path, session);
  if (!direction.ok()) return direction.status();
  return std::vector{*std::move(direction)};
}

absl::StatusOr<v1::Parameters> ReadParametersFile(const std::string& path, const v1::Session& session) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(absl::StrCat("cannot read ", path));
  if (IsNpy(path)) {
    absl::StatusOr<std::vector<v1::Parameters>> all = ReadNpy(path, session, /*max_count=*/1);
    if (!all.ok()) return all.status();
    return std::move(all->front());
  }
  std::ostringstream stream;
  stream << file.rdbuf();
  const std::string text = stream.str();
  if (absl::StartsWith(absl::StripLeadingAsciiWhitespace(text), "{")) return ParametersFromJson(path, text);
  const absl::StatusOr<std::vector<double>> flat = FlatFromText(path, text);
  if (!flat.ok()) return flat.status();
  absl::StatusOr<v1::Parameters> parameters = ParametersFromFlat(*flat, session.network());
  if (parameters.ok()) return parameters;
  return absl::InvalidArgumentError(absl::StrCat(path, ": ", parameters.status().message()));
}

}  // namespace backprop::client
