#include <CLI/App.hpp>
#include <algorithm>
#include <iostream>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "client/cli/commands.h"
#include "client/cli/names.h"
#include "client/cli/pattern_file_flags.h"
#include "client/cli/prediction_text.h"
#include "client/cli/whole_number.h"

namespace backprop::client {
namespace {

// Requests on their way at once in a stream.
constexpr int kRequestsAhead = 4;

struct PredictFlags {
  std::string name;
  PatternFile file;
  std::optional<int64_t> count;
  std::optional<int64_t> model_version;
};

// The inputs of a file as requests, of at most `count` patterns in all.
class InputRequests {
 public:
  InputRequests(const PredictFlags& flags, std::unique_ptr<PatternReader> reader, int32_t batch_pattern_count)
      : flags_(flags),
        reader_(std::move(reader)),
        batch_pattern_count_(batch_pattern_count),
        remaining_(flags.count.value_or(std::numeric_limits<int64_t>::max())) {}

  absl::StatusOr<std::optional<v1::PredictStreamRequest>> Next() {
    const auto count = static_cast<int32_t>(std::min<int64_t>(batch_pattern_count_, remaining_));
    if (count == 0) return std::nullopt;
    absl::StatusOr<std::optional<v1::Patterns>> patterns = reader_->Next(count);
    if (!patterns.ok()) return patterns.status();
    if (!*patterns) return std::nullopt;
    v1::PredictStreamRequest request;
    request.set_session(SessionName(flags_.name));
    if (flags_.model_version) request.set_model_version(*flags_.model_version);
    *request.mutable_inputs() = std::move(*(*patterns)->mutable_inputs());
    remaining_ -= request.inputs().row_count();
    return request;
  }

 private:
  const PredictFlags& flags_;
  const std::unique_ptr<PatternReader> reader_;
  const int32_t batch_pattern_count_;
  int64_t remaining_;
};

void PrintPredictions(const CommandContext& context, const v1::PredictResponse& response) {
  std::cout << (context.json() ? JsonLine(response) + "\n" : PredictionText(response));
}

// Sends the requests ahead of their answers, `kRequestsAhead` at most. The answers come in the order of the requests:
// those there are say which request an error is of.
absl::Status PredictAll(CommandContext& context, std::optional<v1::PredictStreamRequest> request,
                        InputRequests& requests) {
  const std::unique_ptr<PredictionStream> stream = context.client().PredictStream();
  int unanswered = 0;
  int64_t answered_pattern_count = 0;
  v1::PredictResponse response;
  while (request || unanswered > 0) {
    if (request && unanswered < kRequestsAhead) {
      if (!stream->Write(*request)) {
        request.reset();
        continue;
      }
      ++unanswered;
      absl::StatusOr<std::optional<v1::PredictStreamRequest>> next = requests.Next();
      if (!next.ok()) return next.status();
      request = *std::move(next);
      continue;
    }
    if (!stream->Read(&response)) break;
    --unanswered;
    answered_pattern_count += response.outputs().row_count();
    PrintPredictions(context, response);
  }
  return InBatch(stream->Finish(), answered_pattern_count);
}

absl::Status RunPredict(CommandContext& context, const PredictFlags& flags) {
  v1::GetSessionRequest session_request;
  session_request.set_name(SessionName(flags.name));
  const absl::StatusOr<v1::Session> session = context.client().GetSession(session_request);
  if (!session.ok()) return session.status();
  absl::StatusOr<OpenedPatternFile> file = OpenPatternFile(flags.file, session->network(), /*with_targets=*/false);
  if (!file.ok()) return file.status();
  InputRequests requests(flags, std::move(file->reader), BatchPatternCount(session->network()));
  absl::StatusOr<std::optional<v1::PredictStreamRequest>> request = requests.Next();
  if (!request.ok()) return request.status();
  return PredictAll(context, *std::move(request), requests);
}

}  // namespace

void AddPredict(CLI::App& app, CommandContext& context) {
  CLI::App* command = app.add_subcommand("predict", "Predict from the inputs of a file, a line for each pattern");
  const auto flags = std::make_shared<PredictFlags>();
  command->add_option("name", flags->name, "The session")->required();
  AddPatternFileFlags(*command, flags->file);
  command->get_option("--targets")->description("csv: target columns of the file, which are ignored");
  command->add_option("--count", flags->count, "Only the first so many patterns")->check(WholeNumber<int64_t>(0));
  command->add_option("--model-version", flags->model_version, "Version of the parameters (default: the latest)")
      ->check(WholeNumber());
  command->callback([&context, flags] { context.command = [&context, flags] { return RunPredict(context, *flags); }; });
}

}  // namespace backprop::client
