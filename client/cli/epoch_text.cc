#include "client/cli/epoch_text.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"

namespace backprop::client {
namespace {

constexpr size_t kMinBarWidth = 9;
constexpr size_t kMaxBarWidth = 20;
// Brackets and a blank.
constexpr size_t kBarFrameWidth = 3;

std::string Measures(const v1::EpochReport& report) {
  std::string text = absl::StrFormat("log likelihood %.6g", report.mean_log_likelihood());
  if (report.has_accuracy()) absl::StrAppendFormat(&text, "  accuracy %.4f", report.accuracy());
  if (report.has_mean_squared_error()) absl::StrAppendFormat(&text, "  MSE %.6g", report.mean_squared_error());
  if (report.has_validation_mean_log_likelihood()) {
    absl::StrAppendFormat(&text, "  validation log likelihood %.6g", report.validation_mean_log_likelihood());
  }
  if (report.has_validation_accuracy()) {
    absl::StrAppendFormat(&text, "  validation accuracy %.4f", report.validation_accuracy());
  }
  if (report.has_validation_mean_squared_error()) {
    absl::StrAppendFormat(&text, "  validation MSE %.6g", report.validation_mean_squared_error());
  }
  return text;
}

// The words of a bar, and how many digits of a measure other than the accuracy.
struct Words {
  absl::string_view log_likelihood;
  absl::string_view accuracy;
  int digits;
};

constexpr Words kWords = {.log_likelihood = "log likelihood", .accuracy = "accuracy", .digits = 6};
constexpr Words kShortWords = {.log_likelihood = "log L", .accuracy = "acc", .digits = 4};

std::string LogLikelihoods(const v1::EpochReport& report, const Words& words) {
  std::string text = absl::StrFormat("  %s %.*g", words.log_likelihood, words.digits, report.mean_log_likelihood());
  if (report.has_validation_mean_log_likelihood()) {
    absl::StrAppendFormat(&text, " val %.*g", words.digits, report.validation_mean_log_likelihood());
  }
  return text;
}

std::string OtherMeasures(const v1::EpochReport& report, const Words& words) {
  std::string text;
  if (report.has_accuracy()) absl::StrAppendFormat(&text, "  %s %.4f", words.accuracy, report.accuracy());
  if (report.has_validation_accuracy()) absl::StrAppendFormat(&text, " val %.4f", report.validation_accuracy());
  if (report.has_mean_squared_error()) {
    absl::StrAppendFormat(&text, "  MSE %.*g", words.digits, report.mean_squared_error());
  }
  if (report.has_validation_mean_squared_error()) {
    absl::StrAppendFormat(&text, " val %.*g", words.digits, report.validation_mean_squared_error());
  }
  return text;
}

// The longest of the texts of an epoch that has at most `room` characters, or the shortest.
std::string FittingText(const v1::EpochReport& report, int64_t epoch_count, size_t room) {
  const std::string remaining = absl::FormatDuration(absl::Seconds(report.estimated_remaining().seconds()));
  const std::string epochs = absl::StrCat(report.epoch(), "/", epoch_count);
  const std::string log_likelihoods = LogLikelihoods(report, kShortWords);
  const std::string measures = log_likelihoods + OtherMeasures(report, kShortWords);
  const std::string full = absl::StrCat("epoch ", epochs, "  ETA ", remaining, LogLikelihoods(report, kWords),
                                        OtherMeasures(report, kWords));
  const std::string texts[] = {absl::StrFormat("%s  %.0f patterns/s", full, report.patterns_per_second()), full,
                               absl::StrCat(epochs, "  ", remaining, measures), absl::StrCat(epochs, measures),
                               absl::StrCat(epochs, log_likelihoods)};
  const auto* const fitting =
      std::find_if(std::begin(texts), std::end(texts), [room](const std::string& text) { return text.size() <= room; });
  return fitting == std::end(texts) ? epochs : *fitting;
}

}  // namespace

std::string EpochText(const v1::EpochReport& report, int64_t epoch_count) {
  return absl::StrFormat("epoch %d/%d  %s  %.0f patterns/s", report.epoch(), epoch_count, Measures(report),
                         report.patterns_per_second());
}

std::string EpochBar(const v1::EpochReport& report, int64_t epoch_count, int width) {
  const auto columns = static_cast<size_t>(std::max(width, 1));
  constexpr size_t kLeastWidth = kMinBarWidth + kBarFrameWidth;
  const std::string text = FittingText(report, epoch_count, columns - std::min(columns, kLeastWidth));
  // Not even the number of the epoch has room.
  if (columns < text.size() + kLeastWidth) return text.substr(0, columns);
  const size_t bar_width = std::min(kMaxBarWidth, columns - text.size() - kBarFrameWidth);
  const double done = static_cast<double>(report.epoch()) / static_cast<double>(std::max<int64_t>(epoch_count, 1));
  const auto filled = static_cast<size_t>(std::clamp(done, 0.0, 1.0) * static_cast<double>(bar_width));
  return absl::StrCat("[", std::string(filled, '#'), std::string(bar_width - filled, '.'), "] ", text);
}

std::string EndText(const v1::TrainingRun& run) {
  const std::string end =
      absl::StrCat(run.name(), " ", StateText(run.state()), " after ", run.completed_epoch_count(), " epochs");
  const bool restored = run.state() == v1::TrainingRun::STATE_SUCCEEDED &&
                        run.options().early_stopping().restore_best() &&
                        run.best_report().epoch() != run.last_report().epoch();
  if (run.completed_epoch_count() == 0) return end;
  return absl::StrCat(end,
                      restored ? absl::StrCat(", restored the parameters of epoch ", run.best_report().epoch()) : "",
                      ", model version ", run.final_model_version());
}

std::string StateText(v1::TrainingRun::State state) {
  return absl::AsciiStrToLower(absl::StripPrefix(v1::TrainingRun::State_Name(state), "STATE_"));
}

}  // namespace backprop::client
