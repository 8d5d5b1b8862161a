// The patterns that a gradient or an evaluation is computed over: a stored set, or those of the request.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/batch_computation.h"
#include "core/error.h"
#include "server/services/patterns_codec.h"
#include "server/services/service_context.h"

namespace backprop::server {

template <typename Scalar>
struct ComputationSource {
  int64_t pattern_count = 0;
  PatternSource<Scalar> patterns;  // Owns what it reads from.
};

// A stored set as it is now.
template <typename Scalar>
ComputationSource<Scalar> SourceOfSet(PatternSequence<Scalar> stored) {
  const int64_t count = stored.count();
  return {count, [stored = std::move(stored)](int64_t begin, int64_t n, Columns<Scalar> inputs, Columns<Scalar> targets,
                                              Eigen::Ref<RowVector<Scalar>> weights) {
            stored.Read(begin, n, inputs, targets, weights);
          }};
}

// What is wrong with a request for a computation over patterns, whatever the session.
template <typename Request>
Violations ViolationsApartFromSession(const Request& request) {
  Violations violations;
  if constexpr (requires { request.work_limit(); }) {
    if (request.work_limit() < 0) {
      violations.Add("work_limit", absl::StrCat("must be 0 or more, but is ", request.work_limit()));
    }
  }
  if (request.has_pattern_set()) {
    violations.AddAll("", ValidateId(request.pattern_set(), "pattern_set"));
  } else if (!request.has_patterns()) {
    violations.Add("pattern_set", "must be given, or patterns");
  }
  return violations;
}

// From the oneof `source` {pattern_set, patterns} of `request`, for a network of `spec`.
template <typename Scalar, typename Request>
absl::StatusOr<ComputationSource<Scalar>> SourceOfRequest(const Session<Scalar>& session, const NetworkSpec& spec,
                                                          const Request& request, Targets targets,
                                                          Violations* violations) {
  violations->AddAll("", ViolationsApartFromSession(request).ToStatus());
  if (request.has_pattern_set()) {
    if (!violations->empty()) return violations->ToStatus();
    absl::StatusOr<PatternSequence<Scalar>> stored = session.pattern_sets().Get(request.pattern_set());
    if (!stored.ok()) return stored.status();
    return SourceOfSet(*std::move(stored));
  }
  if (!request.has_patterns()) return violations->ToStatus();
  const auto charge = std::make_shared<MemoryCharge>(session.budget());
  if (absl::Status status = ChargeForPatterns<Scalar>(request.patterns().inputs().row_count(), spec, charge.get());
      !status.ok()) {
    return status;
  }
  auto patterns = std::make_shared<const Patterns<Scalar>>(
      DecodePatterns<Scalar>(request.patterns(), spec, targets, "patterns", violations));
  if (!violations->empty()) return violations->ToStatus();
  return ComputationSource<Scalar>{
      patterns->count(), [charge, patterns, source = SourceOf(*patterns)](auto... arguments) { source(arguments...); }};
}

// The model version that `request` asks for, if any.
template <typename Request>
std::optional<int64_t> ModelVersionOf(const Request& request) {
  return request.has_model_version() ? std::optional<int64_t>(request.model_version()) : std::nullopt;
}

}  // namespace backprop::server
