// DerivativeService.ComputeHessian.
#include "core/hessian.h"

#include <optional>

#include "server/services/derivative_call.h"
#include "server/services/derivative_service.h"
#include "server/services/matrix_codec.h"

namespace backprop::server {
namespace {

static_assert(kMaxHessianParameters * kMaxHessianParameters * int64_t{sizeof(double)} <= kMaxAnswerBytes);
static_assert(kMaxParameterCount * int64_t{sizeof(double)} <= kMaxAnswerBytes, "the diagonal of any network");

// What part of the matrix is asked for.
struct Part {
  bool diagonal = false;
  std::optional<int> layer;     // As the core counts: from 1.
  int64_t parameter_count = 0;  // Rows of the result.
};

Part DecodePart(const v1::ComputeHessianRequest& request, const NetworkSpec& spec, Violations* violations) {
  Part part{.diagonal = request.diagonal(), .layer = {}, .parameter_count = spec.parameter_count()};
  if (!request.has_layer()) return part;
  if (request.layer() < 0 || request.layer() >= spec.layer_count()) {
    violations->Add("layer", absl::StrCat("must be from 0, the first above the inputs, to ", spec.layer_count() - 1,
                                          ", the output layer, but is ", request.layer()));
    return part;
  }
  const LayerShape& shape = spec.layout()->layers[request.layer()];
  part.layer = request.layer() + 1;
  part.parameter_count = int64_t{shape.unit_count} * (int64_t{shape.input_count} + 1);
  return part;
}

// A matrix of more numbers than there may be parameters is not computed.
absl::Status CheckParameterCount(const Part& part) {
  if (part.diagonal || part.parameter_count <= kMaxHessianParameters) return absl::OkStatus();
  return WithMetadata(Error(absl::StatusCode::kResourceExhausted, "HESSIAN_LIMIT",
                            absl::StrCat(part.layer ? "the layer" : "the network", " has ", part.parameter_count,
                                         " parameters, and a Hessian is computed of at most ", kMaxHessianParameters,
                                         "; ask for the diagonal", part.layer ? "" : ", for a layer",
                                         ", or for products with directions (ComputeHessianVectorProduct)")),
                      "limit", kMaxHessianParameters);
}

template <typename Scalar>
absl::Status Encode(const DerivativeCall<Scalar>& call, const Measures& measures, const Scalar* elements,
                    int64_t row_count, int64_t column_count, v1::ComputeHessianResponse* response) {
  const auto hessian = Eigen::Map<const Vector<Scalar>>(elements, row_count * column_count);
  if (!std::isfinite(measures.log_likelihood) || !hessian.allFinite()) {
    return NotFinite("the log likelihood or the Hessian");
  }
  EncodeMatrix(elements, row_count, column_count, response->mutable_hessian());
  response->set_log_likelihood(measures.log_likelihood);
  response->set_pattern_count(call.source.pattern_count);
  response->set_model_version(call.snapshot->model_version);
  return absl::OkStatus();
}

template <typename Scalar>
absl::Status ComputeFor(const Session<Scalar>& session, const v1::ComputeHessianRequest& request, int64_t work_limit,
                        const StopCheck& stopped, v1::ComputeHessianResponse* response) {
  const NetworkSpec spec = session.spec();
  Violations violations;
  const Curvature curvature = DecodeCurvature(request.curvature(), &violations);
  const Part part = DecodePart(request, spec, &violations);
  const auto call = StartCall(session, spec, request, work_limit, stopped, &violations);
  if (!call.ok()) return call.status();
  if (absl::Status status = CheckParameterCount(part); !status.ok()) return status;
  const int64_t patterns = call->source.pattern_count, rows = part.parameter_count;
  const DerivativePrice price =
      part.diagonal ? HessianDiagonalPrice(spec, patterns) : HessianPrice(spec, patterns, part.layer);
  const int64_t answer_bytes = rows * (part.diagonal ? 1 : rows) * int64_t{sizeof(Scalar)};
  MemoryCharge charge(session.budget());
  if (absl::Status status = Afford(price, answer_bytes, call->work_limit, "the Hessian", &charge); !status.ok()) {
    return status;
  }
  if (part.diagonal) {
    const auto result = HessianDiagonal(call->task(), curvature, SequentialFor, stopped);
    if (!result) return CallerGone();
    return Encode(*call, result->measures, result->diagonal.flat().data(), rows, 1, response);
  }
  const auto result = Hessian(call->task(), curvature, part.layer, SequentialFor, stopped);
  if (!result) return CallerGone();
  return Encode(*call, result->measures, result->hessian.data(), rows, rows, response);
}

}  // namespace

grpc::Status DerivativeServiceImpl::ComputeHessian(grpc::ServerContext* call, const v1::ComputeHessianRequest* request,
                                                   v1::ComputeHessianResponse* response) {
  const absl::StatusOr<StreamSlots::Slot> slot = context_.streams->Take(call);  // It may last as long as a stream.
  if (!slot.ok()) return ToGrpcStatus(slot.status());
  return ToGrpcStatus(WithSession(
      context_, request->session(), "session",
      [&](const auto& session) {
        return ComputeFor(*session, *request, context_.work_limit, StopWhenCancelled(call), response);
      },
      ViolationsApartFromSession(*request)));
}

}  // namespace backprop::server
