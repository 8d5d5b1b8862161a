// What the calls of DerivativeService share: what derivatives are taken of, and what they may cost.
#pragma once

#include <algorithm>
#include <limits>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "backprop/v1/derivative_service.pb.h"
#include "core/batch_computation.h"
#include "core/derivative_task.h"
#include "core/random.h"
#include "server/services/computation_source.h"
#include "server/services/limits.h"

namespace backprop::server {

// Bytes that the message of parameters takes in memory for every layer, beside its elements; on the wire it is less.
inline constexpr int64_t kLayerMessageBytes = 320;

// Bytes of a Parameters in an answer.
template <typename Scalar>
int64_t ParametersMessageBytes(const NetworkSpec& spec) {
  return spec.parameter_count() * int64_t{sizeof(Scalar)} + spec.layer_count() * kLayerMessageBytes;
}

// A violation of `curvature` where there is no such matrix.
Curvature DecodeCurvature(v1::Curvature wire, Violations* violations);

// Takes the memory of a direction's decoding, or RESOURCE_EXHAUSTED, reason MEMORY_LIMIT. Nothing for what decoding
// will refuse for its layers.
template <typename Scalar>
absl::Status ChargeForDirection(const v1::Parameters& wire, const NetworkSpec& spec, MemoryCharge* charge) {
  if (wire.layers_size() != spec.layer_count()) return absl::OkStatus();
  return charge->Grow(spec.parameter_count() * int64_t{sizeof(Scalar)}, "the directions of the request");
}

// FAILED_PRECONDITION, reason NOT_FINITE: `what` overflowed.
absl::Status NotFinite(absl::string_view what);

// The multiply-adds that a call may take.
struct WorkLimit {
  int64_t server;   // Of every call.
  int64_t request;  // Of this one; 0: the server's.
};

// Takes the memory for a computation of that price and for its answer, or RESOURCE_EXHAUSTED: reason WORK_LIMIT, naming
// price and limit, or MEMORY_LIMIT. `what` such as "the Hessian".
absl::Status Afford(const DerivativePrice& price, int64_t answer_bytes, const WorkLimit& limit, absl::string_view what,
                    MemoryCharge* charge);

// A computation of derivatives under way.
template <typename Scalar>
struct DerivativeCall {
  const NetworkSpec spec;
  const ComputationSource<Scalar> source;
  const std::shared_ptr<const Snapshot<Scalar>> snapshot;
  const WorkLimit work_limit;
  const StopCheck stopped;

  DerivativeTask<Scalar> task() const {
    return {spec, snapshot->scalings, snapshot->parameters, source.pattern_count, source.patterns};
  }
};

// The call for what `request` names by source, model_version and work_limit. `violations` are those found before; an
// error with all of them in case of any.
template <typename Scalar, typename Request>
absl::StatusOr<DerivativeCall<Scalar>> StartCall(const Session<Scalar>& session, const NetworkSpec& spec,
                                                 const Request& request, int64_t server_work_limit, StopCheck stopped,
                                                 Violations* violations) {
  auto source = SourceOfRequest(session, spec, request, Targets::kNeeded, violations);
  if (!source.ok()) return source.status();
  if (!violations->empty()) return violations->ToStatus();
  auto snapshot = session.model_versions().Get(ModelVersionOf(request));
  if (!snapshot.ok()) return snapshot.status();
  return DerivativeCall<Scalar>{spec,
                                *std::move(source),
                                *std::move(snapshot),
                                {.server = server_work_limit, .request = request.work_limit()},
                                std::move(stopped)};
}

// The gradient as a direction; an error when it is not finite or the caller has gone.
template <typename Scalar>
absl::StatusOr<Parameters<Scalar>> GradientDirection(const DerivativeCall<Scalar>& call) {
  BatchComputation<Scalar> computation(call.spec, call.snapshot->scalings);
  const BatchRequest<Scalar> batch{.pattern_count = call.source.pattern_count, .source = call.source.patterns};
  if (!computation.Run(call.snapshot->parameters, batch, SequentialFor, call.stopped)) return CallerGone();
  if (!computation.gradient().flat().allFinite()) return NotFinite("the gradient");
  return computation.gradient();
}

// Direction `index` of those of `seed`: its elements are +1 or -1.
template <typename Scalar>
Parameters<Scalar> RandomDirection(const NetworkSpec& spec, int64_t seed, int64_t index) {
  Random random(seed, index);
  Parameters<Scalar> direction(spec.layout());
  for (Scalar& element : direction.flat()) element = random.Below(2) == 0 ? Scalar(-1) : Scalar(1);
  return direction;
}

}  // namespace backprop::server
