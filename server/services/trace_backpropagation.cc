// DerivativeService.TraceBackpropagation.
#include "core/trace.h"
#include "server/services/derivative_call.h"
#include "server/services/derivative_service.h"
#include "server/services/matrix_codec.h"
#include "server/services/parameters_codec.h"

namespace backprop::server {
namespace {

// Bytes of the answer, which are also about those of the trace itself.
template <typename Scalar>
int64_t AnswerBytes(const NetworkSpec& spec) {
  int64_t numbers = spec.output_unit_count();
  for (const LayerShape& shape : spec.layout()->layers) numbers += shape.input_count + 5 * int64_t{shape.unit_count};
  const int64_t outputs = spec.output_unit_count();
  const bool softmax = spec.task() == Task::kMultiwayClassification && outputs <= kMaxTracedSoftmaxUnits;
  if (softmax) numbers += outputs * outputs;
  return numbers * int64_t{sizeof(Scalar)} + spec.layer_count() * 7 * kLayerMessageBytes +
         ParametersMessageBytes<Scalar>(spec);
}

template <typename Scalar>
void EncodeLayer(const LayerTrace<Scalar>& layer, v1::LayerTrace* wire) {
  EncodePatternMatrix(layer.inputs, wire->mutable_inputs());
  EncodePatternMatrix(layer.weighted_sums, wire->mutable_weighted_sums());
  EncodePatternMatrix(layer.activations, wire->mutable_activations());
  EncodePatternMatrix(layer.activation_gradients, wire->mutable_activation_gradients());
  EncodePatternMatrix(layer.activation_derivatives, wire->mutable_activation_derivatives());
  if (layer.softmax_derivatives.size() > 0) {
    EncodePatternMatrix(layer.softmax_derivatives, wire->mutable_softmax_derivatives());  // Symmetric.
  }
  EncodePatternMatrix(layer.error_signals, wire->mutable_error_signals());
}

template <typename Scalar>
absl::Status TraceFor(const Session<Scalar>& session, const v1::TraceBackpropagationRequest& request,
                      v1::TraceBackpropagationResponse* response) {
  const NetworkSpec spec = session.spec();
  Violations violations;
  const int64_t row_count = request.patterns().inputs().row_count();
  if (request.patterns().has_inputs() && row_count != 1) {
    violations.Add("patterns.inputs.row_count", absl::StrCat("must be 1, but is ", row_count, ": trace one pattern"));
    return violations.ToStatus();
  }
  const auto pattern = DecodePatterns<Scalar>(request.patterns(), spec, Targets::kNeeded, "patterns", &violations);
  if (!violations.empty()) return violations.ToStatus();
  const auto snapshot = session.model_versions().Get(ModelVersionOf(request));
  if (!snapshot.ok()) return snapshot.status();
  const int64_t bytes = AnswerBytes<Scalar>(spec);
  if (absl::Status status = CheckAnswerBytes(bytes, "the trace", "ask ComputeGradient for the gradient alone");
      !status.ok()) {
    return status;
  }
  MemoryCharge charge(session.budget());
  if (absl::Status status = charge.Grow(2 * bytes, "the trace"); !status.ok()) return status;
  const Trace<Scalar> trace = TraceBackpropagation(spec, (*snapshot)->scalings, (*snapshot)->parameters, pattern);
  if (!std::isfinite(trace.log_likelihood) || !trace.gradient.flat().allFinite()) {
    return NotFinite("the log likelihood or the gradient");
  }
  for (const LayerTrace<Scalar>& layer : trace.layers) EncodeLayer(layer, response->add_layers());
  EncodeParameters(trace.gradient, (*snapshot)->model_version, response->mutable_gradient());
  response->set_log_likelihood(trace.log_likelihood);
  EncodePatternMatrix(trace.targets, response->mutable_targets());
  response->set_model_version((*snapshot)->model_version);
  return absl::OkStatus();
}

}  // namespace

grpc::Status DerivativeServiceImpl::TraceBackpropagation(grpc::ServerContext*,
                                                         const v1::TraceBackpropagationRequest* request,
                                                         v1::TraceBackpropagationResponse* response) {
  return ToGrpcStatus(WithSession(context_, request->session(), "session",
                                  [&](const auto& session) { return TraceFor(*session, *request, response); }));
}

}  // namespace backprop::server
