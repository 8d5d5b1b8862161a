#include "client/cli/pattern_file_flags.h"

#include <CLI/Validators.hpp>

namespace backprop::client {

void AddPatternFileFlags(CLI::App& command, PatternFile& file) {
  command.add_option("file", file.path, "The patterns, plain or .gz; - is standard input")->required();
  command.add_option("--format", file.format, "Format of the file (default: by its ending, else csv)")
      ->check(CLI::IsMember({"csv", "idx", "npy"}));
  command
      .add_option("--targets", file.target_columns,
                  "csv: the target columns, by header name, index from 0 or from the end (-1 is the last)")
      ->delimiter(',')
      ->allow_extra_args(false);
  command.add_flag("--header", file.header, "csv: the first row names the columns");
  command.add_option("--raw-scale", file.raw_scale,
                     "idx, npy: what one unsigned byte of the inputs counts (default 1/255 for idx, 1 for npy)");
}

}  // namespace backprop::client
