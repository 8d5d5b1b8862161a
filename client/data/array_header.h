#pragma once

#include "absl/status/statusor.h"
#include "client/data/array_file.h"
#include "client/data/byte_source.h"

namespace backprop::client {

// Reads the header of an .idx file and leaves `source` at the first element: two zero bytes, a byte for the element
// type, a byte for the number of dimensions, and the dimensions as 4-byte big-endian numbers. DATA_LOSS when it ends
// early, INVALID_ARGUMENT when it is no such header.
absl::StatusOr<ArrayHeader> ReadIdxHeader(ByteSource& source);

// Likewise of a .npy file: "\x93NUMPY", a version, the length of what follows, and a Python dictionary with `descr`,
// `fortran_order` and `shape` (numpy.lib.format).
absl::StatusOr<ArrayHeader> ReadNpyHeader(ByteSource& source);

}  // namespace backprop::client
