// DerivativeService.ComputeGradient.
#include <cmath>
#include <optional>
#include <utility>

#include "server/services/derivative_call.h"
#include "server/services/derivative_service.h"
#include "server/services/matrix_codec.h"
#include "server/services/parameters_codec.h"
#include "server/services/training_codec.h"

namespace backprop::server {
namespace {

// A gradient under way: what was asked of which model.
template <typename Scalar>
struct GradientCall {
  const v1::ComputeGradientRequest& request;
  NetworkSpec spec;
  std::shared_ptr<const Snapshot<Scalar>> snapshot;
  ComputationSource<Scalar> source;
  std::optional<Matrix<Scalar>> error_signals;  // [output unit x pattern]
  StopCheck stopped;
};

constexpr char kFewerPatterns[] = "give fewer patterns at a time, in the request";

// Bytes of the answer.
template <typename Scalar>
int64_t AnswerBytes(const GradientCall<Scalar>& call) {
  const int64_t gradient = ParametersMessageBytes<Scalar>(call.spec);
  const int64_t inputs = call.spec.input_unit_count() * int64_t{sizeof(Scalar)};
  return gradient + (call.request.per_pattern() ? call.source.pattern_count * gradient : 0) +
         (call.request.input_gradients() ? call.source.pattern_count * inputs : 0);
}

// One gradient a pattern: computations over one pattern each.
template <typename Scalar>
absl::Status ComputePatternGradients(const GradientCall<Scalar>& call, v1::ComputeGradientResponse* response) {
  BatchComputation<Scalar> computation(call.spec, call.snapshot->scalings);
  for (int64_t t = 0; t < call.source.pattern_count; ++t) {
    BatchRequest<Scalar> batch{.pattern_count = 1};
    batch.source = [&](int64_t, int64_t n, Columns<Scalar> inputs, Columns<Scalar> targets,
                       Eigen::Ref<RowVector<Scalar>> weights) { call.source.patterns(t, n, inputs, targets, weights); };
    Matrix<Scalar> error_signal;
    if (call.error_signals) {
      error_signal = call.error_signals->col(t);
      batch.output_error_signals = &error_signal;
    }
    if (!computation.Run(call.snapshot->parameters, batch, SequentialFor, call.stopped)) return CallerGone();
    if (!computation.gradient().flat().allFinite()) return NotFinite("the log likelihood or the gradient");
    EncodeParameters(computation.gradient(), call.snapshot->model_version, response->add_pattern_gradients());
  }
  return absl::OkStatus();
}

template <typename Scalar>
absl::Status Compute(const GradientCall<Scalar>& call, Reduction reduction, v1::ComputeGradientResponse* response) {
  Matrix<Scalar> input_gradients;
  BatchRequest<Scalar> batch{.pattern_count = call.source.pattern_count, .source = call.source.patterns};
  if (call.error_signals) batch.output_error_signals = &*call.error_signals;
  if (call.request.input_gradients()) {
    input_gradients.resize(call.spec.input_unit_count(), call.source.pattern_count);
    batch.input_gradients = &input_gradients;
  }
  BatchComputation<Scalar> computation(call.spec, call.snapshot->scalings);
  if (!computation.Run(call.snapshot->parameters, batch, SequentialFor, call.stopped)) return CallerGone();
  Parameters<Scalar>& gradient = computation.gradient();
  const Measures& measures = computation.measures();
  double log_likelihood = measures.log_likelihood;
  if (reduction == Reduction::kMean && measures.weight_sum > 0) {
    gradient.flat() *= static_cast<Scalar>(1 / measures.weight_sum);
    log_likelihood /= measures.weight_sum;
  }
  if (!std::isfinite(log_likelihood) || !gradient.flat().allFinite() || !input_gradients.allFinite()) {
    return NotFinite("the log likelihood or the gradient");
  }
  EncodeParameters(gradient, call.snapshot->model_version, response->mutable_gradient());
  response->set_log_likelihood(log_likelihood);
  response->set_pattern_count(call.source.pattern_count);
  response->set_model_version(call.snapshot->model_version);
  if (call.request.input_gradients()) EncodePatternMatrix(input_gradients, response->mutable_input_gradients());
  return call.request.per_pattern() ? ComputePatternGradients(call, response) : absl::OkStatus();
}

template <typename Scalar>
absl::Status ComputeFor(const Session<Scalar>& session, const v1::ComputeGradientRequest& request,
                        const StopCheck& stopped, v1::ComputeGradientResponse* response) {
  const NetworkSpec spec = session.spec();
  Violations violations;
  Reduction reduction = Reduction::kSum;
  if (!DecodeReduction(request.reduction(), Reduction::kSum, &reduction)) {
    violations.Add("reduction", "must be REDUCTION_MEAN or REDUCTION_SUM, or left out for SUM");
  }
  const bool signals_given = request.has_output_error_signals();
  auto source =
      SourceOfRequest(session, spec, request, signals_given ? Targets::kIgnored : Targets::kNeeded, &violations);
  if (!source.ok()) return source.status();
  std::optional<Matrix<Scalar>> error_signals;
  if (signals_given) {
    const MatrixShape shape{.row_count = source->pattern_count, .column_count = spec.output_unit_count()};
    error_signals = DecodeMatrix<Scalar>(request.output_error_signals(), shape, "output_error_signals", &violations);
    if (!violations.empty()) return violations.ToStatus();
  }
  auto snapshot = session.model_versions().Get(ModelVersionOf(request));
  if (!snapshot.ok()) return snapshot.status();
  const GradientCall<Scalar> call{request, spec, *std::move(snapshot), *std::move(source), std::move(error_signals),
                                  stopped};
  const int64_t answer_bytes = AnswerBytes(call);
  if (absl::Status status = CheckAnswerBytes(answer_bytes, "the gradients", kFewerPatterns); !status.ok())
    return status;
  MemoryCharge charge(session.budget());
  const int64_t workspace = BatchComputation<Scalar>::WorkspaceBytes(spec, call.source.pattern_count);
  if (absl::Status status = charge.Grow(answer_bytes + workspace, "the gradient"); !status.ok()) return status;
  return Compute(call, reduction, response);
}

}  // namespace

grpc::Status DerivativeServiceImpl::ComputeGradient(grpc::ServerContext* call,
                                                    const v1::ComputeGradientRequest* request,
                                                    v1::ComputeGradientResponse* response) {
  return ToGrpcStatus(WithSession(
      context_, request->session(), "session",
      [&](const auto& session) { return ComputeFor(*session, *request, StopWhenCancelled(call), response); },
      ViolationsApartFromSession(*request)));
}

}  // namespace backprop::server
