#include "client/cli/run_reports.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <iostream>

#include "absl/strings/str_cat.h"
#include "client/cli/epoch_text.h"
#include "client/cli/interrupt.h"

namespace backprop::client {
namespace {

int TerminalWidth() {
  constexpr int kUsualWidth = 80;
  winsize size = {};
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : kUsualWidth;
}

std::string HowToComeBack(const std::string& training_run) {
  return absl::StrCat("backprop watch ", training_run, "   to watch it again\nbackprop cancel ", training_run,
                      "   to stop it");
}

// How the run ended, in a line, or that it has not: a call may end before, as where a full disk keeps its reports back.
void PrintEnd(CommandContext& context, const std::string& training_run) {
  v1::GetTrainingRunRequest request;
  request.set_name(training_run);
  const absl::StatusOr<v1::TrainingRun> run = context.client().GetTrainingRun(request);
  if (!run.ok()) return;
  if (run->state() == v1::TrainingRun::STATE_QUEUED || run->state() == v1::TrainingRun::STATE_RUNNING) {
    std::cerr << training_run << " goes on.\n" << HowToComeBack(training_run) << std::endl;
  } else if (!context.json()) {
    std::cout << EndText(*run) << std::endl;
  }
}

}  // namespace

absl::Status ShowReports(CommandContext& context, EpochReports& reports, const std::string& training_run,
                         int64_t epoch_count) {
  const bool bar = !context.json() && isatty(STDOUT_FILENO);
  const OnInterrupt interrupt([&reports] { reports.Cancel(); });
  for (v1::EpochReport report; reports.Read(&report);) {
    if (bar) {
      std::cout << "\r" << EpochBar(report, epoch_count, TerminalWidth() - 1) << "\x1b[K" << std::flush;
    } else {
      context.Print(report, EpochText(report, epoch_count));
    }
  }
  if (bar) std::cout << std::endl;
  const absl::Status status = reports.Finish();
  if (interrupt.happened()) {
    std::cerr << training_run << " goes on.\n" << HowToComeBack(training_run) << std::endl;
    return absl::OkStatus();
  }
  if (absl::IsUnavailable(status)) {
    std::cerr << "The connection is lost; " << training_run << " may go on.\n" << HowToComeBack(training_run) << "\n";
    return status;
  }
  PrintEnd(context, training_run);
  return status;
}

}  // namespace backprop::client
