#include <CLI/App.hpp>
#include <algorithm>
#include <iostream>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "client/cli/commands.h"
#include "client/cli/names.h"
#include "client/cli/pattern_file_flags.h"
#include "client/cli/prediction_text.h"
#include "client/cli/whole_number.h"

namespace backprop::client {
namespace {

// Requests on their way at once in a stream.
constexpr int kRequestsAhead = 4;
// Each request with uncertainty goes through the whole pattern set again: few large ones, of so many multiply-adds at
// most, a tenth of what a server allows by default.
constexpr int64_t kUncertaintyBatchBytes = 16 << 20;
constexpr double kUncertaintyBatchWork = 1e12;

// Patterns of a request with uncertainty: each output's variance is a quadratic form of its gradient.
int32_t UncertaintyPatternCount(const v1::Session& session) {
  const auto parameters = static_cast<double>(std::max<int64_t>(session.parameter_count(), 1));
  const double pattern_work = parameters * parameters * std::max(session.network().output_unit_count(), 1);
  const int32_t by_bytes = BatchPatternCount(session.network(), kUncertaintyBatchBytes);
  return static_cast<int32_t>(std::clamp<double>(kUncertaintyBatchWork / pattern_work, 1, by_bytes));
}

struct PredictFlags {
  std::string name;
  PatternFile file;
  std::optional<int64_t> count;
  std::optional<int64_t> model_version;
  bool with_uncertainty = false;
  std::string uncertainty_set = "training";
  double prior_precision = 1;
};

// Empty, or what is wrong. CLI::PositiveNumber takes "nan" for one.
std::string PositiveNumber(const std::string& text) {
  double number = 0;
  const bool good = absl::SimpleAtod(text, &number) && number > 0 && number <= std::numeric_limits<double>::max();
  return good ? "" : "must be a number above 0, but is " + text;
}

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
  const std::unique_ptr<PredictionStream> stream = context.client().PredictStream(context.LongCall());
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

// The same with standard deviations, a call a request.
absl::Status PredictAllWithUncertainty(CommandContext& context, const PredictFlags& flags,
                                       std::optional<v1::PredictStreamRequest> request, InputRequests& requests) {
  int64_t answered_pattern_count = 0;
  while (request) {
    v1::PredictRequest call;
    call.set_session(request->session());
    if (flags.model_version) call.set_model_version(*flags.model_version);
    *call.mutable_inputs() = std::move(*request->mutable_inputs());
    call.set_with_uncertainty(true);
    call.mutable_laplace_approximation()->set_pattern_set(flags.uncertainty_set);
    call.mutable_laplace_approximation()->set_prior_precision(flags.prior_precision);
    const absl::StatusOr<v1::PredictResponse> response = context.client().Predict(call, context.LongCall());
    if (!response.ok()) return InBatch(response.status(), answered_pattern_count);
    answered_pattern_count += response->outputs().row_count();
    PrintPredictions(context, *response);
    absl::StatusOr<std::optional<v1::PredictStreamRequest>> next = requests.Next();
    if (!next.ok()) return next.status();
    request = *std::move(next);
  }
  return absl::OkStatus();
}

absl::Status RunPredict(CommandContext& context, const PredictFlags& flags) {
  v1::GetSessionRequest session_request;
  session_request.set_name(SessionName(flags.name));
  const absl::StatusOr<v1::Session> session = context.client().GetSession(session_request);
  if (!session.ok()) return session.status();
  absl::StatusOr<OpenedPatternFile> file = OpenPatternFile(flags.file, session->network(), /*with_targets=*/false);
  if (!file.ok()) return file.status();
  const int32_t batch_pattern_count =
      flags.with_uncertainty ? UncertaintyPatternCount(*session) : BatchPatternCount(session->network());
  InputRequests requests(flags, std::move(file->reader), batch_pattern_count);
  absl::StatusOr<std::optional<v1::PredictStreamRequest>> request = requests.Next();
  if (!request.ok()) return request.status();
  if (flags.with_uncertainty) return PredictAllWithUncertainty(context, flags, *std::move(request), requests);
  return PredictAll(context, *std::move(request), requests);
}

}  // namespace

void AddPredict(CLI::App& app, CommandContext& context) {
  CLI::App* command = app.add_subcommand("predict", "Predict from the inputs of a file, a line for each pattern");
  const auto flags = std::make_shared<PredictFlags>();
  command->add_option("name", flags->name, "The session")->required();
  AddPatternFileFlags(*command, flags->file);
  command->get_option("--targets")->description("csv: target columns of the file, which are ignored");
  command->add_option("--count", flags->count, "Only the first so many patterns")->check(WholeNumber<int64_t>(1));
  command->add_option("--model-version", flags->model_version, "Version of the parameters (default: the latest)")
      ->check(WholeNumber());
  CLI::Option* const uncertainty = command->add_flag(
      "--with-uncertainty", flags->with_uncertainty,
      "Also the standard deviation of each output, of a network of at most 4,096 parameters; in regression for "
      "targets with noise of standard deviation 1, scaled as the network learns them");
  command->add_option("--uncertainty-set", flags->uncertainty_set, "The pattern set that the parameters are known from")
      ->needs(uncertainty)
      ->capture_default_str();
  command->add_option("--prior-precision", flags->prior_precision, "Of a normal prior of every weight and bias")
      ->check(PositiveNumber)
      ->needs(uncertainty)
      ->capture_default_str();
  command->callback([&context, flags] { context.command = [&context, flags] { return RunPredict(context, *flags); }; });
}

}  // namespace backprop::client
