#include <unistd.h>

#include <CLI/App.hpp>
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "client/cli/commands.h"
#include "client/cli/interrupt.h"
#include "client/cli/names.h"
#include "client/cli/pattern_file_flags.h"
#include "client/cli/whole_number.h"
#include "client/data/pattern_slice.h"
#include "client/pattern_writer.h"

namespace backprop::client {
namespace {

// Of the class names in a message.
constexpr size_t kMaxNamesLength = 300;
// Whoever interrupted a command waits for its end.
constexpr absl::Duration kStoredCountTimeout = absl::Seconds(5);

struct AppendFlags {
  std::string name;
  std::string set = "training";
  PatternFile file;
  std::optional<int64_t> offset;
  int64_t skip = 0;
  std::optional<int64_t> count;
};

// Patterns of an earlier file may have been stored by class index: names that this file has by itself could then mean
// other classes than theirs.
absl::Status CheckNothingStored(CommandContext& context, const std::string& session) {
  v1::ListPatternSetsRequest request;
  request.set_session(session);
  const absl::StatusOr<v1::ListPatternSetsResponse> sets = context.client().ListPatternSets(request);
  if (!sets.ok() || sets->pattern_sets().empty()) return sets.status();
  return absl::FailedPreconditionError(
      "this file's classes have names, but the session has patterns already, and its classes have none; give the names "
      "in order to `backprop create --names`, or delete the session and append all files anew");
}

// `first_offset` is where the first pattern of the file goes: names are not set for patterns that will be refused.
absl::Status SetClassNames(CommandContext& context, const std::string& session, const std::vector<std::string>& names,
                           int64_t first_offset) {
  if (absl::Status status = CheckNothingStored(context, session); !status.ok()) return status;
  if (first_offset != 0) {
    return absl::OutOfRangeError(
        absl::StrCat("--offset ", first_offset, ": the session has no patterns yet, so the first goes to offset 0"));
  }
  v1::UpdateSessionRequest request;
  request.mutable_session()->set_name(session);
  request.mutable_session()->mutable_network()->mutable_output_names()->Add(names.begin(), names.end());
  request.mutable_update_mask()->add_paths("network.output_names");
  const absl::Status status = context.client().UpdateSession(request).status();
  if (!absl::IsFailedPrecondition(status)) return status;
  return WithNote(status, absl::StrCat("another command named the classes at the same time, and not as this file's, ",
                                       absl::StrJoin(names, ", ").substr(0, kMaxNamesLength),
                                       "; nothing of this file is stored; repeat the command if the names that are set "
                                       "are right, otherwise delete the session and append all files anew"));
}

// Writes over the line it wrote before. Nothing unless a person is looking.
void ShowProgress(const CommandContext& context, int64_t stored_count) {
  if (!context.json() && isatty(STDERR_FILENO)) std::cerr << "\r\x1b[K" << stored_count << " patterns stored";
}

void ClearProgress(const CommandContext& context) {
  if (!context.json() && isatty(STDERR_FILENO)) std::cerr << "\r\x1b[K";
}

// Of this file. A cancelled writer has not read all answers: then the server is asked.
int64_t StoredCount(CommandContext& context, const std::string& set, bool cancelled, const PatternWriter& writer) {
  if (!cancelled) return writer.stored_count();
  v1::GetPatternSetRequest request;
  request.set_name(set);
  const auto answer = context.client().GetPatternSet(request, {.timeout = kStoredCountTimeout});
  const int64_t stored_count = answer.ok() ? answer->pattern_count() - writer.first_offset() : 0;
  return std::max(stored_count, writer.stored_count());
}

// `status` with what is stored. An append that stopped midway and may succeed another time is repeated whole: what is
// stored is not stored twice.
absl::Status Stopped(const absl::Status& status, bool repeatable, int64_t stored_count, const PatternWriter& writer) {
  const std::string remedy =
      absl::StrCat("; repeat the command with --offset ", writer.first_offset(), " to store the rest, none twice");
  return WithNote(status, absl::StrCat(stored_count, " patterns before it are stored", repeatable ? remedy : ""));
}

// Of an error of the writer.
bool IsRepeatable(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsCancelled(status) || absl::IsDeadlineExceeded(status) ||
         absl::IsResourceExhausted(status);
}

// The pattern count of `set` at the end.
absl::StatusOr<int64_t> AppendAll(CommandContext& context, const std::string& set, PatternReader& reader,
                                  v1::Patterns first, int32_t batch_pattern_count, PatternWriter& writer) {
  const auto stopped = [&](const absl::Status& status) {
    const int64_t stored_count = StoredCount(context, set, absl::IsCancelled(status), writer);
    return Stopped(status, IsRepeatable(status), stored_count, writer);
  };
  std::optional<v1::Patterns> batch = std::move(first);
  while (batch) {
    if (absl::Status status = writer.Write(*std::move(batch)); !status.ok()) return stopped(status);
    ShowProgress(context, writer.stored_count());
    absl::StatusOr<std::optional<v1::Patterns>> next = reader.Next(batch_pattern_count);
    if (!next.ok()) {
      writer.Finish().status().IgnoreError();  // What precedes the bad row is stored.
      return Stopped(next.status(), /*repeatable=*/true, writer.stored_count(), writer);
    }
    batch = *std::move(next);
  }
  absl::StatusOr<int64_t> pattern_count = writer.Finish();
  if (!pattern_count.ok()) return stopped(pattern_count.status());
  return pattern_count;
}

// Ctrl-C cancels the writer, once there is one.
void Interrupt(const std::atomic<PatternWriter*>& writer) {
  if (PatternWriter* const there = writer) return there->Cancel();
  std::cerr << ErrorText(absl::CancelledError("interrupted; nothing is stored"));
  std::_Exit(1);
}

absl::Status RunAppend(CommandContext& context, const AppendFlags& flags) {
  BlockInterrupt();
  std::unique_ptr<PatternWriter> writer;
  std::atomic<PatternWriter*> interruptible = nullptr;
  const OnInterrupt interrupt([&interruptible] { Interrupt(interruptible); });
  v1::GetSessionRequest request;
  request.set_name(SessionName(flags.name));
  const absl::StatusOr<v1::Session> session = context.client().GetSession(request);
  if (!session.ok()) return session.status();
  absl::StatusOr<OpenedPatternFile> file = OpenPatternFile(flags.file, session->network(), /*with_targets=*/true);
  if (!file.ok()) return file.status();
  if (flags.skip > 0 || flags.count) {
    file->reader = std::make_unique<PatternSlice>(std::move(file->reader), flags.skip, flags.count);
  }
  const int32_t batch_pattern_count = BatchPatternCount(session->network());
  absl::StatusOr<std::optional<v1::Patterns>> first = file->reader->Next(batch_pattern_count);
  if (!first.ok()) return first.status();
  if (!*first)
    return absl::InvalidArgumentError(
        absl::StrCat(flags.file.path, ": the file holds no ", flags.skip > 0 ? "further " : "", "patterns"));
  absl::StatusOr<std::unique_ptr<PatternWriter>> opened = PatternWriter::Open(
      context.client(), session->name(), flags.set, {.offset = flags.offset, .first_pattern = flags.skip});
  if (!opened.ok()) return opened.status();
  writer = *std::move(opened);
  interruptible = writer.get();
  if (const auto& names = file->found_class_names; !names.empty()) {
    absl::Status status = SetClassNames(context, session->name(), names, writer->first_offset());
    if (!status.ok()) return status;
  }
  const absl::StatusOr<int64_t> pattern_count = AppendAll(context, PatternSetName(flags.name, flags.set), *file->reader,
                                                          **std::move(first), batch_pattern_count, *writer);
  ClearProgress(context);
  if (!pattern_count.ok()) return pattern_count.status();
  // What the writer knows: asking the server again could fail after everything is stored.
  v1::PatternSet set;
  set.set_name(PatternSetName(flags.name, flags.set));
  set.set_pattern_count(*pattern_count);
  const std::vector<std::string>& names = file->found_class_names;
  const std::string named =
      names.empty() ? "" : absl::StrCat("\nnamed the classes ", absl::StrJoin(names, ", ").substr(0, kMaxNamesLength));
  context.Print(set, absl::StrCat("appended ", writer->stored_count(), " patterns to ", set.name(), " (",
                                  *pattern_count, " in all)", named));
  return absl::OkStatus();
}

}  // namespace

void AddAppend(CLI::App& app, CommandContext& context) {
  CLI::App* command = app.add_subcommand("append", "Append the patterns of a file to a pattern set");
  const auto flags = std::make_shared<AppendFlags>();
  command->add_option("name", flags->name, "The session")->required();
  AddPatternFileFlags(*command, flags->file);
  command->add_option("--labels", flags->file.labels_path, "idx, npy: the file of the targets");
  command->add_option("--set", flags->set, "The pattern set; made if need be")->capture_default_str();
  command
      ->add_option("--offset", flags->offset,
                   "Where in the set the first pattern goes: repeating an append at its offset stores nothing twice "
                   "(default: where the set ends)")
      ->check(WholeNumber<int64_t>(0));
  command->add_option("--skip", flags->skip, "Leave out so many patterns at the file's beginning")
      ->check(WholeNumber<int64_t>(0));
  command
      ->add_option("--count", flags->count,
                   "Append at most so many patterns; classes are named as all of the file has them")
      ->check(WholeNumber<int64_t>(1));
  command->callback([&context, flags] { context.command = [&context, flags] { return RunAppend(context, *flags); }; });
}

}  // namespace backprop::client
