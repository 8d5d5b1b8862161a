// What derivatives beyond the gradient cost, in gradients and forward passes; on one thread.
#pragma once

#include <vector>

#include "bench/report.h"

namespace backprop::bench {

// Rows with the goals of Hessian-vector products, directional derivatives and the full Hessian; `quick` takes fewer and
// shorter repetitions. What is compared is measured by turns, a ratio is made within a repetition, rows have medians.
std::vector<Row> DerivativeRows(bool quick);

}  // namespace backprop::bench
