#include "server/services/evaluation_service.h"

#include <cmath>

#include "server/services/computation_source.h"
#include "server/services/matrix_codec.h"

namespace backprop::server {
namespace {

void EncodeMeasures(const NetworkSpec& spec, const Measures& measures, v1::EvaluateResponse* response) {
  response->set_log_likelihood(measures.log_likelihood);
  response->set_mean_log_likelihood(measures.mean_log_likelihood());
  if (spec.task() == Task::kRegression) {
    response->set_mean_squared_error(measures.mean_squared_error(spec.output_unit_count()));
  } else {
    response->set_accuracy(measures.accuracy());
  }
  if (measures.confusion.size() > 0) {
    // Row-major on the wire: the transpose of the core's column-major matrix.
    const Matrix<double> rows = measures.confusion.transpose();
    EncodePatternMatrix(rows, response->mutable_confusion_matrix());
  }
  response->set_pattern_count(measures.pattern_count);
}

template <typename Scalar>
absl::Status EvaluateFor(const Session<Scalar>& session, const v1::EvaluateRequest& request, const StopCheck& stopped,
                         v1::EvaluateResponse* response) {
  const NetworkSpec spec = session.spec();
  Violations violations;
  const auto source = SourceOfRequest(session, spec, request, Targets::kNeeded, &violations);
  if (!source.ok()) return source.status();
  const auto snapshot = session.model_versions().Get(ModelVersionOf(request));
  if (!snapshot.ok()) return snapshot.status();
  MemoryCharge charge(session.budget());
  const int64_t workspace = BatchComputation<Scalar>::WorkspaceBytes(spec, source->pattern_count, Ways::kForward);
  if (absl::Status status = charge.Grow(workspace, "the evaluation"); !status.ok()) return status;
  BatchComputation<Scalar> computation(spec, (*snapshot)->scalings);
  const BatchRequest<Scalar> batch{
      .pattern_count = source->pattern_count, .source = source->patterns, .gradient = false, .confusion = true};
  if (!computation.Run((*snapshot)->parameters, batch, SequentialFor, stopped)) return CallerGone();
  if (!std::isfinite(computation.measures().log_likelihood)) {
    return Error(absl::StatusCode::kFailedPrecondition, "NOT_FINITE",
                 "the log likelihood is not finite in the network's precision; scale the inputs (FitScaling)");
  }
  EncodeMeasures(spec, computation.measures(), response);
  response->set_model_version((*snapshot)->model_version);
  return absl::OkStatus();
}

}  // namespace

grpc::Status EvaluationServiceImpl::Evaluate(grpc::ServerContext* call, const v1::EvaluateRequest* request,
                                             v1::EvaluateResponse* response) {
  return ToGrpcStatus(WithSession(
      context_, request->session(), "session",
      [&](const auto& session) { return EvaluateFor(*session, *request, StopWhenCancelled(call), response); },
      ViolationsApartFromSession(*request)));
}

}  // namespace backprop::server
